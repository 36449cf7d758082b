import * as pulumi from "@pulumi/pulumi";
import { formatProblems, parseEnvironment, readEnvironmentFile, toProblem } from "./components/environment";
import { missingSecrets, planSite, Site } from "./components/site";

const config = new pulumi.Config("rackwright");
const stack = pulumi.getStack();
const stackFile = `stacks/Pulumi.${stack}.yaml`;

// All of the environment is judged before the first resource exists: a program that went on would plan deletions.
const file = config.get("environmentFile");
const parsed = file === undefined ? parseEnvironment(config.requireObject("environment")) : readEnvironmentFile("stacks", file);
if (!parsed.ok) throw new pulumi.RunError(formatProblems(stackFile, parsed.problems));
const { environment } = parsed;
const plan = planSite(environment);
if (plan.findings.length > 0) throw new pulumi.RunError(formatProblems(stackFile, plan.findings.map(toProblem)));

const credentials = {
  sshPrivateKey: config.getSecret("sshPrivateKey"),
  objectStoreAccessKeyId: config.getSecret("objectStoreAccessKeyId"),
  objectStoreSecretAccessKey: config.getSecret("objectStoreSecretAccessKey"),
  kubeconfig: config.getSecret("kubeconfig"),
  inferenceApiKey: config.getSecret("inferenceApiKey"),
  grafanaAdminPassword: config.getSecret("grafanaAdminPassword"),
  smtpPassword: config.getSecret("smtpPassword"),
  alertChatUrl: config.getSecret("alertChatUrl"),
  backupPassword: config.getSecret("backupPassword"),
};
const missing = pulumi.runtime.isDryRun() ? [] : missingSecrets(environment, credentials);
if (missing.length > 0) {
  throw new pulumi.RunError(missing.map(({ key, purpose }) => `rackwright:${key} is missing: ${purpose}. Set it with \`./rackwright secret ${stack} ${key}\` or \`pulumi config set --secret --stack ${stack} rackwright:${key}\`.`).join("\n"));
}

const registered = new Site(stack, { environment, plan, credentials }).add();
/** What each server offers, for people and for other programs. */
export const servers = registered.then((site) => site.servers);
/** Which servers each service answers from. */
export const services = registered.then((site) => site.services);
