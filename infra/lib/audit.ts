// Who read, wrote or deleted what in the bucket: CloudTrail's data events, kept 90 days.

import { Duration, RemovalPolicy } from "aws-cdk-lib";
import * as cloudtrail from "aws-cdk-lib/aws-cloudtrail";
import * as s3 from "aws-cdk-lib/aws-s3";
import { Construct } from "constructs";
import { accept } from "./accept";

export class Audit extends Construct {
  /** Where logs of access go; the load balancer's too. */
  readonly logs: s3.Bucket;

  constructor(scope: Construct, watched: s3.IBucket) {
    super(scope, "Audit");
    this.logs = new s3.Bucket(this, "Logs", {
      blockPublicAccess: s3.BlockPublicAccess.BLOCK_ALL,
      objectOwnership: s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
      encryption: s3.BucketEncryption.S3_MANAGED,
      enforceSSL: true,
      minimumTLSVersion: 1.2,
      versioned: true,
      removalPolicy: RemovalPolicy.RETAIN,
      lifecycleRules: [
        { id: "90-days", expiration: Duration.days(90), noncurrentVersionExpiration: Duration.days(1) },
      ],
    });
    accept(this.logs, { CKV_AWS_18: "a bucket of logs that logged its own writes would never rest" });
    const trail = new cloudtrail.Trail(this, "Trail", {
      bucket: this.logs,
      enableFileValidation: true,
      includeGlobalServiceEvents: false,
      isMultiRegionTrail: false,
      managementEvents: cloudtrail.ReadWriteType.NONE,
    });
    accept(trail, {
      CKV_AWS_67: "it watches one bucket, which is in this region; an account's own trail watches the rest",
      CKV_AWS_35: "S3 encrypts the logs; a key of one's own costs more than all the rest of the store",
    });
    trail.addS3EventSelector([{ bucket: watched }], {
      includeManagementEvents: false,
      readWriteType: cloudtrail.ReadWriteType.ALL,
    });
  }
}
