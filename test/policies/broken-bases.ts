import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import type { EnvironmentInput } from "../../components/environment";
import { hostKey } from "./fixtures";
import { stacks } from "./recordings";

type ServerInput = EnvironmentInput["servers"][string];

const server = (number: number): ServerInput => ({
  address: `10.0.0.${number}`,
  hostKey: hostKey(number),
  rack: { name: "r1", unit: number * 4 },
  cpu: { model: "epyc-7543" },
  memoryGiB: 512,
  pcieGeneration: 4,
  gpus: { model: "a100-80gb-pcie", count: 4, nvlink: "bridge" },
  nics: { ens1: { speedGbps: 100, rdma: "roce" } },
  drives: {
    [`nvme-fast_${number}a`]: { kind: "nvme", capacityGB: 3840 },
    [`nvme-fast_${number}b`]: { kind: "nvme", capacityGB: 3840 },
    [`ata-ssd_${number}a`]: { kind: "sata-ssd", capacityGB: 1920 },
    [`ata-ssd_${number}b`]: { kind: "sata-ssd", capacityGB: 1920 },
    [`ata-hdd_${number}a`]: { kind: "hdd", capacityGB: 16000 },
    [`ata-hdd_${number}b`]: { kind: "hdd", capacityGB: 16000 },
  },
  tiers: {
    hot: { level: "raid0", drives: [`nvme-fast_${number}a`, `nvme-fast_${number}b`] },
    warm: { level: "raid1", drives: [`ata-ssd_${number}a`, `ata-ssd_${number}b`] },
    cold: { level: "raid1", drives: [`ata-hdd_${number}a`, `ata-hdd_${number}b`] },
  },
  maxPowerWatts: 2000,
  price: 80000,
});

/** One server without a cluster: the cheapest that rules about hardware, drives and drivers can be broken on. */
const lone: EnvironmentInput = {
  site: { name: "lone", internetAccess: true, budget: { min: 50000, max: 90000 }, power: { limitWatts: 3000 }, racks: { r1: { powerLimitWatts: 1800 } } },
  ssh: { user: "ops" },
  software: { cudaToolkit: "12.8" },
  servers: { "gpu-01": server(1) },
};

/** Two servers of a bank without a cluster, with an address that moves to the one that works. */
const pair: EnvironmentInput = {
  site: { name: "pair", dataClass: "finance", mirror: { apt: "http://mirror.site/apt", images: "registry.site:5000" }, objectStore: { endpoint: "https://store.site", bucket: "history" }, racks: { r1: {} } },
  ssh: { user: "ops", bastion: { address: "10.0.0.250", user: "ops", hostKey: hostKey(250) } },
  servers: Object.fromEntries(
    [1, 2].map((number) => {
      const { tiers, ...rest } = server(number);
      return [`gpu-0${number}`, { ...rest, tiers: Object.fromEntries(Object.entries(tiers ?? {}).map(([tier, entry]) => [tier, { ...entry, encryptionAtRest: "self-encrypting-drives" as const }])) }];
    }),
  ),
  monitoring: { receivers: { operations: { kind: "webhook", url: "https://alerts.site/hook" } } },
  recovery: { standby: { mode: "keepalived", virtualAddress: "10.0.0.252", units: { reports: { port: 9000, servers: ["gpu-01"], standbyServers: ["gpu-02"] } } } },
};

/** Two servers in a cluster that is there already, with a service that survives one of them. */
const served: EnvironmentInput = {
  site: { name: "served", internetAccess: true, racks: { r1: {} } },
  ssh: { user: "ops" },
  servers: { "gpu-01": server(1), "gpu-02": server(2) },
  cluster: { distribution: "existing" },
  services: { assistant: { model: "qwen2.5-72b", engine: "vllm", precision: "int4", contextTokens: 8192, standbyReplicas: 1, gpusPerReplica: 2, tensorParallel: 2 } },
  monitoring: { receivers: { operations: { kind: "webhook", url: "https://alerts.site/hook" } } },
  recovery: { standby: { mode: "keepalived", virtualAddress: "10.0.0.252" } },
};

function shipped(name: string): EnvironmentInput {
  return (parse(readFileSync(join(stacks, `Pulumi.${name}.yaml`), "utf8")) as { config: { "rackwright:environment": EnvironmentInput } }).config["rackwright:environment"];
}

const own = { lone, pair, served };
const fromStacks = ["dev-test", "sme-production", "large-cluster", "medical-imaging", "quality-inspection", "edge"] as const;

export type Base = keyof typeof own | (typeof fromStacks)[number];
export const bases: readonly Base[] = ["lone", "pair", "served", ...fromStacks];

/** What a user would write for a base. */
export function baseEnvironment(base: Base): EnvironmentInput {
  return base in own ? structuredClone(own[base as keyof typeof own]) : shipped(base);
}

/** A change as a merge patch (RFC 7396), in which an object also changes entries of a list, by their index. */
export type Patch = { readonly [key: string]: Patch | string | number | boolean | null | readonly unknown[] };

export function patched<T>(target: T, patch: Patch): T {
  const result = (Array.isArray(target) ? [...(target as unknown[])] : { ...(target as object) }) as Record<string, unknown>;
  for (const [key, change] of Object.entries(patch)) {
    if (change === null) Reflect.deleteProperty(result, key);
    else if (typeof change === "object" && !Array.isArray(change)) result[key] = patched(result[key] ?? {}, change as Patch);
    else result[key] = change;
  }
  return result as T;
}
