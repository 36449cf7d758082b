import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { loadStackFile } from "../../components/environment";
import { exportStack, importStack, preview, up } from "../../engine";
import type { EngineEvent, EngineOptions } from "../../engine";
import { KubernetesProvider } from "../../engine/providers/kubernetes";
import type { ControlPlane } from "../../rehearsal/control-plane/control-plane";
import { standInForHosts } from "../support/host-standin";
import { PulumiCli } from "../support/pulumi-cli";

const root = resolve(__dirname, "../..");
const PASSPHRASE = "correct horse";

/** What environments ask for. */
const secrets = { sshPrivateKey: "no key", objectStoreAccessKeyId: "access-key-id", objectStoreSecretAccessKey: "secret-access-key", inferenceApiKey: "client-key", grafanaAdminPassword: "admin-password", smtpPassword: "mail-password", backupPassword: "backup-password", alertChatUrl: "https://chat.example/hook" };

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

interface StateResource {
  urn: string;
  type: string;
  id?: string;
  inputs?: { [key: string]: Json };
}

/** What one engine made of one environment. */
export interface EndState {
  /** Of each Kubernetes object by URN: what state holds as asked for, what the API server has beyond or instead of it, and who set fields. */
  objects: Record<string, { inputs: Json; added: Json; managers: string[] }>;
  /** Everything else in state. */
  others: string[];
}

export function configOf(name: string): Record<string, string> {
  const loaded = loadStackFile(join(root, "stacks", `Pulumi.${name}.yaml`));
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.problems));
  return loaded.config;
}

/** An environment on a control plane, in the hands of one of the engines; hosts are answered for by a stand-in. */
export interface Bench {
  /** @returns number of steps by kind @throws Error where something failed */
  up(): Promise<Record<string, number>>;
  /** The stack as `pulumi stack export` writes it. */
  exported(): Promise<string>;
  /** What the next `up` would change on a stack that is taken over: steps and names. */
  previewOf(exported: string): Promise<string[]>;
}

function changesOf(events: EngineEvent[]): string[] {
  succeeded(events);
  const steps = events.flatMap(({ resourcePreEvent }) => (resourcePreEvent === undefined ? [] : [resourcePreEvent.metadata]));
  return steps.flatMap(({ op, urn, detailedDiff }) => (op === "same" ? [] : [`${op} ${urn.slice(urn.lastIndexOf("::") + 2)}: ${Object.keys(detailedDiff ?? {}).join(" ")}`])).sort();
}

function succeeded(events: EngineEvent[]): Record<string, number> {
  const summary = events.find(({ summaryEvent }) => summaryEvent !== undefined)?.summaryEvent;
  if (summary?.result !== "succeeded") throw new Error(JSON.stringify(events.flatMap(({ diagnosticEvent }) => (diagnosticEvent?.severity === "error" ? [diagnosticEvent.message] : [])), null, 1));
  return summary.resourceChanges;
}

/** Where a bench works. */
export interface BenchFolders {
  /** Of its own, for its state. */
  folder: string;
  /** A copy of the project: the CLI writes into its stack files, and a program that somebody edits meanwhile is another one. */
  programDir: string;
}

export function embeddedBench(name: string, plane: ControlPlane, { folder, programDir }: BenchFolders): Bench {
  const stateFile = join(folder, "state.json");
  const run = async (work: typeof up, file: string): Promise<EngineEvent[]> => {
    const events: EngineEvent[] = [];
    const providers = [standInForHosts(plane.kubeconfig, programDir), new KubernetesProvider({ programDir })];
    await work({ ...embeddedOptions(name, programDir, file), providers, onEvent: (event) => { events.push(event); } });
    return events;
  };
  return {
    up: async () => succeeded(await run(up, stateFile)),
    exported: () => Promise.resolve(exportStack(stateFile)),
    async previewOf(exported) {
      const taken = join(folder, "taken-over.json");
      importStack(taken, exported);
      return changesOf(await run(preview, taken));
    },
  };
}

