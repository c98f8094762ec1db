// The way in from outside: HTTPS, and only the paths that Slack, members and administrators need.

import { Duration } from "aws-cdk-lib";
import * as ec2 from "aws-cdk-lib/aws-ec2";
import * as ecs from "aws-cdk-lib/aws-ecs";
import * as elb from "aws-cdk-lib/aws-elasticloadbalancingv2";
import * as s3 from "aws-cdk-lib/aws-s3";
import { Construct } from "constructs";
import { accept } from "./accept";

/** The rest, such as /metrics and /readyz, stays inside. */
export const PUBLIC_PATHS = ["/", "/assets/*", "/slack/*", "/onboard", "/onboard/*", "/signin", "/signin/*", "/signout"];
/** A rule of a load balancer takes no more. */
const PATHS_PER_RULE = 5;

export class Door extends Construct {
  /** The name that the public address must lead to. */
  readonly address: string;

  constructor(
    scope: Construct,
    vpc: ec2.IVpc,
    service: ecs.FargateService,
    port: number,
    accessLogs: s3.IBucket,
    certificateArn: string,
  ) {
    super(scope, "Door");
    const guard = new ec2.SecurityGroup(this, "Guard", { vpc, description: "HTTPS from anywhere" });
    accept(guard, { CKV_AWS_260: "port 80 answers only with a redirection to https" });
    const balancer = new elb.ApplicationLoadBalancer(this, "Balancer", {
      vpc,
      vpcSubnets: { subnetType: ec2.SubnetType.PUBLIC },
      internetFacing: true,
      securityGroup: guard,
      dropInvalidHeaderFields: true,
      deletionProtection: true,
    });
    balancer.logAccessLogs(accessLogs, "requests");
    this.address = balancer.loadBalancerDnsName;
    const https = balancer.addListener("Https", {
      port: 443,
      certificates: [{ certificateArn }],
      sslPolicy: elb.SslPolicy.RECOMMENDED_TLS,
      defaultAction: elb.ListenerAction.fixedResponse(404),
    });
    balancer.addRedirect();
    this.admit(https, new elb.ApplicationTargetGroup(this, "Target", {
      vpc,
      port,
      protocol: elb.ApplicationProtocol.HTTP,
      targets: [service],
      // Above the drain timeout: what was accepted is answered.
      deregistrationDelay: Duration.seconds(30),
      healthCheck: { path: "/healthz" },
    }));
  }

  private admit(https: elb.ApplicationListener, target: elb.ApplicationTargetGroup): void {
    for (let first = 0; first < PUBLIC_PATHS.length; first += PATHS_PER_RULE) {
      https.addAction(`Paths${first}`, {
        priority: first + 1,
        conditions: [elb.ListenerCondition.pathPatterns(PUBLIC_PATHS.slice(first, first + PATHS_PER_RULE))],
        action: elb.ListenerAction.forward([target]),
      });
    }
  }
}
