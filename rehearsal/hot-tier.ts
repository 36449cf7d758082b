import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Environment, TierName } from "../components/environment/schema";
import { Part } from "./control-plane/part";
import { programs } from "./control-plane/programs";
import { putNewDrive } from "./faults";
import { HostChecks } from "./host-checks";
import { copyScripts, runStep, tierSteps } from "./host-steps";
import { handsOn, lostHotTier, rebuildsOf, roomier, withOwnStore, withoutDrive, type LostHotTier, type Rebuild } from "./hot-tier-plan";
import { asWorkload, layOut, layoutFiles, mustSucceed, putModel } from "./layout";
import { Namespaces } from "./monitoring/namespaces";
import { sumsOf } from "./occupied";
import { ensurePrograms } from "./packages";
import { pause, RehearsalError, type Finished } from "./process";
import { startRack, type Rack, type RackOptions } from "./rack";
import type { EngineLine } from "./recovery/engine";
import { measure, type Measurement } from "./recovery/measure";
import type { RelayTask } from "./recovery/relay";
import { program, Stand, standPrograms } from "./recovery/stand";
import type { EmulatedServer } from "./server";
import { emulationStandIns, type StandIn } from "./standins";
import { Checks, must, type Verdict } from "./verdict";

export type HotTierRehearsalOptions = Omit<RackOptions, "beforeBoot" | "limit" | "servers" | "guest">;

/** Port of the emulated server at which its engine answers. */
const enginePort = 8000;
const engineUnit = "weights-engine.service";
const engineFile = "/usr/local/lib/weights-engine.py";
/** A step's exit code where it protects data. */
const refusedCode = 3;
const engineLog = "/var/log/weights-engine.jsonl";
const shards = 4;
const shardMiB = 4;
/** Guide 5.2 asks for 30 s between two good answers; rehearsals hold the standby to this. */
const outageLimitSeconds = 10;
/** An emulated server answers a few requests a second, and has its drives to read as well. */
const requestMilliseconds = 200;
const engineStartSeconds = 120;
const recoverWithinSeconds = 20;
const watchedMilliseconds = 4000;
const lookMilliseconds = 100;

/**
 * Pulls an NVMe drive out of a running server's RAID 0 while clients send requests: the engine that reads its weights there
 * fails, the standby answers, the tier's own step makes the array again, the weights come back verified, and the engine takes up work again.
 * Once with a new drive in the place of the lost one, and once on those that remain where these are enough.
 * @throws RehearsalError where the environment has no such service, or it cannot run here
 */
export async function rehearseHotTierLost(environment: Environment, options: HotTierRehearsalOptions): Promise<Verdict> {
  const started = Date.now();
  const { name, signal } = options;
  const say = (line: string): void => options.onProgress?.(line);
  const lost = lostHotTier(environment, name);
  await Namespaces.check("--hot-tier-lost");
  await ensurePrograms("A rehearsal of a lost hot tier", standPrograms, say);
  const { rclone } = await programs(["rclone"], { onProgress: say, signal });
  const checks = new Checks(say, signal);
  // Paths of sockets have room for 108 characters.
  const folder = mkdtempSync(join(tmpdir(), "rackwright-hot-tier-"));
  const clean = (): void => rmSync(folder, { recursive: true, force: true });
  const files = [...layoutFiles(rclone), { path: engineFile, text: readFileSync(join(__dirname, "recovery", "weights-engine.py")) }, { path: `/etc/systemd/system/${engineUnit}`, text: unitOf(lost) }];
  const rack = await startRack(withOwnStore(environment), { ...options, servers: [lost.active.server], guest: { files, offers: enginePort, shapeDrive: roomier(lost) } }).catch((error: unknown) => {
    clean();
    throw error;
  });
  const run = new HotTierRun(rack, lost, withOwnStore(environment), folder, checks, signal);
  try {
    await run.all();
    return {
      environment: name, ok: checks.ok && run.notMade.length === 0, servers: [lost.active.server], leftOut: Object.keys(environment.servers).filter((other) => other !== lost.active.server),
      checks: checks.list, notMade: run.notMade, standIns: [...emulationStandIns(environment), ...standInsOf(lost)], notes: run.notes,
      seconds: Math.round((Date.now() - started) / 1000),
    };
  } finally {
    await run.close();
    await rack.close();
    clean();
  }
}

