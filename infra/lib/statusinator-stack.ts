// Everything of Statusinator on AWS: the store, its audit, who may use it and, if asked for, the service itself.

import { BootstraplessSynthesizer, CfnOutput, Stack } from "aws-cdk-lib";
import * as iam from "aws-cdk-lib/aws-iam";
import { Construct } from "constructs";
import { accept } from "./accept";
import { Audit } from "./audit";
import { Service, ServiceProps } from "./service";
import { Store } from "./store";

/**
 * Who uses the store.
 *
 * - `user`: a user made for it, for a service that runs outside AWS; its access key is made by hand.
 * - `principal`: a user or role that is already there, by its ARN.
 * - `service`: the service on Fargate, which is made too.
 */
export type Runs =
  | { readonly as: "user" }
  | { readonly as: "principal"; readonly arn: string }
  | { readonly as: "service"; readonly props: ServiceProps };

export class StatusinatorStack extends Stack {
  constructor(scope: Construct, id: string, region: string, runs: Runs) {
    // Nothing is uploaded, so neither account nor region need be prepared for CDK.
    super(scope, id, { env: { region }, synthesizer: new BootstraplessSynthesizer() });
    const principal = this.principal(runs);
    const store = new Store(this, principal);
    const audit = new Audit(this, store.bucket);
    if (principal instanceof iam.User || principal instanceof iam.Role) {
      store.roles().forEach((role) => role.grantAssumeRole(principal));
    }
    if (principal instanceof iam.User) {
      accept(principal.node.findChild("DefaultPolicy") as Construct, {
        CKV_AWS_40: "the user is one machine's, and may do nothing but assume the three roles",
      });
    }
    this.tell("Settings", lines(store.settings()), "Lines for the environment of the service");
    if (runs.as === "service" && principal instanceof iam.Role) {
      const service = new Service(this, principal, store, audit.logs, runs.props);
      this.tell("Address", service.address, "Where the name of the public address must lead");
    }
  }

  private principal(runs: Runs): iam.IPrincipal {
    switch (runs.as) {
      case "user":
        return this.user();
      case "principal":
        return new iam.ArnPrincipal(runs.arn);
      case "service":
        return new iam.Role(this, "TaskRole", {
          assumedBy: new iam.ServicePrincipal("ecs-tasks.amazonaws.com"),
          description: "Statusinator's task",
        });
    }
  }

  private user(): iam.User {
    const user = new iam.User(this, "User");
    this.tell("UserName", user.userName, "Whose access key the service needs");
    return user;
  }

  private tell(name: string, value: string, description: string): void {
    new CfnOutput(this, name, { value, description });
  }
}

/** One text of all settings, since the name of an output has no underscores and so cannot be a setting's. */
function lines(settings: Record<string, string>): string {
  return Object.entries(settings)
    .map(([name, value]) => `${name}=${value}`)
    .join("\n");
}
