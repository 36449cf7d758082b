import { rmSync } from "node:fs";
import { join } from "node:path";
import type { Environment } from "../components/environment/schema";
import { planServer } from "../components/servers/plan";
import { failMember, pullDrive, putDriveBack, type DriveFault } from "./faults";
import { HostAlerts, type BrokenArray } from "./host-alerts";
import { HostChecks } from "./host-checks";
import { declareBlankCommand, occupyDrives, sumsOf, type OccupiedDrive } from "./occupied";
import { changesOf, messagesOf, quiet, type EngineOutcome } from "./outcome";
import { pause } from "./process";
import { startRack, type Rack, type RackOptions } from "./rack";
import type { EmulatedServer } from "./server";
import { expectedTiers } from "./expectations";
import { Checks, must, type Verdict } from "./verdict";

export interface DriftFinding {
  server: string;
  step: string;
  id: string;
  message: string;
  mendable: boolean;
}

/** The product under rehearsal, as its commands do it. */
export interface HostEngine {
  /** `rackwright up`. `mend` names steps that differ on the host, to be applied again although their inputs did not change. */
  up(options: { mend: readonly string[] }): Promise<EngineOutcome>;
  /** `rackwright drift`: what every step's check finds. */
  drift(): Promise<readonly DriftFinding[]>;
  /** Takes everything out of the state. */
  destroy(): Promise<EngineOutcome>;
}

export interface HostRehearsalOptions extends Omit<RackOptions, "beforeBoot"> {
  /** Makes the engine for the rack's environment. */
  engine: (rack: Pick<Rack, "environment" | "privateKey">) => Promise<HostEngine>;
  /** Called when the rehearsal is over and before the rack goes away, for instance to leave it up for a person. */
  beforeClose?: (rack: Rack) => Promise<void>;
}

interface Machine {
  emulated: EmulatedServer;
  checks: HostChecks;
  /** Packages that `up` is to install. */
  packages: readonly { name: string; hold: boolean }[];
}

/** Emulates the rack of an environment and proves on the running machines that `up`, `drift` and `destroy` do what they say. */
export async function rehearseHosts(environment: Environment, options: HostRehearsalOptions): Promise<Verdict> {
  const started = Date.now();
  const say = (line: string): void => options.onProgress?.(line);
  const checks = new Checks(say, options.signal);
  const occupied: OccupiedDrive[] = [];
  const rack = await startRack(environment, {
    ...options,
    beforeBoot: async (server) => {
      const facts = environment.servers[server.name];
      if (facts !== undefined) occupied.push(...(await occupyDrives(server, expectedTiers(facts))));
    },
  });
  try {
    const engine = await options.engine(rack);
    const machines = rack.servers.map((emulated): Machine => {
      const server = rack.environment.servers[emulated.name];
      if (server === undefined) throw new Error(`the rack has no server ${emulated.name}`);
      const plan = planServer(rack.environment, emulated.name);
      return { emulated, checks: new HostChecks(rack.environment, server, emulated.ssh), packages: plan.packages };
    });
    const steps: { name: string; run: () => Promise<boolean> }[] = [
      ...(occupied.length === 0 ? [] : [{ name: "drives that hold data", run: () => refusesOccupiedDrives(checks, engine, machines, occupied) }]),
      { name: "up on blank servers", run: () => bringsUp(checks, engine, machines) },
      { name: "reboot", run: () => survivesReboot(checks, engine, machines) },
      { name: "drift and mending", run: () => findsAndMends(checks, engine, machines, rack.environment, options) },
      { name: "destroy", run: () => destroysNothing(checks, engine, machines) },
    ];
    let notMade: string[] = [];
    for (const [index, step] of steps.entries()) {
      // Each stands on the one before.
      if (await step.run()) continue;
      notMade = steps.slice(index + 1).map((later) => later.name);
      break;
    }
    await options.beforeClose?.(rack);
    return {
      environment: options.name,
      ok: checks.ok && notMade.length === 0,
      servers: rack.servers.map((server) => server.name),
      leftOut: rack.leftOut,
      checks: checks.list,
      notMade,
      standIns: rack.standIns,
      seconds: Math.round((Date.now() - started) / 1000),
    };
  } finally {
    await rack.close();
  }
}

