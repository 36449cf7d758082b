import * as pulumi from "@pulumi/pulumi";
import { formatProblems, parseEnvironment, readEnvironmentFile } from "./components/environment";
import { Site } from "./components/site";

const config = new pulumi.Config("rackwright");
const stack = pulumi.getStack();

// All of the environment is judged before the first resource exists: a program that went on would plan deletions.
const file = config.get("environmentFile");
const parsed = file === undefined ? parseEnvironment(config.requireObject("environment")) : readEnvironmentFile("stacks", file);
if (!parsed.ok) throw new pulumi.RunError(formatProblems(`stacks/Pulumi.${stack}.yaml`, parsed.problems));
const { environment } = parsed;

const credentials = {
  sshPrivateKey: config.getSecret("sshPrivateKey"),
  objectStoreAccessKeyId: config.getSecret("objectStoreAccessKeyId"),
  objectStoreSecretAccessKey: config.getSecret("objectStoreSecretAccessKey"),
};
if (environment.site.objectStore !== undefined && !pulumi.runtime.isDryRun()) {
  const missing = (["objectStoreAccessKeyId", "objectStoreSecretAccessKey"] as const).filter((key) => credentials[key] === undefined);
  if (missing.length > 0) {
    throw new pulumi.RunError(`site.objectStore needs its keys: ${missing.map((key) => `pulumi config set --secret --stack ${stack} rackwright:${key}`).join("; ")}`);
  }
}

/** What each server offers, for people and for other programs. */
export const servers = new Site(stack, { environment, credentials }).addServers();
