import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseEnvironment } from "../components/environment";
import type { Environment } from "../components/environment/schema";
import { programs } from "./control-plane/programs";
import type { EmulatedDrive } from "./hardware";
import { copyScripts, runStep, tierSteps } from "./host-steps";
import { layOut, layoutFiles, mustSucceed, putModel, summaryOf } from "./layout";
import { ensurePackages } from "./packages";
import { RehearsalError } from "./process";
import { ensureSystemImage } from "./rootfs";
import { EmulatedServer } from "./server";
import { slowDrive, slowDrivePrograms, type SlowDrive } from "./slow-drive";
import { makeKeyPair } from "./ssh";
import { Checks, must, type Verdict } from "./verdict";

export interface ModelStoreRehearsalOptions {
  /** The project's `.rackwright` folder: cache and working files. */
  workDir: string;
  /** Drives of the RAID 0 hot tiers that are measured, one emulated server for each. @default [2, 4] */
  drives?: readonly number[];
  onProgress?: (line: string) => void;
  signal?: AbortSignal;
}

/** Reading one model from one tier. */
export interface LoadMeasurement {
  /** Drives that the tier is striped over. */
  drives: number;
  streams: number;
  mebibytesPerSecond: number;
}

export interface ModelStoreVerdict extends Verdict {
  measurements: readonly LoadMeasurement[];
}

/** What each slow drive reads: so little that a busy machine's emulator keeps up with several. */
const driveMiBps = 4;
const shards = 16;
const shardMiB = 8;
/** Size of one read. A parallel loader's spans all drives of an array of four; one stream's does not. */
const pieceMiB = { sequential: 1, parallel: 2 };
/** XFS wants 560 MiB where it is told of stripes. */
const tierMiB = 768;
const modelMiB = shards * shardMiB;
/** Of what N drives read, a load through them must reach this share. */
const wantedShare = 0.9;
const serverName = "gpu-01";
const store = "/srv/cold/models";
const baseline = "/srv/warm/models";

const driveId = (tier: string, index: number): string => `nvme-EMULATED_${tier.toUpperCase()}${String(index).padStart(4, "0")}`;

/** A server with a hot tier of N drives, a warm one of one like them to compare with, and weights on a cold one. */
function environmentFor(drives: number, hostKey: string): Environment {
  const hot = Array.from({ length: drives }, (_, index) => driveId("hot", index));
  const cold = "ata-EMULATED_COLD0000";
  const nvme = Object.fromEntries([...hot, driveId("warm", 0)].map((id) => [id, { kind: "nvme" as const, capacityGB: 1000 }]));
  const result = parseEnvironment({
    site: { name: "model-store" },
    servers: {
      [serverName]: {
        address: "127.0.0.1", hostKey, cpu: { model: "epyc-7543" }, memoryGiB: 64, pcieGeneration: 4,
        drives: { ...nvme, [cold]: { kind: "hdd", capacityGB: 4000 } },
        tiers: { hot: { level: "raid0", drives: hot }, warm: { level: "single", drives: [driveId("warm", 0)] }, cold: { level: "single", drives: [cold] } },
      },
    },
    cluster: { distribution: "existing" },
    services: { assistant: { model: "qwen2.5-7b" } },
  });
  if (!result.ok) throw new Error(JSON.stringify(result.problems));
  return result.environment;
}

/** The hot tier's drives and the one they are compared with read at the same speed; the tier that weights come from is not slowed down. */
function shape(drives: number, folder: string): (drive: EmulatedDrive) => EmulatedDrive {
  return (drive) => (drive.kind === "hdd" ? { ...drive, sizeMiB: tierMiB } : { ...drive, sizeMiB: drive.id.includes("HOT") ? Math.ceil(tierMiB / drives / 16) * 16 : tierMiB, nbdSocket: join(folder, `${drive.device}.sock`) });
}

class Machine {
  constructor(
    readonly emulated: EmulatedServer,
    readonly drives: number,
  ) {}

  /** Runs the tier's step as `up` does: the copied script, with the plan's own flags. */
  async makeTiers(environment: Environment): Promise<string> {
    await copyScripts(this.emulated.ssh);
    for (const step of tierSteps(environment, serverName)) {
      const { code, stderr } = await runStep(this.emulated.ssh, step, "apply");
      must(code === 0, `${step.name} ended with exit code ${code}: ${stderr.trim()}`);
    }
    return this.emulated.ssh.run("lsblk --noheadings --raw --output NAME,TYPE,MOUNTPOINT | awk '$3 ~ /^.srv/ { printf \"%s %s %s; \", $1, $2, $3 }'");
  }