function unitOf({ mount, models, active, tier }: LostHotTier): string {
  const folder = `${mount}/models/${models[0] ?? ""}`;
  return `[Unit]
Description=Stand-in for the engine of ${active.name}
[Service]
ExecStart=/usr/bin/${asWorkload} /usr/bin/python3 ${engineFile} --folder ${folder} --name ${active.name} --port ${enginePort} --step-bytes ${tier.chunkKiB * 1024}
StandardOutput=append:${engineLog}
StandardError=journal
`;
}

function standInsOf({ storeTier, otherSource, active, balancer }: LostHotTier): StandIn[] {
  return [
    { what: `a program on the emulated server that verifies its ${shards * shardMiB} MiB of random weights when it starts and reads from every drive of the tier for each answer`, standsInFor: `the engine of ${active.name}; one that has all of its weights in GPU memory may answer until it is started again, which this one never does` },
    { what: "network namespaces of this machine, joined by a bridge, and a relay to the emulated server", standsInFor: `the other servers (${balancer.balancers.map(({ server }) => server).join(", ")} with the real HAProxy and the real keepalived, and the standby) and their switch` },
    { what: "a program that answers its health check and each request at once", standsInFor: "the standby's engine" },
    { what: "the steps of the server's tiers, run over SSH by the command lines that the plan has for them", standsInFor: "`up` and `drift`, which run the same: `rehearse --hosts` shows them" },
    { what: "the layout's script on the server, as the workloads' user", standsInFor: "the job that runs it in the cluster" },
    ...(otherSource === undefined ? [] : [{ what: `a folder on the server's own ${storeTier} tier`, standsInFor: `${otherSource}, from which the environment fetches weights` }]),
  ];
}

/** One loss: when it was, and how the tier came back. */
interface Loss {
  drive: string;
  /** When the drive was told to go, and when it was gone. */
  from: number;
  at: number;
  handMessage: string;
}

class HotTierRun {
  notMade: string[] = [];
  readonly notes: string[] = [];
  private readonly emulated: EmulatedServer;
  private stand: Stand | undefined;
  private relay: Part | undefined;
  private onTier = "";
  private loss: Loss = { drive: "", from: 0, at: 0, handMessage: "" };

  constructor(
    rack: Rack,
    private readonly lost: LostHotTier,
    private current: Environment,
    private readonly folder: string,
    private readonly checks: Checks,
    private readonly signal: AbortSignal | undefined,
  ) {
    const [server] = rack.servers;
    if (server === undefined) throw new Error("the rack has no server");
    this.emulated = server;
  }

  private get server(): string {
    return this.lost.active.server;
  }

  private get drives(): readonly string[] {
    return this.current.servers[this.server]?.tiers.hot?.drives ?? [];
  }

  private get standing(): Stand {
    if (this.stand === undefined) throw new Error("the balancers do not run");
    return this.stand;
  }

  /** Makes all checks, each on what the one before has left. */
  async all(): Promise<void> {
    const { storeTier } = this.lost;
    const steps: [string, () => Promise<string>][] = [
      [`the tiers are made, and weights come from the ${storeTier} tier onto the hot one`, () => this.bringUp()],
      ["clients are answered by the replica that reads its weights there", () => this.serve()],
      ...rebuildsOf(this.lost).flatMap((rebuild) => this.round(rebuild)),
    ];
    for (const [index, [what, look]] of steps.entries()) {
      if (await this.checks.make(what, look)) continue;
      this.notMade = steps.slice(index + 1).map(([later]) => later);
      break;
    }
  }

  private round(rebuild: Rebuild): [string, () => Promise<string>][] {
    const how = named(rebuild);
    return [
      [`${how}: a drive is pulled, the health check fails, and the standby answers within ${outageLimitSeconds} s`, () => this.lose()],
      [`${how}: the check names the lost drive and what is to be done by hand`, () => this.isNamed()],
      [`${how}: apply refuses, and what is left of the array is untouched, byte for byte`, () => this.refuses(rebuild)],
      [`${how}: once what is left is declared blank by hand, apply makes the array`, () => this.rebuild(rebuild)],
      [`${how}: every file that was on the hot tier comes back from the ${this.lost.storeTier} tier, verified`, () => this.fill(rebuild)],
      [`${how}: the replica takes up work again, and no request is lost by that`, () => this.goBack(rebuild)],
    ];
  }

