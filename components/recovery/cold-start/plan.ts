import { mountOf } from "../../environment";
import type { Environment } from "../../environment/schema";
import { planServer, type ServerPlan } from "../../servers/plan";
import { foldersOn } from "../../servers/tier-folders";
import { tierNames } from "../../servers/tiers-plan";
import { measurementFolders } from "../../monitoring/server";

/** What a set takes from one server. */
export interface ColdStartServer {
  name: string;
  /** `NAME` or `NAME=VERSION`, as the host steps ask for them. */
  packages: string[];
  /** Folders that are saved whole. */
  folders: string[];
  /** Folders below which models lie, each with its manifest. */
  modelFolders: string[];
  /** Whether k3s's own secrets and snapshots lie on it. */
  controlPlane: boolean;
  /** Whether it runs k3s. */
  k3s: boolean;
}

export interface ColdStartPlan {
  servers: ColdStartServer[];
  /** Sets that are kept. */
  keep: number;
}

const measured = new Set<string>(Object.values(measurementFolders));

function foldersOf(environment: Environment, name: string): Pick<ColdStartServer, "folders" | "modelFolders"> {
  const tiers = environment.servers[name]?.tiers ?? {};
  const mounts = tierNames.flatMap((tier) => {
    const found = tiers[tier];
    return found === undefined ? [] : [{ tier, mount: mountOf(tier, found), folders: foldersOn(environment, name, tier).filter((folder) => !measured.has(folder)) }];
  });
  // The cold tier keeps what lies on it, and what lies on the hot one is a copy.
  const planned = mounts.filter(({ tier }) => tier === "warm").flatMap(({ mount, folders }) => folders.map((folder) => `${mount}/${folder}`));
  const named = environment.recovery.coldStart.folders.filter((folder) => mounts.some(({ mount }) => folder === mount || folder.startsWith(`${mount}/`)));
  const all = [...new Set([...planned, ...named])].sort();
  return {
    // What lies below a folder that is saved is saved with it.
    folders: all.filter((folder) => !all.some((other) => other !== folder && folder.startsWith(`${other}/`))),
    modelFolders: mounts.flatMap(({ mount, folders }) => folders.filter((folder) => folder !== "checkpoints").map((folder) => `${mount}/${folder}`)),
  };
}

/** What all steps of a server install, as they ask for it. */
function packagesOf({ steps, clusterSteps, recoverySteps }: ServerPlan): string[] {
  const asked = [...steps, ...clusterSteps, ...recoverySteps].flatMap(({ args }) => args.filter((_, index) => ["--package", "--held-package"].includes(args[index - 1] ?? "")));
  return [...new Set(asked)].sort();
}

/** What has to be saved of an environment, so that its servers can be made again from blank ones. */
export function planColdStart(environment: Environment): ColdStartPlan {
  const names = Object.keys(environment.servers);
  return {
    servers: names.map((name) => {
      const plan = planServer(environment, name);
      return {
        name,
        packages: packagesOf(plan),
        ...foldersOf(environment, name),
        controlPlane: plan.k3s !== undefined && plan.k3s.role !== "agent",
        k3s: plan.k3s !== undefined,
      };
    }),
    keep: environment.recovery.coldStart.keep,
  };
}

/** Images that objects of a cluster name, each once, in alphabetical order. */
export function imagesIn(objects: readonly unknown[]): string[] {
  const images = new Set<string>();
  const visit = (value: unknown): void => {
    if (Array.isArray(value)) value.forEach(visit);
    else if (typeof value === "object" && value !== null) {
      for (const [key, each] of Object.entries(value)) {
        if (key === "image" && typeof each === "string" && each !== "") images.add(each);
        else visit(each);
      }
    }
  };
  objects.forEach(visit);
  return [...images].sort();
}

/** File of the set that holds a folder of a server. */
export function dataFile(server: string, folder: string): string {
  return `servers/${server}/data/${encodeURIComponent(folder.replace(/^\//, ""))}.tar`;
}

/** File of the set with the checksums of a folder of a server. */
export function sumsFile(server: string, folder: string): string {
  return `servers/${server}/data/${encodeURIComponent(folder.replace(/^\//, ""))}.sha256`;
}

/** File of the set with the data, the token and the certificates of the cluster: a compressed archive, sealed. */
export function clusterFile(server: string): string {
  return `servers/${server}/k3s.sealed`;
}

/** File of the set that holds an image, as `skopeo copy` writes it: see {@link imageArchive}. */
export function imageFile(reference: string): string {
  return `images/${encodeURIComponent(reference)}.tar`;
}

/** How an image is kept so that containerd knows it by the name that nodes ask for. */
export interface ImageArchive {
  /** What is copied, without a transport. */
  source: string;
  /** A Docker archive has the node's own architecture. One for a digest has everything that the digest stands for, unchanged. */
  transport: "docker-archive" | "oci-archive";
  /** Name in the archive. Where a reference has a digest, nodes go by that and not by the tag beside it. */
  name: string;
}

/** @example imageArchive("ghcr.io/a/b:1@sha256:…").name // "ghcr.io/a/b@sha256:…" */
export function imageArchive(reference: string): ImageArchive {
  const [, name = reference, tag = "", digest = ""] = /^(.+?)(:[\w][\w.-]*)?(@sha256:[0-9a-f]{64})?$/.exec(reference) ?? [];
  if (digest !== "") return { source: `${name}${digest}`, transport: "oci-archive", name: `${name}${digest}` };
  const tagged = `${name}${tag === "" ? ":latest" : tag}`;
  return { source: tagged, transport: "docker-archive", name: tagged };
}
