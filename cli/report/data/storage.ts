import type { Environment, Server, TierName } from "../../../components/environment";
import { sourceFor } from "../../../components/inference/model-store/source";
import type { WorkloadPlan } from "../../../components/inference/plan-types";
import { keepsMeasurements, measurementsOf } from "../../../components/monitoring/storage";
import type { ServerPlan, TierPlan } from "../../../components/servers";
import { foldersOn } from "../../../components/servers/tier-folders";
import type { BarChart, Figure, Mark, Table } from "../types";
import { alike, capacityText, names, plural } from "../words";
import type { FileSource } from "./file-source";

export interface StorageData {
  capacity: BarChart;
  tiers: Table;
  /** What is kept outside of the servers, and drives that no tier has. */
  besides: { what: string; text: string; source: string }[];
}

export const storageSources = {
  usable: "the storage planner (components/servers/tiers-plan.ts): what the array holds before the filesystem takes its share (facts 8)",
  kept: "components/servers/tier-folders.ts: folders that workloads use on a tier",
  lost: "the storage planner (components/servers/tiers-plan.ts): drives that may fail, whichever they are; what is lost otherwise: guide 2.2",
} as const;

const levels: Readonly<Record<TierPlan["level"], string>> = { single: "single drive", raid0: "RAID 0", raid1: "RAID 1", raid5: "RAID 5", raid6: "RAID 6", raid10: "RAID 10" };
const kinds: Readonly<Record<Server["drives"][string]["kind"], string>> = { "nvme": "NVMe", "sata-ssd": "SATA SSD", "hdd": "hard disk" };

/** "4x NVMe of 3.84 TB". */
function drivesText(drives: readonly Server["drives"][string][]): string {
  return alike(drives.map((drive) => ["", drive] as const)).map(({ names: each, thing }) => `${each.length}x ${kinds[thing.kind]} of ${capacityText(thing.capacityGB)}`).join(", ");
}

/** Services whose weights are laid out on a server's hot tier, with their size. */
function weightsOn(server: string, { services }: Pick<WorkloadPlan, "services">): string {
  const held = Object.values(services).flatMap(({ name, weightsGB, workloads }) => (weightsGB !== undefined && workloads.some(({ servers }) => servers.includes(server)) ? [`${name} ${capacityText(weightsGB)}`] : []));
  return held.length === 0 ? "" : `: ${held.join(", ")}`;
}

function coldImages({ recovery, servers }: Environment): TierName {
  return recovery.coldStart.imagesTier ?? (Object.values(servers).some(({ tiers }) => tiers.cold !== undefined) ? "cold" : "warm");
}

/** What is kept on a tier, in words. */
function keptOn(environment: Environment, { name }: Pick<ServerPlan, "name">, { tier, mount }: TierPlan, workloads: Pick<WorkloadPlan, "services">): string[] {
  const folders = foldersOn(environment, name, tier);
  const source = sourceFor(environment, name);
  const measured = keepsMeasurements(environment) ? measurementsOf(environment) : undefined;
  const store = source?.kind === "directory" && source.path.startsWith(`${mount}/`) ? source.path.slice(mount.length + 1) : undefined;
  return [
    ...(tier === "hot" && folders.includes("models") ? [`copies of weights${weightsOn(name, workloads)}`] : []),
    ...(store === undefined || !folders.includes(store) ? [] : [`model store: weights as they were published, in ${mount}/${store}`]),
    ...(folders.includes("checkpoints") ? ["checkpoints of training jobs"] : []),
    ...(measured?.server === name && measured.tier.tier === tier ? [`measurements, up to ${environment.monitoring.retentionGiB} GiB`] : []),
    ...(tier === coldImages(environment) ? ["images for a cold start"] : []),
  ];
}

function lostWithOneDrive({ tier, survivesDrives, usableGB, mount }: TierPlan, environment: Environment, server: string): Mark {
  if (survivesDrives > 0) return { mark: "good", text: `nothing: it survives ${plural(survivesDrives, "drive")}` };
  if (tier !== "hot") return { mark: "bad", text: `all ${capacityText(usableGB)}` };
  const source = sourceFor(environment, server);
  const from = source === undefined ? undefined : source.kind === "directory" ? source.path : source.kind === "nfs" ? `${source.server}:${source.path}` : `the object store's bucket ${source.bucket}`;
  if (from === undefined || from.startsWith(`${mount}/`)) return { mark: "bad", text: `all ${capacityText(usableGB)}, and nothing to read it again from` };
  return { mark: "warning", text: `all of it, read again from ${from}` };
}

interface ShownTier {
  tier: TierName;
  mount: string;
  array: string;
  rawGB: number;
  usableGB: number;
  kept: string[];
  lost: Mark;
}

