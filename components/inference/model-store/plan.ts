import type { KubernetesObject } from "../../cluster/object";
import { mountOf } from "../../environment";
import type { Finding } from "../../environment/problems";
import type { Environment } from "../../environment/schema";
import { planTiers } from "../../servers/tiers-plan";
import type { WorkloadPlan } from "../plan-types";
import { layoutConfigMap, layoutJob } from "./layout-job";
import { modelFindings, modelsOn, serversWithWorkloads, type LaidOutModel } from "./models";
import { storePolicy } from "./network";
import { sourceFor, type StoreSource } from "./source";
import { modelsVolume, storeVolume } from "./volumes";

/** What one server needs to have its models. */
export interface ServerLayout {
  server: string;
  models: LaidOutModel[];
  volumes: KubernetesObject[];
  claims: KubernetesObject[];
  /** Absent where engines fetch all their weights from a hub themselves. */
  job?: KubernetesObject;
}

export interface ModelStorePlan {
  /** Script, network policy and a volume that all servers share. */
  shared: KubernetesObject[];
  servers: ServerLayout[];
  /** All of them, each after what it needs. Secrets are the component's. */
  objects: KubernetesObject[];
  findings: Finding[];
}

const gigabytes = (value: number): string => `${Math.round(value * 10) / 10} GB`;

/** Whether the path is the folder or lies below it. */
const isWithin = (path: string, folder: string): boolean => path === folder || path.startsWith(`${folder}/`);

function* serverFindings(environment: Environment, plan: WorkloadPlan, name: string): Generator<Finding> {
  const server = Object.hasOwn(environment.servers, name) ? environment.servers[name] : undefined;
  if (server === undefined) return;
  const models = modelsOn(plan, name);
  const who = models.flatMap(({ services }) => services);
  const hot = planTiers(name, server).find(({ tier }) => tier === "hot");
  if (hot === undefined) {
    yield { keys: ["servers", name, "tiers", "hot"], message: "is missing, but services run on the server and read their weights from its hot tier", fix: "Describe a hot tier on NVMe drives; a single drive will do." };
    return;
  }
  const sizeGB = models.reduce((sum, model) => sum + model.sizeGB, 0);
  if (sizeGB > hot.usableGB) {
    const largest = models.map(({ folder, sizeGB: each }) => `${folder} ${gigabytes(each)}`).join(", ");
    yield { keys: ["servers", name, "tiers", "hot"], message: `holds ${gigabytes(hot.usableGB)}, but the weights of the services on the server need ${gigabytes(sizeGB)}: ${largest}`, fix: "Add drives to the hot tier, or let fewer services run there." };
  }
  const source = sourceFor(environment, name);
  if (source === undefined && models.length > 0 && environment.site.modelStore === undefined) {
    yield { keys: ["servers", name, "tiers"], message: `has no cold or warm tier, and the site has no object store, so that the weights of ${[...new Set(who)].sort().join(", ")} come from nowhere`, fix: "Describe site.modelStore or site.objectStore, or add a warm or cold tier." };
  }
  if (source?.kind === "directory" && isWithin(source.path, hot.mount)) {
    yield { keys: ["site", "modelStore", "path"], message: `is on the hot tier of ${name}, which holds only copies`, value: source.path, fix: "Name a folder on the warm or cold tier." };
  }
}

function* siteFindings(environment: Environment, plan: WorkloadPlan): Generator<Finding> {
  const { modelStore, objectStore, internetAccess } = environment.site;
  if (modelStore?.kind === "object-store" && objectStore === undefined) {
    yield { keys: ["site", "modelStore", "kind"], message: "is object-store, but the site has none", value: "object-store", allowed: "nfs, directory", fix: "Describe site.objectStore, or keep the weights on NFS or in a folder." };
  }
  if (internetAccess) return;
  for (const { name, spec } of Object.values(plan.services)) {
    if (spec.weights.from === "hub") yield { keys: ["services", name, "weights", "from"], message: "is hub, but the site has no internet access", value: "hub", allowed: "store", fix: "Put the weights into the model store, or write site.internetAccess: true." };
  }
}

function layoutOn(environment: Environment, plan: WorkloadPlan, name: string, configMap: string): { layout: ServerLayout; source: StoreSource | undefined } | undefined {
  const server = Object.hasOwn(environment.servers, name) ? environment.servers[name] : undefined;
  const hot = server?.tiers.hot;
  if (server === undefined || hot === undefined) return undefined;
  const usableGB = planTiers(name, server).find(({ tier }) => tier === "hot")?.usableGB ?? 0;
  const models = modelsOn(plan, name);
  const source = models.length === 0 ? undefined : sourceFor(environment, name);
  const own = modelsVolume(name, mountOf("hot", hot), usableGB);
  const store = source?.kind === "directory" ? storeVolume(source, name) : undefined;
  const pairs = store === undefined ? [own] : [own, store];
  return {
    source,
    layout: {
      server: name,
      models,
      volumes: pairs.map(({ volume }) => volume),
      claims: pairs.map(({ claim }) => claim),
      ...(source === undefined ? {} : { job: layoutJob(environment, name, source, models, configMap) }),
    },
  };
}

/**
 * How the weights of all services get onto the hot tiers of the servers that run them: for each server a volume of its
 * folder and a job that lays it out. Pure; the same on every machine.
 */
export function planModelStore(environment: Environment, plan: WorkloadPlan): ModelStorePlan {
  const names = serversWithWorkloads(plan);
  const findings = [...siteFindings(environment, plan), ...modelFindings(plan), ...names.flatMap((name) => [...serverFindings(environment, plan, name)])];
  const configMap = layoutConfigMap();
  const laidOut = names.flatMap((name) => layoutOn(environment, plan, name, configMap.metadata.name) ?? []);
  const servers = laidOut.map(({ layout }) => layout);
  const remote = laidOut.map(({ source }) => source).find((source) => source !== undefined && source.kind !== "directory");
  const nfs = remote?.kind === "nfs" ? storeVolume(remote, "") : undefined;
  const shared = [
    ...(servers.some(({ job }) => job !== undefined) ? [configMap] : []),
    ...(remote?.kind === "object-store" ? [storePolicy(remote.endpoint)] : []),
    ...(nfs === undefined ? [] : [nfs.volume, nfs.claim]),
  ];
  return { shared, servers, objects: [...shared, ...servers.flatMap(({ volumes, claims, job }) => [...volumes, ...claims, ...(job === undefined ? [] : [job])])], findings };
}
