// The stack in each of its forms, as templates for the tests.

import { readFileSync } from "node:fs";
import { App } from "aws-cdk-lib";
import { Template } from "aws-cdk-lib/assertions";
import { runs } from "../lib/context";
import { StatusinatorStack } from "../lib/statusinator-stack";

/** The command line's, so that the tests see the templates that are deployed. */
export const FLAGS: Record<string, unknown> = JSON.parse(readFileSync("cdk.json", "utf8")).context;

export const PRINCIPAL = "arn:aws:iam::123456789012:role/host";

export const SERVICE: Record<string, string> = {
  image: "registry.example.org/statusinator:0.1.0",
  publicUrl: "https://status.example.org",
  certificateArn: "arn:aws:acm:eu-central-1:123456789012:certificate/0b3c4c1e-8f0a-5f6e-9a57-5f1f0c4d9e21",
  secretArn: "arn:aws:secretsmanager:eu-central-1:123456789012:secret:statusinator-AbCdEf",
  clientId: "1.2",
};

export function template(context: Record<string, string>): Template {
  return Template.fromStack(
    new StatusinatorStack(new App({ context: FLAGS }), "Statusinator", "eu-central-1", runs(context)),
  );
}

interface Statement {
  Action: string | string[];
  Effect: string;
  Resource: unknown;
}

/** What the policies of a role allow: lines of an action and what it is allowed on, the bucket left out. */
export function allowed(of: Template, role: string): string[] {
  const policies = Object.values(of.findResources("AWS::IAM::Policy")).map((policy) => policy.Properties);
  const ofRole = policies.filter((policy) => JSON.stringify(policy.Roles ?? []).includes(role));
  const statements: Statement[] = ofRole.flatMap((policy) => policy.PolicyDocument.Statement);
  const lines = statements.flatMap((statement) =>
    list(statement.Action).flatMap((action) =>
      list(statement.Resource).map((resource) => `${statement.Effect} ${action} ${path(resource)}`),
    ),
  );
  return lines.sort();
}

function list<T>(one: T | T[]): T[] {
  return Array.isArray(one) ? one : [one];
}

/** What stands after the bucket's ARN; an ARN that is known is told whole. */
function path(resource: unknown): string {
  if (typeof resource === "string") {
    return resource;
  }
  const joined = (resource as { "Fn::Join"?: [string, unknown[]] })["Fn::Join"];
  return joined ? String(joined[1].at(-1)) : "the bucket";
}
