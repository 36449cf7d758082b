import { resolve } from "node:path";
import { encodeMap } from "./encoding";
import type { Json, SecretCodec } from "./encoding";
import { configureAll, Deployment } from "./deployment";
import { deleteAll } from "./deletes";
import { Events } from "./events";
import type { Diagnostic, EngineEvent, PolicyViolation } from "./events";
import type { Snapshot, StepOp } from "./model";
import { serveProgram } from "./monitor";
import { PolicyChecks } from "./policy-check";
import { PolicyPack } from "./policy-pack";
import { projectSettings, startProgram } from "./program";
import { ProviderRegistry, shippedProviders } from "./providers";
import type { Provider } from "./providers";
import { recovered } from "./recovery";
import { refreshAll } from "./refresh";
import { Run } from "./run";
import { SecretMask } from "./secret-mask";
import { peekState, StateStore } from "./state/store";
import { Steps } from "./steps";
import type { PropertyMap } from "./values";

export type { Diagnostic, EngineEvent, PolicyViolation } from "./events";
export type { StepOp } from "./model";
export type { Provider } from "./providers";
export { NotCovered } from "./providers";
export { Locked } from "./state/lock";
export { PassphraseNeeded, WrongPassphrase } from "./state/secrets";
export { exportStack, importStack } from "./state/store";

const DEFAULT_PARALLEL = 16;

export interface EngineOptions {
  project: string;
  stack: string;
  /** Folder of Pulumi.yaml and the program. */
  programDir: string;
  /** Fully qualified keys (`project:key`) to values; objects as JSON text. */
  config: Record<string, string>;
  /** Decrypted secret values; the program gets them marked as secrets. @default - none */
  secretConfig?: Record<string, string>;
  /** Deployment of version 3, as `pulumi stack export` writes it. An absent file is an empty stack. */
  stateFile: string;
  /** Opens the secrets in state. A preview works without one: secrets then count as unchanged. @default - none */
  passphrase?: string;
  /** `encryptionsalt` of the stack's configuration, used when the state has no salt yet. @default - a new salt */
  encryptionSalt?: string;
  /** @default - no policies */
  policyPackDir?: string;
  /** Policy name (or "all") to a level, or to an object of `enforcementLevel` and the policy's own settings. @default {} */
  policyConfig?: Record<string, unknown>;
  /** Steps that run at the same time. @default 16 */
  parallel?: number;
  /** URNs to make anew although nothing changed. @default [] */
  replace?: string[];
  /** Arguments of node, before the program. @default - those of Pulumi.yaml */
  nodeArgs?: string[];
  /** @default - the node that runs the engine */
  nodePath?: string;
  /** Packages that can be managed. @default - those that ship with the engine */
  providers?: Provider[];
  onEvent?: (event: EngineEvent) => void;
  /** Aborting it finishes running steps and starts no new ones. */
  signal?: AbortSignal;
  /** Aborting it, after `signal`, cancels the running steps as well. */
  cancelSignal?: AbortSignal;
}

export interface EngineResult {
  ok: boolean;
  /** Number of resources per step; zero counts are absent. */
  changes: Partial<Record<StepOp, number>>;
  diagnostics: Diagnostic[];
  violations: PolicyViolation[];
  /** Outputs of the stack; secrets are shown as "[secret]". */
  outputs: Record<string, unknown>;
  durationSeconds: number;
}

const shownSecrets: SecretCodec = {
  write: () => "[secret]",
  read: () => {
    throw new Error("a masked secret cannot be read back");
  },
};

/** Shows what `up` would do. Changes nothing, needs neither lock nor passphrase. */
export function preview(options: EngineOptions): Promise<EngineResult> {
  return execute(options, true, runProgram);
}

/** Makes the resources what the program says. */
export function up(options: EngineOptions): Promise<EngineResult> {
  return execute(options, false, runProgram);
}

/** Brings the state up to what the providers find. The program is not run. */
export function refresh(options: EngineOptions): Promise<EngineResult> {
  return execute(options, false, async (run, snapshot) => {
    configureAll(run, snapshot);
    await refreshAll(run, snapshot);
    return {};
  });
}

/** Deletes every resource of the stack. The program is not run. */
export function destroy(options: EngineOptions): Promise<EngineResult> {
  return execute(options, false, async (run, snapshot) => {
    configureAll(run, snapshot);
    const urns = new Set(snapshot.resources.filter((state) => state.delete !== true).map(({ urn }) => urn));
    await deleteAll(run, new Steps(run), snapshot.resources, urns);
    return {};
  });
}

