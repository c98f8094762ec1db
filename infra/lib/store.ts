// The bucket that keeps presets, pictures, sealed tokens and exports, and the three roles that may use it.

import { Duration, RemovalPolicy, Stack } from "aws-cdk-lib";
import * as iam from "aws-cdk-lib/aws-iam";
import * as s3 from "aws-cdk-lib/aws-s3";
import { Construct } from "constructs";
import { accept } from "./accept";

/** What of the bucket is presets, pictures and tokens. Members' ids begin with U or W. */
const KEPT = ["users.json", "U*/*.png", "W*/*.png", "tokens/*"];
/** Where conditional writes are tried. */
const TRIED = "check/*";
const EXPORTED = "exports/*";

export class Store extends Construct {
  readonly bucket: s3.Bucket;
  readonly readRole: iam.Role;
  readonly writeRole: iam.Role;
  readonly exportRole: iam.Role;

  /** Only the principal may assume the roles. */
  constructor(scope: Construct, principal: iam.IPrincipal) {
    super(scope, "Store");
    this.bucket = new s3.Bucket(this, "Bucket", {
      blockPublicAccess: s3.BlockPublicAccess.BLOCK_ALL,
      objectOwnership: s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
      encryption: s3.BucketEncryption.S3_MANAGED,
      enforceSSL: true,
      minimumTLSVersion: 1.2,
      versioned: true,
      removalPolicy: RemovalPolicy.RETAIN,
      lifecycleRules: lifecycle(),
    });
    accept(this.bucket, { CKV_AWS_18: "CloudTrail records every access to an object, more surely than access logs do" });
    const role = (name: string, description: string) =>
      new iam.Role(this, name, { assumedBy: principal, description, maxSessionDuration: Duration.hours(1) });
    this.readRole = role("ReadRole", "Statusinator reads presets, pictures and tokens");
    this.writeRole = role("WriteRole", "Statusinator onboards members and keeps their tokens");
    this.exportRole = role("ExportRole", "Statusinator exports logs and metrics");
    this.allow();
  }

  roles(): iam.Role[] {
    return [this.readRole, this.writeRole, this.exportRole];
  }

  /** What the service must be told of it. */
  settings(): Record<string, string> {
    return {
      AWS_REGION: Stack.of(this).region,
      STATUSINATOR_STORE: `s3://${this.bucket.bucketName}`,
      STATUSINATOR_READ_ROLE_ARN: this.readRole.roleArn,
      STATUSINATOR_WRITE_ROLE_ARN: this.writeRole.roleArn,
      STATUSINATOR_EXPORT_ROLE_ARN: this.exportRole.roleArn,
    };
  }

  /** Policies stand beside their roles, since a policy within a role cannot be tried on every simulation of AWS. */
  private allow(): void {
    const objects = (patterns: string[]) => patterns.map((pattern) => this.bucket.arnForObjects(pattern));
    // Without the right to list, S3 answers 403 for an object that is not there, instead of 404.
    const list = new iam.PolicyStatement({ actions: ["s3:ListBucket"], resources: [this.bucket.bucketArn] });
    policy(this, "Read", this.readRole, [
      list,
      new iam.PolicyStatement({ actions: ["s3:GetObject"], resources: objects(KEPT) }),
    ]);
    policy(this, "Write", this.writeRole, [
      list,
      new iam.PolicyStatement({
        actions: ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"],
        resources: objects([...KEPT, TRIED]),
      }),
    ]);
    policy(this, "Export", this.exportRole, [
      new iam.PolicyStatement({ actions: ["s3:PutObject"], resources: objects([EXPORTED]) }),
    ]);
  }
}

function policy(store: Store, id: string, role: iam.Role, statements: iam.PolicyStatement[]): void {
  new iam.Policy(store, `${id}Policy`, { roles: [role], statements });
}

/**
 * Old versions guard against slips for a month; but who withdrew his token, or is forgotten, must be gone, and so must
 * exports that have had their days. Where two rules hold, S3 takes the shorter time.
 */
function lifecycle(): s3.LifecycleRule[] {
  return [
    {
      id: "old-versions",
      noncurrentVersionExpiration: Duration.days(30),
      expiredObjectDeleteMarker: true,
      abortIncompleteMultipartUploadAfter: Duration.days(1),
    },
    { id: "old-tokens", prefix: "tokens/", noncurrentVersionExpiration: Duration.days(1) },
    { id: "exports", prefix: "exports/", expiration: Duration.days(90), noncurrentVersionExpiration: Duration.days(1) },
    { id: "tries", prefix: "check/", expiration: Duration.days(1), noncurrentVersionExpiration: Duration.days(1) },
  ];
}
