// The container image, by the address of it that was given.

import { Stack } from "aws-cdk-lib";
import * as ecr from "aws-cdk-lib/aws-ecr";
import * as ecs from "aws-cdk-lib/aws-ecs";
import { Construct } from "constructs";

/** `account.dkr.ecr.region.amazonaws.com/repository`, then `:tag`, `@digest` or nothing. */
const PRIVATE_ECR = /^(\d{12})\.dkr\.ecr\.([a-z0-9-]+)\.amazonaws\.com(?:\.cn)?\/([^:@]+)(?:[:@](.+))?$/;

/** A private repository of ECR lets nobody pull who is not allowed to: the task is, from that repository alone. */
export function containerImage(scope: Construct, address: string): ecs.ContainerImage {
  const [, account, region, repositoryName, tagOrDigest] = PRIVATE_ECR.exec(address) ?? [];
  if (repositoryName === undefined) {
    return ecs.ContainerImage.fromRegistry(address);
  }
  const repositoryArn = Stack.of(scope).formatArn({
    service: "ecr",
    account,
    region,
    resource: "repository",
    resourceName: repositoryName,
  });
  const repository = ecr.Repository.fromRepositoryAttributes(scope, "Repository", { repositoryArn, repositoryName });
  return ecs.ContainerImage.fromEcrRepository(repository, tagOrDigest);
}