  /** Reads all shards with empty caches and past them. Returns what was read in a second. */
  async load(folder: string, drives: number, streams: number): Promise<LoadMeasurement> {
    const nanoseconds = await this.emulated.ssh.run(
      `sync; echo 3 >/proc/sys/vm/drop_caches; start=$(date +%s%N); ls ${folder}/*.safetensors | xargs -P ${streams} -I F dd if=F of=/dev/null bs=${streams === 1 ? pieceMiB.sequential : pieceMiB.parallel}M iflag=direct status=none && echo $(($(date +%s%N) - start))`,
    );
    return { drives, streams, mebibytesPerSecond: modelMiB / (Number(nanoseconds) / 1e9) };
  }
}

const speed = ({ mebibytesPerSecond }: LoadMeasurement): string => `${mebibytesPerSecond.toFixed(1)} MiB/s`;

const shardName = (index: number): string => `model-${String(index + 1).padStart(5, "0")}-of-${String(shards).padStart(5, "0")}.safetensors`;

async function measures(checks: Checks, machine: Machine): Promise<LoadMeasurement[]> {
  const { drives } = machine;
  const measured: LoadMeasurement[] = [];
  await checks.make(`RAID 0 of ${drives} drives loads a model at ${wantedShare} x ${drives} of one drive or more`, async () => {
    const load = async (folder: string, count: number, streams: number): Promise<LoadMeasurement> => {
      const result = await machine.load(folder, count, streams);
      measured.push(result);
      return result;
    };
    const oneSequential = await load(`${baseline}/synthetic`, 1, 1);
    const oneParallel = await load(`${baseline}/synthetic`, 1, shards);
    const arraySequential = await load("/srv/hot/models/synthetic", drives, 1);
    const arrayParallel = await load("/srv/hot/models/synthetic", drives, shards);
    const best = Math.max(oneSequential.mebibytesPerSecond, oneParallel.mebibytesPerSecond);
    const times = arrayParallel.mebibytesPerSecond / best;
    const text = `one drive ${speed(oneSequential)} in one stream, ${speed(oneParallel)} in ${shards}; the array ${speed(arraySequential)} in one stream, ${speed(arrayParallel)} in ${shards}: ${times.toFixed(2)} times`;
    must(times >= wantedShare * drives, `${text}; wanted are at least ${(wantedShare * drives).toFixed(1)} times`);
    return text;
  });
  return measured;
}

async function rehearseServer(checks: Checks, machine: Machine, environment: Environment): Promise<LoadMeasurement[]> {
  const { emulated, drives } = machine;
  const named = (what: string): string => `${drives} drives: ${what}`;
  const hot = "/srv/hot/models";
  let pin = "";
  const ready = await checks.make(named("storage-tier.sh makes the tiers and the folders of the models"), () => machine.makeTiers(environment));
  const laidOut = ready && (await checks.make(named("the layout copies and verifies a model"), async () => {
    pin = await putModel(emulated.ssh, `${store}/synthetic`, shards, shardMiB);
    await emulated.ssh.run(`install -d -o 10001 -g 10001 ${baseline}`);
    mustSucceed(await layOut(emulated.ssh, store, `--target ${baseline} --model synthetic`));
    const { bytesCopied = 0, seconds = 0 } = mustSucceed(await layOut(emulated.ssh, store, `--target ${hot} --model synthetic`));
    return `${(bytesCopied / 2 ** 20).toFixed(0)} MiB in ${seconds} s onto ${hot}, checksums computed in software emulation`;
  }));
  if (!laidOut) return [];
  const measured = await measures(checks, machine);

  await checks.make(named("a corrupted shard is found, named and fetched again"), async () => {
    const shard = shardName(6);
    const file = `${hot}/synthetic/${shard}`;
    // As a drive does it: other bytes under the same size and time.
    await emulated.ssh.run(`touch -r ${file} /tmp/times && printf rotten | dd of=${file} bs=1 seek=1000000 conv=notrunc status=none && touch -r /tmp/times ${file} && sync && echo 3 >/proc/sys/vm/drop_caches`);
    const finished = await layOut(emulated.ssh, store, `--target ${hot} --model synthetic --verify full`);
    const { bytesCopied } = mustSucceed(finished);
    const event = finished.stdout.split("\n").find((line) => line.includes('"bad-file"')) ?? "";
    must(event.includes(shard) && /"expected":"[0-9a-f]{64}","actual":"[0-9a-f]{64}"/.test(event), `no event names ${shard} and both sums: ${finished.stdout}`);
    must(bytesCopied === shardMiB * 2 ** 20, `${bytesCopied ?? "nothing"} bytes were copied, wanted is the one shard`);
    await emulated.ssh.run(`cd ${hot}/synthetic && sha256sum --quiet --check manifest.sha256`);
    return `${shard}; ${shardMiB} MiB fetched again`;
  });

  await checks.make(named("a full hot tier is an error before the copy starts"), async () => {
    // Sparse, and its checksum is never looked at: nothing of it may be copied.
    await emulated.ssh.run(`mkdir ${store}/large && truncate -s ${tierMiB}M ${store}/large/model.safetensors && printf '%064d  model.safetensors\\n' 0 >${store}/large/manifest.sha256`);
    const before = await emulated.ssh.run(`df --output=avail -k ${hot} | tail -n 1`);
    const finished = await layOut(emulated.ssh, store, `--target ${hot} --model synthetic --model large`);
    must(finished.code === 3, `the layout ended with exit code ${finished.code} instead of 3: ${finished.stderr}`);
    const after = await emulated.ssh.run(`df --output=avail -k ${hot} | tail -n 1; find ${hot} -name .partial`);
    must(after.trim() === before.trim(), "something was copied");
    return summaryOf(finished).message ?? "";
  });

  await checks.make(named("with the store gone, a complete folder is verified and served on"), async () => {
    await emulated.ssh.run("umount /srv/cold");
    const { filesKept = 0, bytesCopied, seconds = 0 } = mustSucceed(await layOut(emulated.ssh, store, `--target ${hot} --model synthetic=${pin}`));
    must(bytesCopied === 0, "something was copied");
    return `${filesKept} files kept, ${seconds} s`;
  });
  return measured;
}

