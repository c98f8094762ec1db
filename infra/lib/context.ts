// What the command line asks for.

import { ServiceProps } from "./service";
import { Runs } from "./statusinator-stack";

type Given = Readonly<Record<string, string>>;

const KNOWN = ["region", "principal", ...Object.keys(service((key) => key))];
/** CDK's own keys are like `aws:cdk:…` and `@aws-cdk/…`, but for one. */
const OF_CDK = /[:/]|^acknowledged-issue-numbers$/;
/** A role, a user or a whole account; `*` would be everybody. */
const PRINCIPAL = /^(\d{12}|arn:aws[a-z-]*:iam::\d{12}:(root|(role|user)\/[\w+=,.@/-]+))$/;

/** Throws when what is asked for is unknown, wrong or contradictory, or not all of it is there. */
export function runs(given: Given): Runs {
  refuse(given);
  const arn = given.principal;
  const missing: string[] = [];
  const props = service((key) => given[key] ?? (missing.push(key), ""));
  if (missing.length === Object.keys(props).length) {
    return arn ? { as: "principal", arn } : { as: "user" };
  }
  if (missing.length > 0) {
    throw new Error(`the service also needs ${options(missing)}`);
  }
  if (arn) {
    throw new Error("-c principal=… is for a service that runs elsewhere; leave it out");
  }
  return { as: "service", props };
}

function refuse(given: Given): void {
  const keys = Object.keys(given).filter((key) => !OF_CDK.test(key));
  const unknown = keys.filter((key) => !KNOWN.includes(key));
  if (unknown.length > 0) {
    throw new Error(`there is no ${options(unknown)}, only ${options(KNOWN)}`);
  }
  const empty = keys.filter((key) => given[key] === "");
  if (empty.length > 0) {
    throw new Error(`nothing is given with ${options(empty)}`);
  }
  if (given.principal !== undefined && !PRINCIPAL.test(given.principal)) {
    throw new Error("-c principal=… must be the ARN of a role, a user or an account's root, or an account's 12 digits");
  }
}

function options(keys: string[]): string {
  return keys.map((key) => `-c ${key}=…`).join(" ");
}

function service(need: (key: string) => string): ServiceProps {
  return {
    image: need("image"),
    publicUrl: need("publicUrl"),
    certificateArn: need("certificateArn"),
    secretArn: need("secretArn"),
    clientId: need("clientId"),
  };
}
