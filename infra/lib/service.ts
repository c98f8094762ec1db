// The service itself on Fargate, with its data folder on EFS.
//
// One task at a time: a data folder belongs to one process, so a new version starts after the old one has ended.

import { Duration, RemovalPolicy } from "aws-cdk-lib";
import * as ec2 from "aws-cdk-lib/aws-ec2";
import * as ecs from "aws-cdk-lib/aws-ecs";
import * as efs from "aws-cdk-lib/aws-efs";
import * as iam from "aws-cdk-lib/aws-iam";
import * as logs from "aws-cdk-lib/aws-logs";
import * as s3 from "aws-cdk-lib/aws-s3";
import * as secrets from "aws-cdk-lib/aws-secretsmanager";
import { Construct } from "constructs";
import { accept } from "./accept";
import { Door } from "./door";
import { containerImage } from "./image";
import { Store } from "./store";

export interface ServiceProps {
  /** The container image, in a registry that Fargate reaches. */
  readonly image: string;
  /** Where Slack and browsers reach the service; its name must lead to the load balancer. */
  readonly publicUrl: string;
  /** The certificate of that name, in AWS Certificate Manager. */
  readonly certificateArn: string;
  /** A secret in Secrets Manager, by its whole ARN: a JSON object with a key for each of SECRETS. */
  readonly secretArn: string;
  /** The Slack app's client id. */
  readonly clientId: string;
}

/** Each must be a key of the secret; an empty value counts as not set. */
export const SECRETS = [
  "SLACK_SIGNING_SECRET",
  "SLACK_BOT_TOKEN",
  "SLACK_ADMIN_TOKEN",
  "SLACK_CLIENT_SECRET",
  "STATUSINATOR_VAULT_KEY",
];

const PORT = 3000;
const DATA = "/data";
/** The user that the image runs as. */
const UID = "10001";

export class Service extends Construct {
  /** The name that the public address must lead to. */
  readonly address: string;
  private readonly props: ServiceProps;
  private readonly taskRole: iam.Role;
  private readonly vpc: ec2.Vpc;

  constructor(scope: Construct, taskRole: iam.Role, store: Store, accessLogs: s3.IBucket, props: ServiceProps) {
    super(scope, "Service");
    this.props = props;
    this.taskRole = taskRole;
    this.vpc = this.network(accessLogs);
    const files = this.files();
    const task = this.task(environment(store, props), files);
    const service = this.run(task);
    files.connections.allowDefaultPortFrom(service, "the task");
    this.address = new Door(this, this.vpc, service, PORT, accessLogs, props.certificateArn).address;
  }

  /**
   * Public subnets without a NAT gateway, which would cost more than all the rest; nothing but the load balancer may
   * open a connection to the task.
   */
  private network(accessLogs: s3.IBucket): ec2.Vpc {
    return new ec2.Vpc(this, "Network", {
      maxAzs: 2,
      natGateways: 0,
      subnetConfiguration: [{ name: "public", subnetType: ec2.SubnetType.PUBLIC, mapPublicIpOnLaunch: false }],
      gatewayEndpoints: { s3: { service: ec2.GatewayVpcEndpointAwsService.S3 } },
      flowLogs: { all: { destination: ec2.FlowLogDestination.toS3(accessLogs, "flows/") } },
    });
  }

  /** What was seen and applied, and logs that are not exported yet, outlive a task. */
  private files(): efs.FileSystem {
    return new efs.FileSystem(this, "Files", {
      vpc: this.vpc,
      vpcSubnets: { subnetType: ec2.SubnetType.PUBLIC },
      encrypted: true,
      enableAutomaticBackups: true,
      allowAnonymousAccess: false,
      removalPolicy: RemovalPolicy.RETAIN,
    });
  }

  private task(environment: Record<string, string>, files: efs.FileSystem): ecs.FargateTaskDefinition {
    const task = new ecs.FargateTaskDefinition(this, "Task", {
      cpu: 256,
      memoryLimitMiB: 512,
      taskRole: this.taskRole,
      volumes: [{ name: "data", efsVolumeConfiguration: this.folder(files) }],
    });
    const secret = secrets.Secret.fromSecretCompleteArn(this, "Secret", this.props.secretArn);
    const container = task.addContainer("statusinator", {
      image: containerImage(this, this.props.image),
      environment,
      secrets: Object.fromEntries(SECRETS.map((name) => [name, ecs.Secret.fromSecretsManager(secret, name)])),
      readonlyRootFilesystem: true,
      user: `${UID}:${UID}`,
      // Above the drain timeout, which is 25 s.
      stopTimeout: Duration.seconds(45),
      healthCheck: { command: ["CMD", "/statusinator", "health"], startPeriod: Duration.seconds(30) },
      portMappings: [{ containerPort: PORT }],
      logging: ecs.LogDrivers.awsLogs({
        streamPrefix: "statusinator",
        logGroup: this.logs(),
      }),
    });
    container.addMountPoints({ containerPath: DATA, sourceVolume: "data", readOnly: false });
    return task;
  }

  private logs(): logs.LogGroup {
    const group = new logs.LogGroup(this, "Logs", { retention: logs.RetentionDays.THREE_MONTHS });
    accept(group, { CKV_AWS_158: "CloudWatch encrypts it, and no secret or name is ever logged" });
    return group;
  }

  private folder(files: efs.FileSystem): ecs.EfsVolumeConfiguration {
    const folder = files.addAccessPoint("Folder", {
      path: "/statusinator",
      createAcl: { ownerUid: UID, ownerGid: UID, permissions: "700" },
      posixUser: { uid: UID, gid: UID },
    });
    files.grantReadWrite(this.taskRole);
    return {
      fileSystemId: files.fileSystemId,
      transitEncryption: "ENABLED",
      authorizationConfig: { accessPointId: folder.accessPointId, iam: "ENABLED" },
    };
  }

  private run(taskDefinition: ecs.FargateTaskDefinition): ecs.FargateService {
    const cluster = new ecs.Cluster(this, "Cluster", {
      vpc: this.vpc,
      containerInsightsV2: ecs.ContainerInsights.ENABLED,
    });
    return new ecs.FargateService(this, "One", {
      cluster,
      taskDefinition,
      desiredCount: 1,
      minHealthyPercent: 0,
      maxHealthyPercent: 100,
      circuitBreaker: { rollback: true },
      assignPublicIp: true,
      vpcSubnets: { subnetType: ec2.SubnetType.PUBLIC },
    });
  }
}

function environment(store: Store, props: ServiceProps): Record<string, string> {
  return {
    STATUSINATOR_BIND: `0.0.0.0:${PORT}`,
    STATUSINATOR_DATA_DIR: DATA,
    STATUSINATOR_LOG_FORMAT: "json",
    STATUSINATOR_PUBLIC_URL: props.publicUrl,
    SLACK_CLIENT_ID: props.clientId,
    ...store.settings(),
  };
}
