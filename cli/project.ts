import * as path from "node:path";
import { formatProblems, listEnvironments, loadStackFile, suggest } from "../components/environment";
import type { Environment } from "../components/environment";
import { CliError, exitCodes } from "./exit";

/** The folder that holds Pulumi.yaml. */
export const projectRoot = path.resolve(__dirname, "..");
export const projectName = "rackwright";
export const policyPackDir = path.join(projectRoot, "policies");
const stacksDir = path.join(projectRoot, "stacks");

/** Where the embedded engine keeps an environment's state, in the format of `pulumi stack export`. */
export function stateFile(environment: string): string {
  return path.join(projectRoot, ".rackwright", "state", `${environment}.json`);
}

export function stackFile(environment: string): string {
  return path.join(stacksDir, `Pulumi.${environment}.yaml`);
}

/** The names of all environments under stacks/. */
export function environmentNames(): string[] {
  return listEnvironments(stacksDir);
}

/** A stack file that was read and found right. */
export interface LoadedEnvironment {
  name: string;
  environment: Environment;
  config: Record<string, string>;
  secureKeys: string[];
  encryptionSalt?: string;
}

/**
 * Reads one environment.
 * @throws CliError with exit code 2 that names every problem in the file, or the nearest name where there is no such file.
 */
export function loadEnvironment(name: string): LoadedEnvironment {
  const names = environmentNames();
  if (!names.includes(name)) {
    const near = suggest(name, names);
    throw new CliError(
      `there is no environment ${JSON.stringify(name)}: stacks/Pulumi.${name}.yaml does not exist. ` +
        (near === undefined ? `Environments are ${names.join(", ")}.` : `Did you mean ${near}?`),
      exitCodes.badInput,
    );
  }
  const file = stackFile(name);
  const loaded = loadStackFile(file);
  if (!loaded.ok) throw new CliError(formatProblems(path.relative(projectRoot, file), loaded.problems), exitCodes.badInput);
  return { name, ...loaded };
}
