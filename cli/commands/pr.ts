import { writeFileSync } from "node:fs";
import { CliError, exitCodes } from "../exit";
import type { ExitCode } from "../exit";
import { interruptible } from "../interrupt";
import { renderComment } from "../pr/comment";
import { readEventLog } from "../pr/events";
import { Repository } from "../pr/git";
import { toJson } from "../pr/json";
import { reviewPullRequest } from "../pr/pull-request";
import { blocks } from "../pr/review";
import { toSarif } from "../pr/sarif";
import { projectRoot } from "../project";
import type { Terminal } from "../terminal";

/** What the command line says. */
export interface PrOptions {
  base: string;
  head: string;
  events?: string[];
  sarif?: string;
  json?: boolean;
}

const shortHash = 10;

function write(flag: string, file: string, text: string): void {
  try {
    writeFileSync(file, text);
  } catch (error) {
    throw new CliError(`${flag}: ${file} cannot be written (${(error as NodeJS.ErrnoException).code ?? "unknown error"}).`, exitCodes.badInput);
  }
}

/** `rackwright pr`: 0 no mandatory rule is broken, 1 one is or an environment cannot be made as written, 2 bad input, 3 git is missing. */
export async function pr(terminal: Terminal, options: PrOptions): Promise<ExitCode> {
  const logs = (options.events ?? []).map(readEventLog);
  const found = await interruptible(terminal, (signal, cancelSignal) => reviewPullRequest(new Repository(projectRoot), {
    base: options.base, head: options.head, logs, signal, cancelSignal, onPlanning: (environment) => { terminal.progress.doing(`planning ${environment}`); },
  }));
  const [base, head] = [found.base.slice(0, shortHash), found.head.slice(0, shortHash)];
  const comment = renderComment({ ...found, base, head });
  if (options.sarif !== undefined) write("--sarif", options.sarif, `${JSON.stringify(toSarif(found.reviews), null, 2)}\n`);
  terminal.progress.done();
  terminal.out(options.json === true ? `${JSON.stringify(toJson(found, comment), null, 2)}\n` : comment);
  return found.reviews.some(blocks) ? exitCodes.finding : exitCodes.well;
}
