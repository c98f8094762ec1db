import assert from "node:assert/strict";
import { test } from "node:test";
import { Match, Template } from "aws-cdk-lib/assertions";
import { PRINCIPAL, allowed, template } from "./stacks";

const stack = template({});
const KEPT = ["/U*/*.png", "/W*/*.png", "/tokens/*", "/users.json"];

/** The store's bucket, not that of the logs. */
function bucket(of: Template) {
  const buckets = Object.entries(of.findResources("AWS::S3::Bucket"));
  return buckets.find(([name]) => name.startsWith("Store"))?.[1];
}

test("both buckets are private, versioned, encrypted, reached by TLS only, and outlive the stack", () => {
  stack.resourceCountIs("AWS::S3::Bucket", 2);
  const all = { BlockPublicAcls: true, BlockPublicPolicy: true, IgnorePublicAcls: true, RestrictPublicBuckets: true };
  stack.allResourcesProperties("AWS::S3::Bucket", {
    PublicAccessBlockConfiguration: all,
    VersioningConfiguration: { Status: "Enabled" },
    OwnershipControls: { Rules: [{ ObjectOwnership: "BucketOwnerEnforced" }] },
    BucketEncryption: {
      ServerSideEncryptionConfiguration: [{ ServerSideEncryptionByDefault: { SSEAlgorithm: "AES256" } }],
    },
  });
  stack.allResources("AWS::S3::Bucket", { DeletionPolicy: "Retain", UpdateReplacePolicy: "Retain" });
  const plain = { Effect: "Deny", Action: "s3:*", Principal: { AWS: "*" }, Condition: { Bool: { "aws:SecureTransport": "false" } } };
  stack.resourceCountIs("AWS::S3::BucketPolicy", 2);
  stack.allResourcesProperties("AWS::S3::BucketPolicy", {
    PolicyDocument: { Statement: Match.arrayWith([Match.objectLike(plain)]) },
  });
});

test("who is forgotten is gone after a day from the tokens, after 30 from the rest; exports go after 90 and a day", () => {
  const rules = bucket(stack)?.Properties.LifecycleConfiguration.Rules as Record<string, unknown>[];

  const ends = rules.map((rule) => [
    rule.Prefix ?? "",
    rule.Status,
    rule.ExpirationInDays ?? null,
    (rule.NoncurrentVersionExpiration as { NoncurrentDays?: number })?.NoncurrentDays ?? null,
  ]);

  assert.deepEqual(ends, [
    ["", "Enabled", null, 30],
    ["tokens/", "Enabled", null, 1],
    ["exports/", "Enabled", 90, 1],
    ["check/", "Enabled", 1, 1],
  ]);
});

test("the read role lists and reads presets, pictures and tokens, and does nothing else", () => {
  assert.deepEqual(allowed(stack, "ReadRole"), [
    ...KEPT.map((path) => `Allow s3:GetObject ${path}`),
    "Allow s3:ListBucket the bucket",
  ]);
});

test("the write role reads, puts and deletes those and tries conditional writes, and does nothing else", () => {
  const paths = [...KEPT.slice(0, 2), "/check/*", ...KEPT.slice(2)];
  const lines = ["s3:DeleteObject", "s3:GetObject", "s3:PutObject"].flatMap((action) =>
    paths.map((path) => `Allow ${action} ${path}`),
  );
  assert.deepEqual(allowed(stack, "WriteRole"), [...lines, "Allow s3:ListBucket the bucket"].sort());
});

test("the export role puts exports and does nothing else", () => {
  assert.deepEqual(allowed(stack, "ExportRole"), ["Allow s3:PutObject /exports/*"]);
});

test("only the principal may assume the roles, for an hour at most", () => {
  const trust = (principal: unknown) => ({
    AssumeRolePolicyDocument: {
      Statement: [{ Action: "sts:AssumeRole", Effect: "Allow", Principal: { AWS: principal } }],
    },
    MaxSessionDuration: 3600,
  });
  const user = Object.keys(stack.findResources("AWS::IAM::User"))[0];

  stack.resourcePropertiesCountIs("AWS::IAM::Role", trust({ "Fn::GetAtt": [user, "Arn"] }), 3);
  stack.resourceCountIs("AWS::IAM::Role", 3);
  const given = template({ principal: PRINCIPAL });
  given.resourcePropertiesCountIs("AWS::IAM::Role", trust(PRINCIPAL), 3);
  given.resourceCountIs("AWS::IAM::User", 0);
});

test("every access to the bucket's objects is recorded, in a bucket that keeps it 90 days", () => {
  const [store] = Object.entries(stack.findResources("AWS::S3::Bucket")).find(([name]) => name.startsWith("Store"))!;
  stack.hasResourceProperties("AWS::CloudTrail::Trail", {
    IsLogging: true,
    EnableLogFileValidation: true,
    EventSelectors: [
      {
        IncludeManagementEvents: false,
        ReadWriteType: "All",
        DataResources: [
          { Type: "AWS::S3::Object", Values: [{ "Fn::Join": ["", [{ "Fn::GetAtt": [store, "Arn"] }, "/"]] }] },
        ],
      },
    ],
  });
  stack.hasResourceProperties("AWS::S3::Bucket", {
    LifecycleConfiguration: { Rules: [Match.objectLike({ ExpirationInDays: 90, Status: "Enabled" })] },
  });
});

test("one output is the service's settings, as lines of an environment file", () => {
  const outputs = stack.findOutputs("*");
  const [, parts] = outputs.Settings!.Value["Fn::Join"] as [string, unknown[]];

  const lines = parts.map((part) => (typeof part === "string" ? part : "…")).join("").split("\n");

  assert.deepEqual(lines, [
    "AWS_REGION=eu-central-1",
    "STATUSINATOR_STORE=s3://…",
    "STATUSINATOR_READ_ROLE_ARN=…",
    "STATUSINATOR_WRITE_ROLE_ARN=…",
    "STATUSINATOR_EXPORT_ROLE_ARN=…",
  ]);
  assert.deepEqual(Object.keys(outputs).sort(), ["Settings", "UserName"]);
});

test("it needs no bootstrapped account and no asset", () => {
  assert.deepEqual(stack.findParameters("*"), {});
});
