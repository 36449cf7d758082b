import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import * as path from "node:path";
import { didYouMean } from "../../components/environment/problems";
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
    const report = await interruptible(terminal, (signal, cancelSignal): Promise<FaultsReport | NodeLossReport> => {
      const given = {
        name: loaded.name, workDir, runs, onProgress: say, signal,
        engine: (plane: Parameters<typeof clusterEngine>[1]) => clusterEngine(loaded, plane, path.join(stateDir, "faults.json"), { signal, cancelSignal }),
      };
      return alone ? rehearseNodeLoss(loaded.environment, given) : rehearseFaults(loaded.environment, { ...given, scenarios });
    });
    const now = Date.now() / 1000;
    recordRehearsal(loaded.name, "standby", "budget" in report ? nodeLossRehearsal(report, now) : faultsRehearsal(report, now));
    terminal.out(options.json === true ? `${JSON.stringify(report, null, 2)}\n` : "budget" in report ? renderNodeLoss(report, terminal.style) : renderFaults(report, terminal.style));
    return report.ok ? exitCodes.well : exitCodes.finding;
  } finally {
    rmSync(stateDir, { recursive: true, force: true });
  }
}

function runsOf(text: string | undefined): number {
  const runs = text === undefined ? 1 : Number(text);
  if (!Number.isInteger(runs) || runs < 1 || runs > mostRuns) throw new CliError(`--runs ${text ?? ""} is not allowed: a whole number from 1 to ${mostRuns}.`, exitCodes.badInput);
  return runs;
}
