import { createInterface } from "node:readline/promises";
import { CliError, exitCodes } from "./exit";

/**
 * Asks before something changes.
 * @throws CliError with exit code 2 where there is nobody to ask and `--yes` was not given.
 */
export async function confirm(question: string, yes: boolean): Promise<boolean> {
  if (yes) return true;
  if (!process.stdin.isTTY || !process.stderr.isTTY) {
    throw new CliError("nothing was changed: there is no terminal to ask on. Read the plan above, then run again with --yes.", exitCodes.badInput);
  }
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return /^y(es)?$/i.test((await terminal.question(`${question} [y/N] `)).trim());
  } finally {
    terminal.close();
  }
}
