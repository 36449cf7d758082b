import { allRules } from "../policies/site-rules";
import { planServer } from "../components/servers/plan";
import type { ServerPlan } from "../components/servers/plan";
import type { Environment } from "../components/environment";
import type { WorkloadPlan } from "../components/inference";
import { planStandby, type StandbyPlan } from "../components/recovery/standby/plan";
import { summariseMonitoring, type MonitoringSummary } from "../components/monitoring/summary";
import { planSite } from "../components/site/plan";
import { preview } from "../engine";
import type { Diagnostic, EngineEvent } from "../engine/events";
import type { StepOp } from "../engine/model";
import { policyPackDir, projectName, projectRoot, stateFile } from "./project";
import type { LoadedEnvironment } from "./project";
import { toChecks } from "./render/checks";
import type { Check } from "./render/checks";
import type { StandbySummary } from "./render/recovery";
import { plannedSteps } from "./render/steps";
import type { PlannedStep } from "./render/steps";

/** What an environment would become. */
export interface EnvironmentPlan {
  environment: string;
  /** False where a mandatory rule is violated, a planner found what cannot work, or the program failed. */
  ok: boolean;
  site: Environment["site"];
  servers: (ServerPlan & { facts: Environment["servers"][string] })[];
  /** What runs where. Empty where it cannot all be placed: the diagnostics say why. */
  workloads: Pick<WorkloadPlan, "services" | "training">;
  /** Absent where it is off, or where something cannot be placed. */
  monitoring?: MonitoringSummary;
  /** Absent where nothing stands by, or where something cannot be placed. */
  standby?: StandbySummary;
  changes: Partial<Record<StepOp, number>>;
  resources: PlannedStep[];
  /** Number of rules that were applied. */
  rules: number;
  checks: Check[];
  diagnostics: Diagnostic[];
  durationSeconds: number;
}

export interface PlanOptions {
  /** Decrypted secrets, or placeholders. */
  secrets: Record<string, string>;
  passphrase?: string;
  /** URNs to run again although nothing in the program changed. */
  replace?: string[];
  onEvent?: (event: EngineEvent) => void;
  signal?: AbortSignal;
  /** Aborted when running steps are to be cut off as well. */
  cancelSignal?: AbortSignal;
}

/** What both `plan` and `up` hand to the embedded engine. */
export function engineOptions(loaded: LoadedEnvironment, options: PlanOptions) {
  const plain = Object.entries(loaded.config).filter(([key]) => !loaded.secureKeys.includes(key));
  return {
    project: projectName,
    stack: loaded.name,
    programDir: projectRoot,
    config: Object.fromEntries(plain),
    secretConfig: options.secrets,
    stateFile: stateFile(loaded.name),
    policyPackDir,
    ...(options.passphrase === undefined ? {} : { passphrase: options.passphrase }),
    ...(options.replace === undefined ? {} : { replace: options.replace }),
    ...(options.signal === undefined ? {} : { signal: options.signal }),
    ...(options.cancelSignal === undefined ? {} : { cancelSignal: options.cancelSignal }),
    ...(loaded.encryptionSalt === undefined ? {} : { encryptionSalt: loaded.encryptionSalt }),
  };
}

/** Previews one environment with the embedded engine. Touches no host and needs no network. */
export async function planEnvironment(loaded: LoadedEnvironment, options: PlanOptions): Promise<EnvironmentPlan> {
  const events: EngineEvent[] = [];
  const result = await preview({
    ...engineOptions(loaded, options),
    onEvent: (event) => {
      if (event.resourcePreEvent !== undefined) events.push(event);
      options.onEvent?.(event);
    },
  });
  const servers = Object.entries(loaded.environment.servers).map(([name, facts]) => ({ ...planServer(loaded.environment, name), facts }));
  const { workloads, findings } = planSite(loaded.environment);
  const { services, training } = workloads;
  const monitoring = findings.length === 0 ? summariseMonitoring(loaded.environment, workloads) : undefined;
  const standby = findings.length === 0 ? planStandby(loaded.environment, workloads) : undefined;
  return {
    environment: loaded.name,
    ok: result.ok && servers.every((server) => server.problems.length === 0),
    site: loaded.environment.site,
    servers,
    workloads: findings.length === 0 ? { services, training } : { services: {}, training: {} },
    ...(monitoring === undefined ? {} : { monitoring }),
    ...(standby === undefined ? {} : { standby: standbySummary(standby) }),
    changes: result.changes,
    resources: plannedSteps(events),
    rules: allRules().length,
    checks: toChecks(result.violations),
    diagnostics: result.diagnostics,
    durationSeconds: result.durationSeconds,
  };
}

function standbySummary({ mode, switchWithinSeconds, balancer, budget, notes }: StandbyPlan): StandbySummary {
  return { mode, switchWithinSeconds, ...(balancer === undefined ? {} : { balancer }), budget, notes };
}