  private async bringUp(): Promise<string> {
    const { store, storeTier, models } = this.lost;
    await copyScripts(this.emulated.ssh);
    for (const tier of [storeTier, "hot"] as const) mustApply(await this.step(tier, "apply"));
    for (const model of models) await putModel(this.emulated.ssh, `${store}/${model}`, shards, shardMiB);
    const { bytesCopied = 0 } = await this.layOutAll();
    this.onTier = await this.contents();
    return `${await this.look().arrays()}; ${models.join(", ")}: ${this.onTier.trim().split("\n").length} files, ${(bytesCopied / 2 ** 20).toFixed(0)} MiB`;
  }

  private step(tier: TierName, verb: "check" | "apply"): Promise<Finished> {
    const step = tierSteps(this.current, this.server).find(({ name }) => name === `${this.server}-${tier}`);
    if (step === undefined) throw new Error(`${this.server} has no step for its ${tier} tier`);
    return runStep(this.emulated.ssh, step, verb);
  }

  private look(): HostChecks {
    const facts = this.current.servers[this.server];
    const { hot } = facts?.tiers ?? {};
    if (facts === undefined || hot === undefined) throw new Error(`the environment has no hot tier on ${this.server}`);
    return new HostChecks(this.current, { ...facts, tiers: { hot } }, this.emulated.ssh);
  }

  private async layOutAll() {
    const { store, mount, models } = this.lost;
    return mustSucceed(await layOut(this.emulated.ssh, store, `--target ${mount}/models ${models.map((model) => `--model ${model}`).join(" ")} --verify full`));
  }

  /** Every file on the hot tier with its checksum, but for what the layout remembers of its own work. */
  private contents(): Promise<string> {
    return this.emulated.ssh.run(`sync; echo 3 >/proc/sys/vm/drop_caches; cd ${this.lost.mount} && find . -type f ! -name .complete ! -name .layout.lock -exec sha256sum {} + | LC_ALL=C sort -k 2`);
  }

  private async startEngine(): Promise<number> {
    const started = Date.now();
    await this.emulated.ssh.run(`systemctl start ${engineUnit}`);
    for (;;) {
      if ((await this.health()) === "200") return (Date.now() - started) / 1000;
      const { stdout } = await this.emulated.ssh.try(`systemctl is-active ${engineUnit}`);
      must(stdout.trim() === "active", `the engine ended: ${(await this.emulated.ssh.try(`journalctl --unit ${engineUnit} --lines 5 --output cat`)).stdout}`);
      must(Date.now() - started < engineStartSeconds * 1000, "the engine does not answer its health check");
      await pause(200, this.signal);
    }
  }

  private async health(): Promise<string> {
    const { stdout } = await this.emulated.ssh.try(`curl --silent --max-time 5 --output /dev/null --write-out '%{http_code}' http://127.0.0.1:${enginePort}${this.lost.service.healthPath}`);
    return stdout.trim();
  }

  private async serve(): Promise<string> {
    await this.startEngine();
    const socket = join(this.folder, "engine.sock");
    const task = join(this.folder, "relay.json");
    writeFileSync(task, JSON.stringify({ listen: { path: socket }, connect: { host: "127.0.0.1", port: this.emulated.servicePort } } satisfies RelayTask));
    const [node = "", ...words] = program("relay.ts", task);
    this.relay = new Part("relay", node, words, this.folder);
    this.stand = await Stand.start(this.lost.balancer, this.lost.service, this.signal, { engines: new Map([[this.server, socket]]), everyMilliseconds: requestMilliseconds });
    const from = Date.now();
    await pause(watchedMilliseconds, this.signal);
    const seen = await this.measured({ drive: "", from, at: from, handMessage: "" }, Infinity, Date.now() - 1000);
    must(seen.engines.length === 1 && seen.engines[0] === this.lost.active.name && Object.keys(seen.failed).length === 0, `${seen.engines.join(", ")} answered, ${JSON.stringify(seen.failed)} failed`);
    return `${seen.good} of ${seen.requests} requests in ${(watchedMilliseconds / 1000).toFixed(0)} s were answered by ${this.lost.active.name}`;
  }

