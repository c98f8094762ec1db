// The app. What to make is said by context: `cdk deploy -c region=eu-central-1 -c principal=arn:…`.

import { App } from "aws-cdk-lib";
import { runs } from "../lib/context";
import { StatusinatorStack } from "../lib/statusinator-stack";

const app = new App();
const given = app.node.getAllContext();
const region = given.region ?? process.env.CDK_DEFAULT_REGION ?? "us-east-1";
new StatusinatorStack(app, "Statusinator", region, runs(given));
