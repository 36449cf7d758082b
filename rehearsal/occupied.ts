import { createHash, randomBytes } from "node:crypto";
import { closeSync, createReadStream, mkdirSync, mkdtempSync, openSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import type { TierName } from "../components/environment/schema";
import { run } from "./process";
import type { EmulatedServer } from "./server";

/** A drive that held somebody's data before the first `up`. */
export interface OccupiedDrive {
  server: string;
  tier: TierName;
  id: string;
  holds: string;
  /** SHA-256 of the whole backing file of every drive of the tier, the blank ones too, by id. */
  before: Readonly<Record<string, string>>;
}

const holdings: readonly { holds: string; put: (file: string) => Promise<void> }[] = [
  { holds: "an ext4 file system with a file in it", put: putFileSystem },
  { holds: "data without any known signature", put: (file) => putAt(file, 4096, randomBytes(65536)) },
  { holds: "a partition table", put: (file) => putAt(file, 0, partitionTable()) },
];

/** Puts data on the first drive of every tier of a server that has not booted yet; another kind of data for each tier. */
export async function occupyDrives(server: EmulatedServer, tiers: readonly { tier: TierName; drives: readonly string[] }[]): Promise<OccupiedDrive[]> {
  const occupied: OccupiedDrive[] = [];
  for (const [index, { tier, drives }] of tiers.entries()) {
    const holding = holdings[index % holdings.length];
    const id = drives[0];
    if (holding === undefined || id === undefined) continue;
    await holding.put(server.backingFile(id));
    occupied.push({ server: server.name, tier, id, holds: holding.holds, before: await sumsOf(server, drives) });
  }
  return occupied;
}

export async function sumsOf(server: EmulatedServer, drives: readonly string[]): Promise<Record<string, string>> {
  const sums: Record<string, string> = {};
  for (const id of drives) {
    const hash = createHash("sha256");
    await pipeline(createReadStream(server.backingFile(id)), hash);
    sums[id] = hash.digest("hex");
  }
  return sums;
}

/** What an operator does by hand after looking at a drive and deciding that nothing on it is needed. */
export function declareBlankCommand(id: string): string {
  const device = `/dev/disk/by-id/${id}`;
  return [
    `wipefs --all --force --quiet ${device}`,
    `dd if=/dev/zero of=${device} bs=1M count=1 conv=fsync status=none`,
    `dd if=/dev/zero of=${device} bs=1M seek=$(($(blockdev --getsize64 ${device}) / 1048576 - 1)) count=1 conv=fsync status=none`,
    `blockdev --rereadpt ${device}`,
    "udevadm settle",
  ].join(" && ");
}

async function putFileSystem(file: string): Promise<void> {
  const folder = mkdtempSync(`${file}.data-`);
  try {
    mkdirSync(join(folder, "patients"));
    writeFileSync(join(folder, "patients", "archive.bin"), randomBytes(1 << 20));
    await run("mkfs.ext4", ["-q", "-F", "-L", "archive", "-d", folder, file]);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function putAt(file: string, position: number, data: Buffer): Promise<void> {
  const handle = openSync(file, "r+");
  try {
    writeSync(handle, data, 0, data.length, position);
  } finally {
    closeSync(handle);
  }
  return Promise.resolve();
}

/** A master boot record with one Linux partition of 64 MiB. */
function partitionTable(): Buffer {
  const sector = Buffer.alloc(512);
  const entry = 446;
  sector.writeUInt8(0x83, entry + 4);
  sector.writeUInt32LE(2048, entry + 8);
  sector.writeUInt32LE(131072, entry + 12);
  sector.writeUInt16LE(0xaa55, 510);
  return sector;
}