  /** What clients saw since a loss. */
  private async measured({ from, at }: Loss, repairedAt: number, until: number): Promise<Measurement> {
    const text = await this.emulated.ssh.run(`cat ${engineLog}`);
    const lines = text.split("\n").filter((line) => line !== "").map((line) => JSON.parse(line) as EngineLine);
    return measure(this.standing.answers.read(), [...this.standing.engineLines(), ...lines], { faultsAt: [at], repairedAt, from, until });
  }

  private async quiet(): Promise<void> {
    const began = Date.now();
    while (!this.standing.isOver(began)) {
      must(Date.now() - began < recoverWithinSeconds * 1000, `after ${recoverWithinSeconds} s requests still fail: ${JSON.stringify(this.standing.answers.read().slice(-3))}`);
      await pause(lookMilliseconds, this.signal);
    }
  }

  private async lose(): Promise<string> {
    const drive = this.drives.at(-1) ?? "";
    const from = Date.now();
    await this.emulated.pullDrive(drive);
    this.loss = { drive, from: from - 1000, at: Date.now(), handMessage: "" };
    await this.quiet();
    const health = await this.health();
    must(health === "503", `the engine's health check answers ${health} although its weights cannot be read`);
    const seen = await this.measured(this.loss, Infinity, Date.now() - 1000);
    this.mustHold(seen);
    return `${drive}; ${told(seen)}; the health check answers ${health}`;
  }

  private mustHold(seen: Measurement): void {
    const standbys = this.lost.service.targets.filter(({ role }) => role === "standby").map(({ name }) => name);
    must(seen.engines.some((engine) => standbys.includes(engine)), `the standby gave no good answer: ${told(seen)}`);
    must(seen.outageSeconds < outageLimitSeconds, `no good answer for ${seen.outageSeconds} s, allowed are less than ${outageLimitSeconds} s`);
    must(seen.silent === 0, `${seen.silent} requests ended in neither an answer nor an error`);
    must(seen.twice.length === 0, `requests ${seen.twice.slice(0, 5).join(", ")} were given to engines twice`);
  }

  private async isNamed(): Promise<string> {
    const { code, stdout, stderr } = await this.step("hot", "check");
    must(code === 1, `the check ended with exit code ${code}: ${stderr.trim()}`);
    const { findings } = JSON.parse(stdout) as { findings: { id: string; message: string; mendable: boolean }[] };
    const found = findings.find(({ id, message }) => id === "array-lost" && message.includes(this.loss.drive));
    must(found !== undefined && !found.mendable, `no finding says that RAID 0 has lost ${this.loss.drive}: ${findings.map(({ message }) => message).join(" | ")}`);
    must(handsOn(found.message) !== undefined, `it does not say what is to be done by hand: ${found.message}`);
    this.loss.handMessage = found.message;
    return found.message;
  }

  /** The environment gets what is in the server now, and is applied before anybody has looked at the other drives. */
  private async refuses(rebuild: Rebuild): Promise<string> {
    const replacement = rebuild === "replaced" ? await putNewDrive(this.emulated, this.loss.drive) : undefined;
    this.current = withoutDrive(this.current, this.server, this.loss.drive, replacement);
    const sums = async (): Promise<Record<string, string>> => {
      await this.emulated.ssh.run("sync");
      return sumsOf(this.emulated, this.drives);
    };
    const before = await sums();
    const { code, stderr } = await this.step("hot", "apply");
    must(code === refusedCode && stderr.includes("refused"), `apply ended with exit code ${code}: ${stderr.trim().slice(-1200)}`);
    const after = await sums();
    for (const id of this.drives) must(before[id] === after[id], `${id} was written to`);
    return `SHA-256 of ${this.drives.length} drives unchanged${replacement === undefined ? "" : `, the new ${replacement} among them`}`;
  }