function embeddedOptions(name: string, programDir: string, stateFile: string): EngineOptions {
  const secretConfig = Object.fromEntries(Object.entries(secrets).map(([key, value]) => [`rackwright:${key}`, value]));
  return { project: "rackwright", stack: name, programDir, config: configOf(name), secretConfig, passphrase: PASSPHRASE, stateFile };
}

/** The same with the Pulumi CLI and its Kubernetes plugin. */
export async function pulumiBench(name: string, plane: ControlPlane, { folder, programDir }: BenchFolders): Promise<Bench> {
  const cli = new PulumiCli(programDir, folder, PASSPHRASE, { PULUMI_HOME: homeWithStandIn(folder), STANDIN_KUBECONFIG: plane.kubeconfigFile });
  await cli.run(["stack", "init", name, "--no-select"]);
  await cli.run(["config", "set-all", "--stack", name, ...Object.entries(secrets).flatMap(([key, value]) => ["--secret", `rackwright:${key}=${value}`])]);
  return {
    up: async () => succeeded(await cli.up(name)),
    exported: () => cli.run(["stack", "export", "--stack", name]),
    async previewOf(exported) {
      await cli.run(["stack", "import", "--stack", name], { stdin: exported });
      return changesOf(await cli.preview(name, []));
    },
  };
}

/** A home of the CLI with the installed Kubernetes plugin, and the stand-in where it looks for the command plugin. */
function homeWithStandIn(folder: string): string {
  const home = join(folder, "home");
  const installed = join(process.env["PULUMI_HOME"] ?? join(homedir(), ".pulumi"), "plugins");
  const [standIn = "", kubernetes = ""] = ["command-v1.2.1", "kubernetes-v4.32.0"].map((plugin) => {
    const own = join(home, "plugins", `resource-${plugin}`);
    mkdirSync(own, { recursive: true });
    return join(own, `pulumi-resource-${plugin.split("-")[0] ?? ""}`);
  });
  symlinkSync(join(installed, "resource-kubernetes-v4.32.0", "pulumi-resource-kubernetes"), kubernetes);
  writeFileSync(standIn, `#!/bin/sh\nexec '${process.execPath}' --require '${require.resolve("tsx/cjs")}' '${join(root, "test/support/host-standin-plugin.ts")}'\n`);
  chmodSync(standIn, 0o755);
  return home;
}

