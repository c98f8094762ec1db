// What the command line asks for.

import { ServiceProps } from "./service";
import { Runs } from "./statusinator-stack";

type Ask = (key: string) => string | undefined;

/** Throws when what is asked for is contradictory, or not all of it is there. */
export function runs(ask: Ask): Runs {
  const arn = ask("principal");
  const missing: string[] = [];
  const props = service((key) => ask(key) ?? (missing.push(`-c ${key}=…`), ""));
  if (missing.length === Object.keys(props).length) {
    return arn ? { as: "principal", arn } : { as: "user" };
  }
  if (missing.length > 0) {
    throw new Error(`the service also needs ${missing.join(" ")}`);
  }
  if (arn) {
    throw new Error("-c principal=… is for a service that runs elsewhere; leave it out");
  }
  return { as: "service", props };
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
