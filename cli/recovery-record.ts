import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import * as path from "node:path";
import type { Rehearsal, RehearsedLevel } from "../components/recovery/status";
import type { FaultsReport } from "../rehearsal/recovery/faults";
import type { NodeLossReport } from "../rehearsal/recovery/node-loss";
import { CliError, exitCodes } from "./exit";
import { projectRoot } from "./project";

type Rehearsals = Partial<Record<RehearsedLevel, Rehearsal>>;

function recordFile(environment: string, root: string): string {
  return path.join(root, ".rackwright", "recovery", `${environment}.json`);
}

/**
 * How the last rehearsals of an environment ended, as {@link recordRehearsal} wrote it.
 * @throws CliError with exit code 2 where the file is there and cannot be read.
 */
export function readRehearsals(environment: string, root = projectRoot): Rehearsals {
  const file = recordFile(environment, root);
  if (!existsSync(file)) return {};
  try {
    return JSON.parse(readFileSync(file, "utf8")) as Rehearsals;
  } catch {
    throw new CliError(`${path.relative(root, file)} is not JSON: move it away, and rehearse again.`, exitCodes.badInput);
  }
}

/** Remembers how a rehearsal ended, in place of the one before of its level. The file is whole at any time. */
export function recordRehearsal(environment: string, level: RehearsedLevel, rehearsal: Rehearsal, root = projectRoot): void {
  const file = recordFile(environment, root);
  mkdirSync(path.dirname(file), { recursive: true });
  const fresh = `${file}.${process.pid}`;
  writeFileSync(fresh, `${JSON.stringify({ ...readRehearsals(environment, root), [level]: rehearsal }, null, 2)}\n`);
  renameSync(fresh, file);
}

/** What a rehearsal of faults says of the standby: the worst of all its runs. */
export function faultsRehearsal({ ok, runs }: Pick<FaultsReport, "ok"> & { runs: readonly { scenario: string; clients: { outageSeconds: number } }[] }, nowSeconds: number): Rehearsal {
  const scenarios = [...new Set(runs.map(({ scenario }) => scenario))];
  return { at: Math.floor(nowSeconds), ok, seconds: Math.max(0, ...runs.map(({ clients }) => clients.outageSeconds)), how: `${runs.length} run${runs.length === 1 ? "" : "s"} of ${scenarios.join(", ")} on emulated servers` };
}

/** What the crash of a node says of a standby that is Kubernetes' own: the worst run, and what the budget has for the parts that were not there. */
export function nodeLossRehearsal({ ok, runs, server, notMeasuredSeconds }: Pick<NodeLossReport, "ok" | "server" | "notMeasuredSeconds"> & { runs: readonly Pick<NodeLossReport["runs"][number], "endpointGoneSeconds">[] }, nowSeconds: number): Rehearsal {
  const worst = Math.max(0, ...runs.map(({ endpointGoneSeconds }) => endpointGoneSeconds));
  return { at: Math.floor(nowSeconds), ok, seconds: worst + notMeasuredSeconds, how: `${runs.length} run${runs.length === 1 ? "" : "s"} of a silent node ${server} on a real control plane; ${notMeasuredSeconds} s of it are the budget's for kube-proxy and clients` };
}