async function refusesOccupiedDrives(checks: Checks, engine: HostEngine, machines: readonly Machine[], occupied: readonly OccupiedDrive[]): Promise<boolean> {
  const refused = await checks.make("up refuses drives that hold somebody's data", async () => {
    const outcome = await engine.up({ mend: [] });
    must(!outcome.ok, `up succeeded although ${occupied.map((drive) => `${drive.id} holds ${drive.holds}`).join(", ")}`);
    must(outcome.messages.some((message) => message.includes("refused")), `up failed, but not because a drive was refused:\n${messagesOf(outcome)}`);
    return "up failed and said why";
  });
  const named = await checks.make("drift names each of those drives", async () => {
    const findings = await engine.drift();
    for (const { id, server, tier } of occupied) {
      const found = findings.find((finding) => finding.server === server && finding.step.endsWith(`-${tier}`) && finding.message.includes(id));
      must(found !== undefined, `no finding names ${id} on ${server}`);
      must(!found.mendable, `${id} is said to be mendable by up`);
    }
    return occupied.map((drive) => `${drive.server} ${drive.id}`).join(", ");
  });
  const untouched = await checks.make("those drives and their blank neighbours are untouched, byte for byte", async () => {
    let files = 0;
    for (const { server, id, tier, before } of occupied) {
      const machine = machines.find((candidate) => candidate.emulated.name === server);
      must(machine !== undefined, `${server} is not there`);
      await machine.emulated.ssh.run("sync");
      const after = await sumsOf(machine.emulated, Object.keys(before));
      for (const [drive, sum] of Object.entries(before)) {
        must(after[drive] === sum, `${drive} of the ${tier} tier was written to${drive === id ? "" : ", although it is a neighbour of a refused drive"}`);
        files += 1;
      }
    }
    return `SHA-256 of ${files} drives unchanged; ${occupied.map((drive) => `${drive.tier}: ${drive.holds}`).join("; ")}`;
  });
  if (!(refused && named && untouched)) return false;
  for (const { server, id } of occupied) await machines.find((machine) => machine.emulated.name === server)?.emulated.ssh.run(declareBlankCommand(id));
  return true;
}

/** Everything that must hold on a running server, at any time after `up`. */
async function standsAsWanted(checks: Checks, machines: readonly Machine[], when: string): Promise<boolean> {
  let ok = true;
  for (const { emulated, checks: look, packages } of machines) {
    const make = async (name: string, see: () => Promise<string>): Promise<void> => {
      ok = (await checks.make(`${emulated.name}: ${name}${when}`, see)) && ok;
    };
    await look.settle();
    await make("arrays have the level and the members of the environment", () => look.arrays());
    await make("XFS geometry follows the arrays", () => look.geometry());
    await make("tiers are mounted by UUID", () => look.mounts());
    await make("packages are pinned and held", () => look.pins(packages));
    await make("the GPUs, services and CUDA paths are as wanted", () => look.gpuHost());
    if (look.isMonitored) await make("it measures its arrays, tiers and drives", () => look.measurements());
  }
  return ok;
}

async function noDrift(engine: HostEngine): Promise<string> {
  const findings = await engine.drift();
  must(findings.length === 0, findings.map((finding) => `${finding.step}: ${finding.message}`).join("\n"));
  return "no finding";
}

async function bringsUp(checks: Checks, engine: HostEngine, machines: readonly Machine[]): Promise<boolean> {
  const up = await checks.make("up makes blank servers into GPU hosts", async () => {
    const outcome = await engine.up({ mend: [] });
    must(outcome.ok, `up failed:\n${messagesOf(outcome)}`);
    return changesOf(outcome);
  });
  if (!up) return false;
  const stands = await standsAsWanted(checks, machines, "");
  const again = await checks.make("a second up changes nothing", async () => {
    const outcome = await engine.up({ mend: [] });
    must(outcome.ok, `the second up failed:\n${messagesOf(outcome)}`);
    const loud = Object.entries(outcome.changes).filter(([operation, count]) => !quiet.has(operation) && (count ?? 0) > 0);
    must(loud.length === 0, `the second up did ${changesOf(outcome)}`);
    return changesOf(outcome);
  });
  const drift = await checks.make("drift finds nothing", () => noDrift(engine));
  return stands && again && drift;
}

async function survivesReboot(checks: Checks, engine: HostEngine, machines: readonly Machine[]): Promise<boolean> {
  const rebooted = await checks.make("the servers come back from a reboot", async () => {
    for (const machine of machines) await machine.checks.writeData();
    const seconds = await Promise.all(machines.map((machine) => machine.emulated.reboot()));
    for (const machine of machines) await machine.emulated.ssh.try("systemctl is-system-running --wait");
    return `SSH answers after ${seconds.map((value) => value.toFixed(0)).join(" and ")} s`;
  });
  if (!rebooted) return false;
  const stands = await standsAsWanted(checks, machines, " after the reboot");
  const data = await checks.make("the data is there after the reboot", async () => (await Promise.all(machines.map((machine) => machine.checks.data()))).join(", "));
  const drift = await checks.make("drift finds nothing after the reboot", () => noDrift(engine));
  return stands && data && drift;
}

