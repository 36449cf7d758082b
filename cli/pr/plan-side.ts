import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import * as path from "node:path";
import { planCost, type CostPlan } from "../../components/cost";
import { toProblem, type Environment, type Problem } from "../../components/environment";
import { parseYaml } from "../../components/environment/yaml";
import { planServer, type ServerPlan } from "../../components/servers/plan";
import { planSite } from "../../components/site/plan";
import type { WorkloadPlan } from "../../components/inference";
import { preview } from "../../engine";
import type { EngineEvent } from "../../engine/events";
import { withEngineErrors } from "../engine-errors";
import { policyPackDir, projectName, projectRoot } from "../project";
import { readEvents, type Preview } from "./events";
import { loadSource, type Source } from "./sources";

/** What one commit says of one environment, planned. */
export interface Side {
  environment: Environment;
  servers: ReadonlyMap<string, ServerPlan>;
  workloads: WorkloadPlan;
  cost: CostPlan;
  /** By configuration key; ciphertexts. */
  secrets: ReadonlyMap<string, string>;
  encryptionSalt: string | undefined;
}

/** One commit's environment: what it says, what is wrong with it, and what the engine would do on an empty stack. */
export interface PlannedSource {
  source: Source;
  /** Absent where the file cannot be read as an environment. */
  side?: Side;
  /** What stands against it before any engine runs, with its place in the file. */
  problems: Problem[];
  /** Absent where it was not asked for, or where problems are in the way. */
  preview?: Preview;
}

/** Parts of the project that the program needs besides `stacks/`; the code that runs is this checkout's, whatever commit is looked at. */
const programParts = ["Pulumi.yaml", "package.json", "index.ts", "components", "node_modules"];

/** A folder of its own with the program and one source's files. Gone when the work is done, however it ends. */
async function inWorkspace<T>(work: (folder: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(path.join(tmpdir(), `rackwright-pr-${process.pid}-`));
  try {
    for (const part of programParts) symlinkSync(path.join(projectRoot, part), path.join(folder, part));
    mkdirSync(path.join(folder, "stacks"));
    return await work(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function place(source: Source, keys: readonly PropertyKey[]): Pick<Problem, "file" | "line" | "column"> {
  const file = source.own === undefined ? source.file : `stacks/${source.own.path}`;
  const parsed = parseYaml(source.own?.text ?? source.text);
  const found = parsed.ok ? parsed.file.placeOf(source.own === undefined ? ["config", "rackwright:environment", ...keys] : keys) : undefined;
  return { file, ...found };
}

export { place as placeIn };

/** What the planners find: nothing can be created, or a server cannot work. */
function plannerProblems(source: Source, { environment, servers }: Side): { stopping: Problem[]; others: Problem[] } {
  const stopping = planSite(environment).findings.map((finding) => ({ ...toProblem(finding), ...place(source, finding.keys) }));
  const others = [...servers.values()].flatMap(({ name, problems }) => problems.map((message): Problem => ({ path: `servers.${name}`, message: `cannot work: ${message}`, ...place(source, ["servers", name]) })));
  return { stopping, others };
}

export interface PlanningOptions {
  /** Whether the engine and the rules are to run; without it only what the file says is read. */
  withPreview: boolean;
  signal?: AbortSignal;
  cancelSignal?: AbortSignal;
}

/** Plans one commit's environment with this checkout's program and rules, on an empty stack. Reads no state, decrypts nothing, reaches nothing. */
export function planSource(source: Source, options: PlanningOptions): Promise<PlannedSource> {
  return inWorkspace(async (folder) => {
    const loaded = loadSource(source, path.join(folder, "stacks"));
    if (!loaded.ok) return { source, problems: loaded.problems };
    const { environment, config, secureKeys } = loaded;
    const { workloads } = planSite(environment);
    const side: Side = {
      environment, workloads,
      servers: new Map(Object.keys(environment.servers).map((name) => [name, planServer(environment, name)])),
      cost: planCost(environment),
      secrets: new Map(secureKeys.map((key) => [key, config[key] ?? ""])),
      encryptionSalt: loaded.encryptionSalt,
    };
    const { stopping, others } = plannerProblems(source, side);
    const planned = { source, side, problems: [...stopping, ...others] };
    if (stopping.length > 0 || !options.withPreview) return planned;
    const events: EngineEvent[] = [];
    await withEngineErrors(() => preview({
      project: projectName,
      stack: source.name,
      programDir: folder,
      config: Object.fromEntries(Object.entries(config).filter(([key]) => !secureKeys.includes(key))),
      secretConfig: Object.fromEntries(secureKeys.map((key) => [key, "[secret]"])),
      stateFile: path.join(folder, "state.json"),
      policyPackDir,
      onEvent: (event) => { events.push(event); },
      ...(options.signal === undefined ? {} : { signal: options.signal }),
      ...(options.cancelSignal === undefined ? {} : { cancelSignal: options.cancelSignal }),
    }));
    return { ...planned, preview: readEvents(events) };
  });
}
