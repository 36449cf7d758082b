import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import * as path from "node:path";
import { didYouMean } from "../../components/environment/problems";
import type { Rehearsal } from "../../components/recovery/status";
import { rehearseFaults, type FaultsReport } from "../../rehearsal/recovery/faults";
import { nodeLossFault, rehearseNodeLoss, type NodeLossReport } from "../../rehearsal/recovery/node-loss";
import { readScenario, scenarioNames } from "../../rehearsal/recovery/scenarios";
import { CliError, exitCodes } from "../exit";
import type { ExitCode } from "../exit";
import { interruptible } from "../interrupt";
import { projectRoot } from "../project";
import type { LoadedEnvironment } from "../project";
import { clusterEngine } from "../rehearsal-engines";
import { faultsRehearsal, nodeLossRehearsal, recordRehearsal } from "../recovery-record";
import { renderFaults } from "../render/faults";
import { renderNodeLoss } from "../render/node-loss";
import type { Terminal } from "../terminal";

const mostRuns = 100;

/** A rehearsal that came to its end, what is remembered of it, and what a person reads. */
interface Ended {
  report: FaultsReport | NodeLossReport;
  rehearsal: Rehearsal;
  page: string;
}

export interface FaultOptions {
  /** A scenario's name, or `all`. */
  fault: string;
  runs?: string;
  json?: boolean;
}

/** `rackwright rehearse --fault`: 0 every run was good, 1 one was not, 2 bad input, 3 what it needs could not be had. */
export async function rehearseFault(terminal: Terminal, loaded: LoadedEnvironment, options: FaultOptions, say: (line: string) => void): Promise<ExitCode> {
  const names = scenarioNames();
  if (options.fault !== "all" && !names.includes(options.fault)) {
    throw new CliError(`--fault ${options.fault} is not known. ${didYouMean(options.fault, names, "")} Allowed: all, ${names.join(", ")}.`.replace("  ", " "), exitCodes.badInput);
  }
  const runs = runsOf(options.runs);
  const alone = loaded.environment.recovery.standby.mode === "kubernetes";
  if (alone && options.fault !== nodeLossFault) {
    throw new CliError(`--fault ${options.fault}: recovery.standby.mode is kubernetes, of which only ${nodeLossFault} can be rehearsed: kubelets and kube-proxy, which notice the others, are not there.`, exitCodes.badInput);
  }
  const scenarios = (options.fault === "all" ? names : [options.fault]).map(readScenario);
  const workDir = path.join(projectRoot, ".rackwright");
  mkdirSync(workDir, { recursive: true });
  const stateDir = mkdtempSync(path.join(workDir, "rehearsal-state-"));
  try {
    const ended = await interruptible(terminal, async (signal, cancelSignal): Promise<Ended> => {
      const given = {
        name: loaded.name, workDir, runs, onProgress: say, signal,
        engine: (plane: Parameters<typeof clusterEngine>[1]) => clusterEngine(loaded, plane, path.join(stateDir, "faults.json"), { signal, cancelSignal }),
      };
      if (alone) {
        const report = await rehearseNodeLoss(loaded.environment, given);
        return { report, rehearsal: nodeLossRehearsal(report, Date.now() / 1000), page: renderNodeLoss(report, terminal.style) };
      }
      const report = await rehearseFaults(loaded.environment, { ...given, scenarios });
      return { report, rehearsal: faultsRehearsal(report, Date.now() / 1000), page: renderFaults(report, terminal.style) };
    });
    recordRehearsal(loaded.name, "standby", ended.rehearsal);
    terminal.out(options.json === true ? `${JSON.stringify(ended.report, null, 2)}\n` : ended.page);
    return ended.report.ok ? exitCodes.well : exitCodes.finding;
  } finally {
    rmSync(stateDir, { recursive: true, force: true });
  }
}

function runsOf(text: string | undefined): number {
  const runs = text === undefined ? 1 : Number(text);
  if (!Number.isInteger(runs) || runs < 1 || runs > mostRuns) throw new CliError(`--runs ${text ?? ""} is not allowed: a whole number from 1 to ${mostRuns}.`, exitCodes.badInput);
  return runs;
}