/** Breaks every array: md declares the first mirror's member faulty, then a member of each is taken out. */
async function breakArrays(machines: readonly Machine[]): Promise<{ faults: DriveFault[]; broken: BrokenArray[] }> {
  const faults: DriveFault[] = [];
  const broken: BrokenArray[] = [];
  for (const { emulated, checks: look } of machines) {
    const arrays = look.tiers.flatMap(({ tier, level, drives }) => (level === "single" ? [] : [{ tier, level, id: drives.at(-1) ?? "" }]));
    const mirror = arrays.find(({ level }) => level !== "raid0");
    const since = Date.now();
    if (mirror !== undefined) await failMember(emulated, mirror.id);
    for (const { tier, level, id } of arrays) {
      const at = mirror?.tier === tier ? since : Date.now();
      const fault = await pullDrive(emulated, id);
      faults.push(mirror?.tier === tier ? { ...fault, how: `declared faulty by mdadm --fail, then ${fault.how}` } : fault);
      broken.push({ server: emulated.name, tier, state: level === "raid0" ? "failed" : "degraded", since: at });
    }
  }
  return { faults, broken };
}

async function findsAndMends(checks: Checks, engine: HostEngine, machines: readonly Machine[], environment: Environment, { name, workDir, signal }: HostRehearsalOptions): Promise<boolean> {
  const folder = join(workDir, "rehearsal", `${name}-alerts-${process.pid}`);
  const alerts = environment.monitoring.enabled ? await HostAlerts.start(environment, machines.map(({ emulated }) => emulated), folder, signal) : undefined;
  try {
    return await breaksFindsAndMends(checks, engine, machines, alerts);
  } finally {
    await alerts?.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

async function breaksFindsAndMends(checks: Checks, engine: HostEngine, machines: readonly Machine[], alerts: HostAlerts | undefined): Promise<boolean> {
  let faults: DriveFault[] = [];
  let broken: BrokenArray[] = [];
  let seen: Promise<number[]> | undefined;
  const removed: { server: string; name: string }[] = [];
  let mend: string[] = [];
  const found = await checks.make("drift finds pulled array members and removed packages", async () => {
    ({ faults, broken } = await breakArrays(machines));
    seen = alerts?.seen(broken);
    for (const { emulated, packages } of machines) {
      // The last one on the list is needed by no other.
      const name = packages.find((entry) => entry.hold && entry.name === "nvidia-container-toolkit")?.name ?? packages.at(-1)?.name;
      if (name === undefined) continue;
      await emulated.ssh.run(`DEBIAN_FRONTEND=noninteractive apt-get remove -y -qq --allow-change-held-packages ${name}`);
      removed.push({ server: emulated.name, name });
    }
    await pause(2000);
    const findings = await engine.drift();
    const names = (server: string, text: string): boolean => findings.some((finding) => finding.server === server && finding.message.includes(text));
    for (const { server, id } of faults) must(names(server, id), `no finding names ${id}, which was pulled out of ${server}. Found: ${findings.map((finding) => finding.message).join(" | ")}`);
    for (const { server, name } of removed) must(names(server, name), `no finding names ${name}, which was removed from ${server}. Found: ${findings.map((finding) => finding.message).join(" | ")}`);
    return [...faults.map((fault) => `${fault.id} ${fault.how}`), ...removed.map((entry) => `${entry.name} removed`)].join("; ");
  });
  const told =
    alerts === undefined || seen === undefined || broken.length === 0
      ? true
      : await checks.make("each broken array reaches a webhook, by the server's own timer and the generated rules", async () => alerts.told(broken, (await seen) ?? []));
  const mended = await checks.make("with the drives back, up mends both", async () => {
    for (const fault of faults) await putDriveBack(machines.find((machine) => machine.emulated.name === fault.server)?.emulated, fault);
    mend = [...new Set((await engine.drift()).filter((finding) => finding.mendable).map((finding) => finding.step))];
    must(mend.length > 0, "drift finds nothing that up could mend");
    const outcome = await engine.up({ mend });
    must(outcome.ok, `up failed:\n${messagesOf(outcome)}`);
    return `applied again: ${mend.join(", ")}`;
  });
  if (!mended) return false;
  const stands = await standsAsWanted(checks, machines, " after mending");
  const data = await checks.make("the data is there after mending", async () => (await Promise.all(machines.map((machine) => machine.checks.data()))).join(", "));
  const drift = await checks.make("drift finds nothing after mending", () => noDrift(engine));
  return found && told && stands && data && drift;
}

async function destroysNothing(checks: Checks, engine: HostEngine, machines: readonly Machine[]): Promise<boolean> {
  const destroyed = await checks.make("destroy takes everything out of the state", async () => {
    const outcome = await engine.destroy();
    must(outcome.ok, `destroy failed:\n${messagesOf(outcome)}`);
    must((outcome.changes["delete"] ?? 0) > 0, `destroy deleted nothing: ${changesOf(outcome)}`);
    return changesOf(outcome);
  });
  const kept = await checks.make("destroy wiped no drive", async () => {
    const seen: string[] = [];
    for (const { emulated, checks: look } of machines) seen.push(`${emulated.name}: ${await look.data()}, ${await look.assembleByHand()}`);
    return seen.join("; ");
  });
  return destroyed && kept;
}
