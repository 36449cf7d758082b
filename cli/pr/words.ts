import type { Server } from "../../components/environment";
import type { TierPlan } from "../../components/servers/plan";
import { foldersOn } from "../../components/servers/tier-folders";
import { measurementFolders } from "../../components/monitoring/server";
import { capacity } from "../render/capacity";
import { hardware } from "../render/plan";
import { code, listed, md, prose, type Markdown } from "./markdown";
import type { Side } from "./plan-side";

const driveKinds: Readonly<Record<Server["drives"][string]["kind"], string>> = { "nvme": "NVMe", "sata-ssd": "SATA SSD", "hdd": "rotating" };
const levels: Readonly<Record<TierPlan["level"], string>> = { single: "one drive", raid0: "RAID 0", raid1: "RAID 1", raid5: "RAID 5", raid6: "RAID 6", raid10: "RAID 10" };

export const plural = (count: number, noun: string): string => `${count.toLocaleString("en-GB")} ${noun}${count === 1 ? "" : "s"}`;

/** `AMD EPYC 7543, 512 GiB, 4x NVIDIA A100 80GB PCIe`. */
export function hardwareWords(facts: Server): Markdown {
  return prose(hardware({ facts }));
}

function kindsOf(drives: readonly string[], facts: Server): string {
  return [...new Set(drives.map((id) => facts.drives[id]?.kind))].flatMap((kind) => (kind === undefined ? [] : driveKinds[kind])).join(" and ");
}

/** `RAID 0 of 4 NVMe drives (15.36 TB)`. */
export function arrayWords({ level, drives, usableGB }: TierPlan, facts: Server): Markdown {
  const kind = prose(kindsOf(drives, facts));
  const layout = level === "single" ? md`one ${kind} drive` : md`${prose(levels[level])} of ${drives.length} ${kind} drives`;
  return md`${layout} (${prose(capacity(usableGB))})`;
}

/** `drive `nvme-...` (NVMe, 3.84 TB)`. */
export function driveWords(id: string, facts: Server): Markdown {
  const drive = facts.drives[id];
  return drive === undefined ? md`drive ${id}` : md`drive ${id} (${prose(driveKinds[drive.kind])}, ${prose(capacity(drive.capacityGB))})`;
}

export function drivesWords(ids: readonly string[], facts: Server): Markdown {
  return listed(ids.map((id) => driveWords(id, facts)));
}

/** A word before a name that several servers may share. */
export function serversWords(names: readonly string[]): Markdown {
  return listed(names.map((name) => code(name)), 8);
}

const measurements: readonly string[] = Object.values(measurementFolders);

/** What the plan keeps on a tier, in words; empty where it keeps nothing there. */
export function contentsOf({ environment }: Side, server: string, tier: TierPlan["tier"]): string[] {
  const folders = foldersOn(environment, server, tier);
  const held = (test: (folder: string) => boolean, words: string): string[] => (folders.some(test) ? [words] : []);
  return [
    ...(tier === "hot" ? held((folder) => folder === "models", "copies of model weights") : held((folder) => folder !== "checkpoints" && !measurements.includes(folder), "the model store")),
    ...held((folder) => folder === "checkpoints", "checkpoints"),
    ...held((folder) => measurements.includes(folder), "the monitoring's measurements"),
  ];
}

export function contentsWords(side: Side, server: string, tier: TierPlan["tier"]): Markdown {
  const contents = contentsOf(side, server, tier);
  return contents.length === 0 ? md`nothing that this environment puts there` : listed(contents.map((each) => prose(each)));
}
