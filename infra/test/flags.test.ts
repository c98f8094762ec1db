import assert from "node:assert/strict";
import { test } from "node:test";
import recommended from "aws-cdk-lib/recommended-feature-flags.json";
import { FLAGS } from "./stacks";

test("CDK's feature flags are all set, and as recommended but for three", () => {
  assert.deepEqual(FLAGS, {
    ...recommended,
    // It would take a function of CDK's, and so a bootstrapped account.
    "@aws-cdk/aws-ec2:restrictDefaultSecurityGroup": false,
    // Both would replace what a deployed stack has, the one the way to its files, the other its service.
    "@aws-cdk/aws-efs:mountTargetOrderInsensitiveLogicalId": false,
    "@aws-cdk/aws-ecs:disableExplicitDeploymentControllerForCircuitBreaker": false,
  });
});
