// What a scanner finds and we do as we do all the same: said beside the resource, with the reason.

import { CfnResource } from "aws-cdk-lib";
import { Construct } from "constructs";

/** checkov leaves out a check of a resource whose metadata names it. */
export function accept(resource: Construct, reasons: Record<string, string>): void {
  const skip = Object.entries(reasons).map(([id, comment]) => ({ id, comment }));
  (resource.node.defaultChild as CfnResource).addMetadata("checkov", { skip });
}
