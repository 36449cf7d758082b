import { existsSync } from "node:fs";
import { exportStack } from "../../engine";
import { CliError, exitCodes } from "../exit";
import type { ExitCode } from "../exit";
import { loadEnvironment, stateFile } from "../project";
import type { Terminal } from "../terminal";

/** `rackwright export`: the state, which has the format of `pulumi stack export` already. */
export function exportState(terminal: Terminal, name: string): Promise<ExitCode> {
  loadEnvironment(name);
  const file = stateFile(name);
  if (!existsSync(file)) throw new CliError(`${name} is not up: the embedded engine holds no state of it.`, exitCodes.badInput);
  const stack = exportStack(file);
  terminal.out(stack.endsWith("\n") ? stack : `${stack}\n`);
  return Promise.resolve(exitCodes.well);
}