  private async rebuild(rebuild: Rebuild): Promise<string> {
    const hands = handsOn(this.loss.handMessage);
    if (hands === undefined) throw new RehearsalError("The check has not said what is to be done by hand.");
    const began = Date.now();
    await this.emulated.ssh.run([`systemctl stop ${engineUnit}`, ...hands.commands, ...hands.drives.map((id) => `blkdiscard --force /dev/disk/by-id/${id}`), "udevadm settle"].join(" && "));
    const started = Date.now();
    mustApply(await this.step("hot", "apply"));
    const seconds = (Date.now() - started) / 1000;
    const empty = await this.contents();
    must(empty === "", `there are files on a tier that was just made: ${empty}`);
    this.notes.push(`${named(rebuild)}: ${((started - began) / 1000).toFixed(1)} s by hand, ${seconds.toFixed(1)} s for the array of ${this.drives.length} drives`);
    return `${await this.look().arrays()}; ${await this.look().geometry()}; by hand: ${hands.commands.join(", ")}, blkdiscard of ${hands.drives.length} drives`;
  }

  private async fill(rebuild: Rebuild): Promise<string> {
    const { store, mount, models } = this.lost;
    const { bytesCopied = 0, filesCopied = 0, seconds = 0 } = await this.layOutAll();
    const now = await this.contents();
    must(now === this.onTier, `there were\n${this.onTier}and there are\n${now}`);
    for (const model of models) await this.emulated.ssh.run(`cd ${mount}/models/${model} && sha256sum --quiet --check ${store}/${model}/manifest.sha256`);
    this.notes.push(`${named(rebuild)}: ${seconds} s for ${(bytesCopied / 2 ** 20).toFixed(0)} MiB of weights`);
    return `${filesCopied} files from ${store}; all ${now.trim().split("\n").length} that were on the hot tier, by their checksums`;
  }

  private async goBack(rebuild: Rebuild): Promise<string> {
    const repairedAt = Date.now();
    const loading = await this.startEngine();
    const { name } = this.lost.active;
    const answered = (): number | undefined => this.standing.answers.read().find(({ started, engine }) => started >= repairedAt && engine === name)?.ended;
    while (answered() === undefined) {
      must(Date.now() - repairedAt < (recoverWithinSeconds + loading) * 1000, `${name} gives no good answer`);
      await pause(lookMilliseconds, this.signal);
    }
    await pause(watchedMilliseconds, this.signal);
    await this.quiet();
    const seen = await this.measured(this.loss, repairedAt, Date.now() - 1000);
    this.mustHold(seen);
    const late = this.standing.answers.read().flatMap(({ ended, error, engine }) => (ended > repairedAt && engine === undefined ? [`${error ?? ""} after ${((ended - repairedAt) / 1000).toFixed(1)} s`] : []));
    must(seen.failedAfterRepair === 0, `${seen.failedAfterRepair} requests failed after the engine was started again: ${late.slice(0, 12).join(", ")}; the address was held by ${[...new Set(this.standing.watch.samples.filter(({ at }) => at > repairedAt).flatMap(({ holders }) => holders))].join(", ")}`);
    const back = ((answered() ?? repairedAt) - this.loss.at) / 1000;
    this.notes.push(`${named(rebuild)}: ${loading.toFixed(1)} s until the engine had its weights; ${back.toFixed(0)} s from the pulled drive until the replica answered again; ${told(seen)}`);
    return `of ${seen.requests} requests since the drive was pulled, ${seen.good} were answered; 0 failed after the engine was started again, none was answered twice`;
  }

  async close(): Promise<void> {
    await this.stand?.stop();
    await this.relay?.kill();
  }
}

const named = (rebuild: Rebuild): string => (rebuild === "replaced" ? "a new drive" : "what remains");

function mustApply({ code, stderr }: Finished): void {
  must(code === 0, `apply ended with exit code ${code}: ${stderr.trim().slice(-1200)}`);
}

/** What clients saw, in a line. */
function told({ outageSeconds, lastErrorSeconds, failed }: Measurement): string {
  const errors = Object.values(failed).reduce((sum, count) => sum + count, 0);
  return `no good answer for ${outageSeconds.toFixed(1)} s, last error after ${lastErrorSeconds.toFixed(1)} s, ${errors} requests failed`;
}