function shownTiers(environment: Environment, plans: readonly ServerPlan[], workloads: Pick<WorkloadPlan, "services">): { names: string[]; thing: ShownTier }[] {
  return alike(plans.flatMap((plan) => plan.tiers.map((tier) => {
    const drives = tier.drives.flatMap((id) => environment.servers[plan.name]?.drives[id] ?? []);
    const { mount, rawGB, usableGB } = tier;
    const locked = environment.servers[plan.name]?.tiers[tier.tier]?.encryptionAtRest === "self-encrypting-drives" ? ", self-encrypting" : "";
    const shown: ShownTier = { tier: tier.tier, mount, array: `${levels[tier.level]}, ${drivesText(drives)}${locked}`, rawGB, usableGB, kept: keptOn(environment, plan, tier, workloads), lost: lostWithOneDrive(tier, environment, plan.name) };
    return [plan.name, shown] as const;
  })));
}

function besides({ site, servers }: Environment, file: FileSource): StorageData["besides"] {
  const { objectStore, modelStore } = site;
  const free = alike(Object.entries(servers).flatMap(([name, { drives, tiers }]) => {
    const used = new Set(Object.values(tiers).flatMap((tier) => tier.drives));
    const left = Object.entries(drives).filter(([id]) => !used.has(id)).map(([, drive]) => drive);
    return left.length === 0 ? [] : [[name, drivesText(left)] as const];
  }));
  return [
    ...(objectStore === undefined ? [] : [{ what: "Object store, the cold tier", text: `${objectStore.endpoint}, bucket ${objectStore.bucket}`, source: file("site.objectStore") }]),
    ...(modelStore === undefined ? [] : [{ what: "Model store", text: modelStore.kind === "object-store" ? `folder ${modelStore.prefix} of the object store` : modelStore.kind === "nfs" ? `${modelStore.server}:${modelStore.path}` : modelStore.path, source: file("site.modelStore") }]),
    ...free.map(({ names: each, thing }) => ({ what: "In no tier", text: `${thing}${each.length === 1 ? "" : " each"} on ${names(each)}`, source: file("servers.<name>.drives") })),
  ];
}

/** What the tiers of all servers hold together. */
export function usableByTier(plans: readonly ServerPlan[]): Figure[] {
  return (["hot", "warm", "cold"] as const).flatMap((name) => {
    const held = plans.flatMap(({ tiers }) => tiers.filter(({ tier }) => tier === name));
    return held.length === 0 ? [] : [{ text: `${name} ${capacityText(held.reduce((sum, { usableGB }) => sum + usableGB, 0))}`, source: storageSources.usable }];
  });
}

export function storageData(environment: Environment, plans: readonly ServerPlan[], workloads: Pick<WorkloadPlan, "services">, file: FileSource): StorageData {
  const shown = shownTiers(environment, plans, workloads);
  return {
    capacity: {
      title: "Capacity of each tier",
      legend: [{ name: "usable", fill: "first" }, { name: "kept for lost drives", fill: "third" }],
      bars: alike(shown.flatMap(({ names: servers, thing: { tier, array, rawGB, usableGB } }) => servers.map((server) => [server, { tier, array, rawGB, usableGB }] as const))).map(({ names: servers, thing: { tier, array, rawGB, usableGB } }) => ({
        label: `${names(servers)}, ${tier}: ${array}`,
        result: `${capacityText(usableGB)} usable${servers.length === 1 ? "" : " each"}`,
        total: rawGB,
        parts: [{ name: "usable", value: usableGB, text: capacityText(usableGB), fill: "first" as const }, ...(rawGB > usableGB ? [{ name: "kept for lost drives", value: rawGB - usableGB, text: capacityText(rawGB - usableGB), fill: "third" as const }] : [])],
      })),
    },
    tiers: {
      caption: "Storage tiers",
      columns: [
        { title: "Servers" }, { title: "Tier" }, { title: "Mounted at", source: `${file("servers.<name>.tiers.<tier>.mount")}, else /srv and the tier's name` }, { title: "Level and drives", kind: "wide", source: `${file("servers.<name>.tiers")} and drives` },
        { title: "Raw", kind: "number", source: file("servers.<name>.drives") }, { title: "Usable", kind: "number", source: storageSources.usable }, { title: "What is kept there", kind: "wide", source: storageSources.kept }, { title: "Lost with one drive", kind: "wide", source: storageSources.lost },
      ],
      rows: shown.map(({ names: servers, thing }) => [names(servers), thing.tier, thing.mount, thing.array, capacityText(thing.rawGB), capacityText(thing.usableGB), thing.kept.length === 0 ? "nothing planned" : thing.kept, thing.lost]),
    },
    besides: besides(environment, file),
  };
}
