import assert from "node:assert/strict";
import { test } from "node:test";
import { Match, Template } from "aws-cdk-lib/assertions";
import { SERVICE, allowed, template } from "./stacks";

const stack = template(SERVICE);

/** The address from which the task's image is pulled. */
function imageOf(of: Template): string {
  const [task] = Object.values(of.findResources("AWS::ECS::TaskDefinition"));
  const parts: unknown[] = task!.Properties.ContainerDefinitions[0].Image["Fn::Join"][1];
  return parts.map((part) => (typeof part === "string" ? part : "amazonaws.com")).join("");
}

test("the service runs as nobody, on a root file system that it cannot write", () => {
  stack.hasResourceProperties("AWS::ECS::TaskDefinition", {
    ContainerDefinitions: [
      Match.objectLike({
        Image: SERVICE.image,
        User: "10001:10001",
        ReadonlyRootFilesystem: true,
        StopTimeout: 45,
        HealthCheck: Match.objectLike({ Command: ["CMD", "/statusinator", "health"] }),
        MountPoints: [{ ContainerPath: "/data", ReadOnly: false, SourceVolume: "data" }],
      }),
    ],
  });
});

test("its secrets come from Secrets Manager, and no other setting is one", () => {
  const task = Object.values(stack.findResources("AWS::ECS::TaskDefinition"))[0]!;
  const container = task.Properties.ContainerDefinitions[0];

  const secrets = container.Secrets.map((secret: { Name: string }) => secret.Name);

  assert.deepEqual(secrets, [
    "SLACK_SIGNING_SECRET",
    "SLACK_BOT_TOKEN",
    "SLACK_ADMIN_TOKEN",
    "SLACK_CLIENT_SECRET",
    "STATUSINATOR_VAULT_KEY",
  ]);
  assert.ok(container.Secrets.every((secret: { ValueFrom: string }) => secret.ValueFrom.startsWith(SERVICE.secretArn!)));
  assert.deepEqual(
    container.Environment.map((variable: { Name: string }) => variable.Name).sort(),
    [
      "AWS_REGION",
      "SLACK_CLIENT_ID",
      "STATUSINATOR_BIND",
      "STATUSINATOR_DATA_DIR",
      "STATUSINATOR_EXPORT_ROLE_ARN",
      "STATUSINATOR_LOG_FORMAT",
      "STATUSINATOR_PUBLIC_URL",
      "STATUSINATOR_READ_ROLE_ARN",
      "STATUSINATOR_STORE",
      "STATUSINATOR_WRITE_ROLE_ARN",
    ],
  );
});

test("an image in a private repository of ECR is pulled as it was named, from that repository alone", () => {
  const registry = "210987654321.dkr.ecr.eu-west-1.amazonaws.com";
  const repository = "arn:aws:ecr:eu-west-1:210987654321:repository/team/statusinator";
  for (const version of [":0.1.0", `@sha256:${"0".repeat(64)}`, `:0.1.0@sha256:${"0".repeat(64)}`]) {
    const image = `${registry}/team/statusinator${version}`;
    const made = template({ ...SERVICE, image });

    const pulls = allowed(made, "ExecutionRole").filter((line) => line.includes("ecr:"));

    assert.equal(imageOf(made), image);
    assert.deepEqual(pulls, [
      `Allow ecr:BatchCheckLayerAvailability ${repository}`,
      `Allow ecr:BatchGetImage ${repository}`,
      "Allow ecr:GetAuthorizationToken *",
      `Allow ecr:GetDownloadUrlForLayer ${repository}`,
    ]);
  }
  assert.ok(!allowed(stack, "ExecutionRole").some((line) => line.includes("ecr:")));
});

test("a new task starts only after the old one has ended, since a data folder is one process's", () => {
  stack.hasResourceProperties("AWS::ECS::Service", {
    DesiredCount: 1,
    DeploymentConfiguration: Match.objectLike({ MinimumHealthyPercent: 0, MaximumPercent: 100 }),
  });
});

test("the task may assume the three roles and open its folder, and touches no bucket itself", () => {
  const lines = allowed(stack, "TaskRole");

  const actions = new Set(lines.map((line) => line.split(" ")[1]));

  assert.deepEqual([...actions].sort(), [
    "elasticfilesystem:ClientMount",
    "elasticfilesystem:ClientWrite",
    "sts:AssumeRole",
  ]);
  assert.equal(lines.filter((line) => line.includes("sts:AssumeRole")).length, 3);
});

test("the data folder is encrypted, kept, and opened by the task alone", () => {
  stack.hasResource("AWS::EFS::FileSystem", { Properties: { Encrypted: true }, DeletionPolicy: "Retain" });
  stack.hasResourceProperties("AWS::EFS::AccessPoint", {
    PosixUser: { Uid: "10001", Gid: "10001" },
    RootDirectory: Match.objectLike({ CreationInfo: { OwnerUid: "10001", OwnerGid: "10001", Permissions: "700" } }),
  });
  stack.hasResourceProperties("AWS::EC2::SecurityGroupIngress", { FromPort: 2049, ToPort: 2049 });
});

test("only https comes in, only on the paths that are for outside, and only through the load balancer", () => {
  stack.hasResourceProperties("AWS::ElasticLoadBalancingV2::Listener", {
    Port: 443,
    Protocol: "HTTPS",
    Certificates: [{ CertificateArn: SERVICE.certificateArn }],
    DefaultActions: [{ Type: "fixed-response", FixedResponseConfig: { StatusCode: "404" } }],
  });
  stack.hasResourceProperties("AWS::ElasticLoadBalancingV2::Listener", {
    Port: 80,
    DefaultActions: [Match.objectLike({ Type: "redirect", RedirectConfig: Match.objectLike({ Protocol: "HTTPS" }) })],
  });
  const rules = Object.values(stack.findResources("AWS::ElasticLoadBalancingV2::ListenerRule"));
  const paths: string[] = rules.flatMap((rule) => rule.Properties.Conditions[0].PathPatternConfig.Values);
  assert.ok(paths.includes("/slack/*") && paths.includes("/onboard/*"), String(paths));
  assert.ok(!paths.some((path) => ["/*", "*", "/metrics", "/readyz", "/healthz"].includes(path)), String(paths));
  const open = Object.values(stack.findResources("AWS::EC2::SecurityGroup")).flatMap(
    (group) => group.Properties.SecurityGroupIngress ?? [],
  );
  assert.deepEqual(open.map((rule: { FromPort: number }) => rule.FromPort).sort(), [443, 80]);
});
