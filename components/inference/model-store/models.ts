import type { Finding } from "../../environment/problems";
import { folderOfModel, weightsFolder } from "../engines/engine";
import type { ServicePlan, WorkloadPlan } from "../plan-types";

/** One model's folder that is laid out on a server. */
export interface LaidOutModel {
  /** Below the model store and below the hot tier's model folder. */
  folder: string;
  /** SHA-256 that the folder's manifest must have. Absent: the manifest in the store is trusted. */
  manifestSha256?: string;
  /** Decimal gigabytes, as planned. */
  sizeGB: number;
  /** Services that read it, in alphabetical order. */
  services: string[];
}

/** A name that a shell script and a path on any file system take as it is. */
const safeFolder = /^[A-Za-z0-9._-]+(\/[A-Za-z0-9._-]+)*$/;

function isSafe(folder: string): boolean {
  return safeFolder.test(folder) && !folder.split("/").some((part) => part === "." || part === ".." || part === ".partial");
}

interface Wanted {
  folder: string;
  manifestSha256?: string;
  sizeGB: number;
  keys: string[];
}

/** Folders that one service reads. Those that come from a hub are fetched by the engine itself. */
function wantedBy(service: ServicePlan): Wanted[] {
  const { name, spec } = service;
  if (spec.weights.from === "hub") return [];
  const { manifestSha256 } = spec.weights;
  return [
    { folder: weightsFolder(service), sizeGB: service.weightsGB ?? spec.weights.sizeGB ?? 0, keys: ["services", name, spec.weights.folder === undefined ? "model" : "weights"], ...(manifestSha256 === undefined ? {} : { manifestSha256 }) },
    ...Object.entries(spec.moreModels).map(([other, { model }]) => ({
      folder: folderOfModel(model),
      sizeGB: (Object.hasOwn(service.moreModels ?? {}, other) ? service.moreModels?.[other]?.weightsGB : undefined) ?? 0,
      keys: ["services", name, "moreModels", other, "model"],
    })),
  ];
}

/** Servers that run some workload, in the order of the services. */
export function serversWithWorkloads(plan: WorkloadPlan): string[] {
  return [...new Set(Object.values(plan.services).flatMap(({ workloads }) => workloads.flatMap(({ servers }) => servers)))];
}

/** What is laid out on a server, by folder in alphabetical order. Folders that {@link modelFindings} refuses are left out. */
export function modelsOn(plan: WorkloadPlan, server: string): LaidOutModel[] {
  const models = new Map<string, LaidOutModel>();
  for (const service of Object.values(plan.services)) {
    if (!service.workloads.some(({ servers }) => servers.includes(server))) continue;
    for (const { folder, manifestSha256, sizeGB } of wantedBy(service).filter((wanted) => isSafe(wanted.folder))) {
      const known = models.get(folder);
      const pin = known?.manifestSha256 ?? manifestSha256;
      models.set(folder, {
        folder,
        sizeGB: Math.max(sizeGB, known?.sizeGB ?? 0),
        services: [...new Set([...(known?.services ?? []), service.name])].sort(),
        ...(pin === undefined ? {} : { manifestSha256: pin }),
      });
    }
  }
  return [...models.values()].sort((a, b) => (a.folder < b.folder ? -1 : 1));
}

/** Folders that cannot be laid out as written. */
export function* modelFindings(plan: WorkloadPlan): Generator<Finding> {
  const pins = new Map<string, { sum: string; service: string }>();
  for (const service of Object.values(plan.services)) {
    for (const { folder, manifestSha256, keys } of wantedBy(service)) {
      if (!isSafe(folder)) {
        yield { keys, message: "is not a folder below the model store", value: folder, allowed: "folders of letters, digits, dots, hyphens and underscores, without . or ..", fix: "Write the path of the folder as it is in the store." };
        continue;
      }
      if (manifestSha256 === undefined) continue;
      const other = pins.get(folder);
      if (other !== undefined && other.sum !== manifestSha256) {
        yield { keys: ["services", service.name, "weights", "manifestSha256"], message: `differs from the one that services.${other.service} pins for the same folder ${folder}`, value: manifestSha256, fix: "One folder has one manifest: give both the same, or put one of them into a folder of its own (weights.folder)." };
      }
      pins.set(folder, other ?? { sum: manifestSha256, service: service.name });
    }
  }
}
