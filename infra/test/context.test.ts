import assert from "node:assert/strict";
import { test } from "node:test";
import { runs } from "../lib/context";
import { FLAGS, PRINCIPAL, SERVICE } from "./stacks";

const asked = (given: Record<string, string>) => () => runs(given);

test("what is missing or contradictory is told before anything is made", () => {
  assert.throws(asked({ image: "x", clientId: "1.2" }), /-c publicUrl=… -c certificateArn=… -c secretArn=…/);
  assert.throws(asked({ ...SERVICE, principal: PRINCIPAL }), /-c principal=…/);
  assert.throws(asked({ ...SERVICE, image: "" }), /nothing is given with -c image=…/);
});

test("a principal is a role, a user or an account, and never everybody", () => {
  const account = "arn:aws:iam::123456789012";
  const good = ["123456789012", `${account}:root`, `${account}:user/a/host`, "arn:aws-us-gov:iam::123456789012:role/host"];
  const everybody = ["*", "arn:aws:iam::*:root", `${account}:role/*`, "arn:aws:iam::123456789012:*"];
  const others = ["", "host", "1234", `${account}:group/hosts`, `${account}:role/`, "arn:aws:s3:::bucket", `${PRINCIPAL}\n*`];

  good.forEach((arn) => assert.deepEqual(runs({ principal: arn }), { as: "principal", arn }));
  [...everybody, ...others].forEach((arn) => assert.throws(asked({ principal: arn }), /-c principal=…/, arn));
});

test("an option that is not known is refused, and CDK's own are let be", () => {
  assert.throws(asked({ regoin: "eu-central-1" }), /there is no -c regoin=…/);
  const own = { "aws:cdk:bundling-stacks": "**", "availability-zones:account=1:region=eu-central-1": "a" };
  assert.deepEqual(runs({ ...(FLAGS as Record<string, string>), ...own, region: "eu-central-1" }), { as: "user" });
});