type Work = (run: Run, snapshot: Snapshot, options: EngineOptions) => Promise<PropertyMap>;

function describeConfig(options: EngineOptions): Record<string, string> {
  const secrets = Object.keys(options.secretConfig ?? {}).map((key) => [key, "[secret]"]);
  return Object.fromEntries([...Object.entries(options.config), ...secrets]) as Record<string, string>;
}

async function execute(options: EngineOptions, dryRun: boolean, work: Work): Promise<EngineResult> {
  const started = Date.now();
  const mask = new SecretMask();
  for (const value of Object.values(options.secretConfig ?? {})) mask.add(value);
  if (options.passphrase !== undefined) mask.add(options.passphrase);
  const events = new Events(options.onEvent, mask, dryRun);
  const providers = new ProviderRegistry(options.providers ?? shippedProviders(options.programDir));
  if (options.policyPackDir !== undefined) events.emit({ policyLoadEvent: {} });
  events.emit({ preludeEvent: { config: describeConfig(options) } });
  const store = dryRun ? undefined : await StateStore.open(options);
  let run: Run | undefined;
  let outputs: PropertyMap = {};
  try {
    const { snapshot, notes } = store ?? (await peekState(options));
    for (const state of snapshot.resources) {
      mask.learn(state.inputs);
      mask.learn(state.outputs);
    }
    for (const note of notes) events.log("warning", note);
    run = new Run({
      project: options.project, stack: options.stack, preview: dryRun, parallel: options.parallel ?? DEFAULT_PARALLEL,
      events, mask, providers, ...(store === undefined ? {} : { store }),
      ...(options.signal === undefined ? {} : { signal: options.signal }),
      ...(options.cancelSignal === undefined ? {} : { cancelSignal: options.cancelSignal }),
    });
    outputs = await work(run, recovered(snapshot, events), options);
  } finally {
    providers.close();
    await store?.close();
  }
  const ok = !run.failed && !run.violated;
  const durationSeconds = (Date.now() - started) / 1000;
  events.emit({
    summaryEvent: {
      maybeCorrupt: false, durationSeconds: Math.round(durationSeconds), resourceChanges: run.changes,
      PolicyPacks: run.policyPacks, isPreview: dryRun, result: ok ? "succeeded" : "failed",
    },
  });
  events.emit({ cancelEvent: {} });
  const shown: { [key: string]: Json } = encodeMap(outputs, shownSecrets);
  return { ok, changes: run.changes, diagnostics: events.diagnostics, violations: events.violations, outputs: shown, durationSeconds };
}

async function runProgram(run: Run, snapshot: Snapshot, options: EngineOptions): Promise<PropertyMap> {
  const { project, stack, programDir, config, secretConfig = {}, parallel = DEFAULT_PARALLEL } = options;
  const { preview } = run;
  const started: { close: () => void }[] = [];
  try {
    const nodePath = options.nodePath ?? process.execPath;
    const nodeArgs = options.nodeArgs ?? projectSettings(programDir).nodeArgs;
    const onOutput = (line: string, stream: "stdout" | "stderr"): void => {
      run.events.log(stream === "stdout" ? "info" : "info#err", line);
    };
    const server = await serveProgram((): Deployment => deployment, {
      project, stack, preview, parallel, config: { ...config, ...secretConfig }, secretKeys: Object.keys(secretConfig),
    });
    started.push(server);
    const { address } = server;
    const pack = options.policyPackDir === undefined ? undefined : PolicyPack.start({
      dir: resolve(options.policyPackDir), config: options.policyConfig ?? {}, project, stack, preview, nodePath, nodeArgs,
      engineAddress: address, stackConfig: config, onOutput,
    });
    if (pack !== undefined) started.push(pack);
    const policies = pack === undefined ? undefined : new PolicyChecks(run, pack.ready);
    const deployment = new Deployment(run, snapshot, policies, new Set(options.replace));
    const program = startProgram({
      project, stack, programDir, config, secretConfig, preview, parallel, nodePath, nodeArgs, address, onOutput,
    });
    started.push(program);
    pack?.ready.then(
      ({ name, version }) => { run.policyPacks[name] = version; },
      (error: unknown) => {
        if (started.length > 0) run.stop(error instanceof Error ? error.message : String(error));
      },
    );
    const failure = await program.ended;
    if (failure === "" || (failure !== undefined && run.stopped)) run.failed = true;
    else if (failure !== undefined) run.fail(failure);
    await deployment.finish();
    return deployment.outputs;
  } finally {
    for (const part of started.splice(0)) part.close();
  }
}