/** Nodes that take everything an environment asks for: what they offer beyond CPU and memory is what its pods claim. */
export async function addNodes(name: string, plane: ControlPlane, { folder, programDir }: BenchFolders): Promise<void> {
  const events: EngineEvent[] = [];
  await preview({ ...embeddedOptions(name, programDir, join(folder, "preview.json")), onEvent: (event) => { events.push(event); } });
  const claimed = new Set<string>();
  const nodes: string[] = [];
  for (const { resOutputsEvent } of events) {
    const state = resOutputsEvent?.metadata.new;
    if (state?.type === "kubernetes:core/v1:NodePatch") nodes.push(state.urn.slice(state.urn.lastIndexOf("::nodepatch-") + "::nodepatch-".length));
    for (const [, resource = ""] of JSON.stringify(state?.inputs ?? {}).matchAll(/"([\w.-]+\/[\w.-]+)":"?\d/g)) claimed.add(resource);
  }
  const capacity = Object.fromEntries([...claimed].map((resource) => [resource, "1k"]));
  await plane.addNode(...nodes.map((node) => ({ name: node, capacity: { cpu: "1k", memory: "16Ti", "ephemeral-storage": "100Ti", ...capacity } })));
}

const VARYING = new Set(["uid", "resourceVersion", "creationTimestamp", "generation", "managedFields", "clusterIP", "clusterIPs", "nodePort", "status", "controller-uid", "batch.kubernetes.io/controller-uid"]);

/** An object or inputs without what the server chooses anew each time, and without values of secrets. */
function reduced(value: Json): Json {
  if (Array.isArray(value)) return value.map((item) => reduced(item));
  if (typeof value !== "object" || value === null) return value;
  if (Object.hasOwn(value, "4dabf18193072939515e22adb298388d")) return "<secret>";
  return Object.fromEntries(Object.entries(value).filter(([name, item]) => !VARYING.has(name) || item === "None").map(([name, item]) => [name, reduced(item)]));
}

/** Who says what of an object: the engine's own manager has a random end. */
function managers(object: { [key: string]: Json }): string[] {
  const { metadata } = object as { metadata?: { managedFields?: { manager: string; operation: string }[] } };
  const own = (metadata?.managedFields ?? []).filter(({ manager }) => manager.startsWith("pulumi-kubernetes"));
  return own.map(({ manager, operation }) => `${manager.replace(/-[0-9a-f]{8}$/, "-<8 hex>")} ${operation}`).sort();
}

/** Reads every Kubernetes object of an exported stack back from the API server. */
export async function endState(exported: string, plane: ControlPlane): Promise<EndState> {
  const { deployment } = JSON.parse(exported) as { deployment: { resources: StateResource[] } };
  const objects: EndState["objects"] = {};
  const others: string[] = [];
  const paths = new Map<string, string>();
  for (const { urn, type, id, inputs = {} } of deployment.resources) {
    if (!type.startsWith("kubernetes:")) {
      others.push(urn);
      continue;
    }
    const { apiVersion, kind } = inputs as { apiVersion: string; kind: string };
    const group = apiVersion.includes("/") ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
    const plural = paths.get(`${group} ${kind}`) ?? (await pluralOf(plane, group, kind));
    paths.set(`${group} ${kind}`, plural);
    const [name = "", namespace] = (id ?? "").split("/").reverse();
    const live = await plane.call<{ [key: string]: Json }>("GET", `${group}${namespace === undefined ? "" : `/namespaces/${namespace}`}/${plural}/${name}`);
    if (live === undefined) throw new Error(`${urn} is not in the cluster`);
    const asked = reduced(inputs);
    objects[urn] = { inputs: asked, added: addedTo(asked, kind === "Node" ? nodeFields(live) : reduced(live)) ?? {}, managers: managers(live) };
  }
  return { objects: Object.fromEntries(Object.entries(objects).sort(([a], [b]) => (a < b ? -1 : 1))), others: others.sort() };
}

/** What stands in an object and not in what was asked for; undefined where nothing does. A recording is a third of the size without the rest. */
function addedTo(asked: Json | undefined, live: Json): Json | undefined {
  if (JSON.stringify(asked) === JSON.stringify(live)) return undefined;
  if (Array.isArray(live) && Array.isArray(asked) && live.length === asked.length) return live.map((item, index) => addedTo(asked[index], item) ?? {});
  if (!isObject(live) || !isObject(asked)) return live;
  const missing = Object.keys(asked).filter((key) => !Object.hasOwn(live, key));
  const entries = Object.entries(live).flatMap(([key, item]): [string, Json][] => {
    const more = addedTo(Object.hasOwn(asked, key) ? asked[key] : undefined, item);
    return more === undefined ? [] : [[key, more]];
  });
  return Object.fromEntries([...entries, ...missing.map((key): [string, Json] => [`${key} (not there)`, null])]);
}

function isObject(value: Json | undefined): value is { [key: string]: Json } {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Of a node only what a patch can have set. */
function nodeFields(node: { [key: string]: Json }): Json {
  const { metadata, spec } = node as { metadata?: { labels?: Json }; spec?: { taints?: Json } };
  return { metadata: { labels: metadata?.labels ?? null }, spec: { taints: spec?.taints ?? null } };
}

async function pluralOf(plane: ControlPlane, group: string, kind: string): Promise<string> {
  const list = await plane.call<{ resources: { name: string; kind: string }[] }>("GET", group);
  const found = list?.resources.find((resource) => resource.kind === kind && !resource.name.includes("/"));
  if (found === undefined) throw new Error(`the API server has no ${kind} in ${group}`);
  return found.name;
}
