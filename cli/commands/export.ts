import { existsSync, readFileSync } from "node:fs";
import { CliError, exitCodes } from "../exit";
import type { ExitCode } from "../exit";
import { loadEnvironment, stateFile } from "../project";
import type { Terminal } from "../terminal";

/** `rackwright export`: the state file as it is; it has the format of `pulumi stack export` already. */
export function exportState(terminal: Terminal, name: string): Promise<ExitCode> {
  loadEnvironment(name);
  const file = stateFile(name);
  if (!existsSync(file)) throw new CliError(`${name} is not up: the embedded engine holds no state of it.`, exitCodes.badInput);
  terminal.out(readFileSync(file, "utf8"));
  return Promise.resolve(exitCodes.well);
}
