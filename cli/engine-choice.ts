import { accessSync, constants, existsSync } from "node:fs";
import * as path from "node:path";
import { CliError, exitCodes } from "./exit";
import { stateFile } from "./project";

export type EngineName = "pulumi" | "embedded";

export interface EngineChoice {
  engine: EngineName;
  /** Why this one, for the user. */
  reason: string;
}

/** The first executable `pulumi` on the PATH. */
export function findPulumi(searchPath = process.env["PATH"] ?? ""): string | undefined {
  for (const folder of searchPath.split(path.delimiter)) {
    const candidate = path.join(folder, "pulumi");
    try {
      if (folder === "") continue;
      accessSync(candidate, constants.X_OK);
      return candidate;
    } catch {
      continue;
    }
  }
  return undefined;
}

/**
 * Which engine runs an environment: the one asked for; else the embedded one where it already holds the environment's
 * state; else `pulumi` where it is on the PATH; else the embedded one.
 * @throws CliError with exit code 2 where `wanted` is neither, 3 where pulumi is asked for and missing.
 */
export function chooseEngine(environment: string, wanted: string | undefined): EngineChoice {
  const pulumi = findPulumi();
  const state = stateFile(environment);
  if (wanted !== undefined) {
    if (wanted !== "pulumi" && wanted !== "embedded") {
      throw new CliError(`--engine: must be pulumi or embedded, got ${JSON.stringify(wanted)}.`, exitCodes.badInput);
    }
    if (wanted === "pulumi" && pulumi === undefined) {
      throw new CliError("--engine pulumi: there is no pulumi on the PATH. Install it, or leave --engine out to use the embedded engine.", exitCodes.unreachable);
    }
    return { engine: wanted, reason: "as asked for with --engine" };
  }
  if (existsSync(state)) {
    return {
      engine: "embedded",
      reason:
        pulumi === undefined
          ? "pulumi is not on the PATH"
          : `this environment's state is in .rackwright/state/${environment}.json; hand it over with \`rackwright export ${environment} | pulumi stack import -s ${environment}\`, then remove that file`,
    };
  }
  return pulumi === undefined ? { engine: "embedded", reason: "pulumi is not on the PATH" } : { engine: "pulumi", reason: `found ${pulumi}` };
}