/**
 * Measures on emulated servers what the model store promises: tiers made by the product's own script, a model laid out by
 * the product's own layout, then loaded from one drive and from RAID 0, in one stream and in many.
 * @throws RehearsalError (unreachable) where packages or Go modules cannot be had.
 */
export async function rehearseModelStore(options: ModelStoreRehearsalOptions): Promise<ModelStoreVerdict> {
  const started = Date.now();
  const say = options.onProgress ?? ((): void => undefined);
  const { signal, drives: counts = [2, 4] } = options;
  for (const count of counts) if (!Number.isInteger(count) || count < 2 || count > 8) throw new RehearsalError(`A hot tier of ${count} drives cannot be rehearsed: allowed are 2 to 8.`);
  const checks = new Checks(say, signal);
  const measurements: LoadMeasurement[] = [];
  await ensurePackages(say, slowDrivePrograms);
  const { rclone } = await programs(["rclone"], { onProgress: say, signal });
  const image = await ensureSystemImage(join(options.workDir, "cache", "rehearsal"), say, signal);
  const folder = join(options.workDir, "rehearsal", `model-store-${process.pid}`);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  // Paths of sockets have room for 108 characters.
  const sockets = mkdtempSync(join(tmpdir(), "rackwright-drives-"));
  try {
    const key = await makeKeyPair(folder, "login_key", (file) => readFileSync(file, "utf8"));
    for (const count of counts) {
      const blank = environmentFor(count, key.publicKey);
      const server = blank.servers[serverName];
      if (server === undefined) throw new Error("the environment has no server");
      const slow: SlowDrive[] = [];
      const emulated = await EmulatedServer.create({
        name: serverName, server, user: "root", folder: join(folder, String(count)), image, key, signal, shapeDrive: shape(count, sockets),
        files: layoutFiles(rclone),
      });
      try {
        for (const { id, nbdSocket } of emulated.drives) if (nbdSocket !== undefined) slow.push(await slowDrive(emulated.backingFile(id), nbdSocket, driveMiBps));
        say(`Booting a server with ${count} NVMe drives of ${driveMiBps} MiB/s`);
        say(`It answers after ${(await emulated.start()).toFixed(0)} s`);
        measurements.push(...(await rehearseServer(checks, new Machine(emulated, count), environmentFor(count, emulated.hostKey))));
      } finally {
        await emulated.kill();
        for (const drive of slow) await drive.stop();
      }
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
    rmSync(sockets, { recursive: true, force: true });
  }
  return {
    environment: "model-store",
    ok: checks.ok,
    servers: counts.map((count) => `${serverName} with ${count} drives`),
    leftOut: [],
    checks: checks.list,
    notMade: [],
    standIns: [
      { what: `emulated NVMe drives that answer one read after the other, 64 KiB in ${64 / 1024 / driveMiBps * 1000} ms (${driveMiBps} MiB/s); 2 cores in software emulation`, standsInFor: "NVMe drives; what is shown is the ratio, not a speed" },
      { what: `${shards} parallel dd with direct reads of ${pieceMiB.parallel} MiB`, standsInFor: "the Run:ai streamer and fastsafetensors, which read as much at a time in as many streams" },
      { what: `${modelMiB} MiB of random shards`, standsInFor: "weights" },
      { what: "rclone of the pinned release, built with the parts in use, as user 10001 on the server", standsInFor: "the layout's pod" },
    ],
    seconds: Math.round((Date.now() - started) / 1000),
    measurements,
  };
}
