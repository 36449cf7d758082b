import type { BalancedService } from "../../components/recovery/standby/plan";
import { pause, RehearsalError } from "../process";
import type { ClusterSide } from "./cluster-side";
import { measure, measureAddress, type AddressMeasurement, type Measurement, type Window } from "./measure";
import type { Expectation, Fault, Scenario } from "./scenarios";
import type { Stand } from "./stand";

/** What the cluster did of a crash. */
export interface ClusterMeasurement {
  /** From the fault until no ready endpoint of the Service is on the server any more. */
  endpointGoneSeconds: number;
  /** From the fault until one is on another server: the standby's, which is loaded. */
  replacementReadySeconds: number;
}

/** One run of one scenario. */
export interface FaultRun {
  scenario: string;
  /** Counted from 1. */
  run: number;
  ok: boolean;
  /** Empty where it is ok. */
  problems: string[];
  limitSeconds: number;
  clients: Measurement;
  address: AddressMeasurement;
  cluster?: ClusterMeasurement;
}

/** A balancer or an engine that would take longer than this is not waited for. */
const recoverWithinSeconds = 20;
/** How long the repaired site is watched: what flaps back does it by then. */
const afterRepairMilliseconds = 4000;
const beforeMilliseconds = 1000;
const lookMilliseconds = 100;

/** Breaks what a scenario says, measures what clients see, and repairs it. The site is as before when it returns. */
export async function runScenario(stand: Stand, scenario: Scenario, run: number, cluster: ClusterSide | undefined, signal?: AbortSignal): Promise<FaultRun> {
  await stand.settle(signal);
  const faultsAt: number[] = [];
  const began = Date.now();
  const watched = scenario.clusterLimitSeconds === undefined || cluster === undefined ? undefined : cluster;
  const done: { fault: Fault; server: string }[] = [];
  let holderLost = false;
  let gone: Promise<ClusterMeasurement> | undefined;
  for (const fault of scenario.faults) {
    await pause(fault.afterSeconds * 1000, signal);
    const server = serverOf(stand, fault);
    faultsAt.push(Date.now());
    holderLost ||= server === stand.holder && takesHolderOff(fault);
    if (fault.fault === "crash") await cluster?.crash(server);
    await inject(stand, fault, server);
    if (watched !== undefined && gone === undefined) gone = watched.endpointLeaves(server, began, signal);
    done.push({ fault, server });
  }
  const lastFaultAt = Date.now();
  await pause(lookMilliseconds, signal);
  const over = Date.now() + recoverWithinSeconds * 1000;
  while (Date.now() < over && !stand.isOver(lastFaultAt)) await pause(lookMilliseconds, signal);
  const recovered = await gone;
  const repairedAt = Date.now();
  for (const { fault, server } of [...done].reverse()) await repair(stand, fault, server, cluster);
  await activeAnswers(stand, signal);
  await pause(afterRepairMilliseconds, signal);
  const window = { faultsAt, repairedAt, from: began - beforeMilliseconds, until: Date.now() - beforeMilliseconds };
  const clients = measure(stand.answers.read(), stand.engineLines(), window);
  const address = measureAddress(stand.watch.samples, window);
  const seen = { stand, clients, address, holderLost, ...(recovered === undefined ? {} : { cluster: recovered }), window };
  const problems = problemsOf(scenario, seen);
  return { scenario: scenario.name, run, ok: problems.length === 0, problems, limitSeconds: scenario.limitSeconds, clients, address, ...(recovered === undefined ? {} : { cluster: recovered }) };
}

/** On a site of a few servers the active replica's is a balancer as well. */
const takesHolderOff = ({ fault }: Fault): boolean => fault !== "kill-engine" && fault !== "hang-engine";

function serverOf(stand: Stand, { on }: Fault): string {
  const server = on === "holder" ? stand.holder : stand.service.targets.find(({ role }) => role === "active")?.server;
  if (server === undefined) throw new RehearsalError("Nobody holds the virtual address before the fault.");
  return server;
}

async function inject(stand: Stand, { fault }: Fault, server: string): Promise<void> {
  switch (fault) {
    case "kill-engine":
      return stand.killEngine(server);
    case "hang-engine":
      stand.hangEngine(server);
      return;
    case "crash":
      return stand.crash(server);
    case "cut":
      return stand.network.cut(server);
    case "cut-outgoing":
      return stand.network.cutOutgoing(server);
    case "kill-keepalived":
      stand.killKeepalived(server);
  }
}

async function repair(stand: Stand, { fault }: Fault, server: string, cluster: ClusterSide | undefined): Promise<void> {
  if (fault === "crash") {
    await stand.boot(server);
    await cluster?.boot(server);
  } else if (fault === "cut" || fault === "cut-outgoing") await stand.network.mend(server);
  else if (fault === "hang-engine") await stand.killEngine(server);
  if (hasReplica(stand.service, server)) stand.startEngine(server);
}

const hasReplica = ({ targets }: BalancedService, server: string): boolean => targets.some((target) => target.server === server);

async function activeAnswers(stand: Stand, signal: AbortSignal | undefined): Promise<void> {
  const repaired = Date.now();
  const active = stand.service.targets.filter(({ role }) => role === "active").map(({ name }) => name);
  while (Date.now() - repaired < recoverWithinSeconds * 1000) {
    if (stand.answers.read().some(({ started, engine }) => started >= repaired && engine !== undefined && active.includes(engine))) return;
    await pause(lookMilliseconds, signal);
  }
}

interface Seen {
  stand: Stand;
  clients: Measurement;
  address: AddressMeasurement;
  /** Whether a fault took the server off that held the address. */
  holderLost: boolean;
  cluster?: ClusterMeasurement;
  window: Window;
}

/** What was not as it must be, a sentence each. */
function problemsOf({ limitSeconds, clusterLimitSeconds, expect }: Scenario, seen: Seen): string[] {
  const { clients, address, cluster } = seen;
  const problems: string[] = [];
  const check = (condition: boolean, problem: string): void => {
    if (!condition) problems.push(problem);
  };
  check(clients.outageSeconds < limitSeconds, `no good answer for ${clients.outageSeconds} s, allowed are less than ${limitSeconds} s`);
  check(clients.lastErrorSeconds < limitSeconds, `a request failed ${clients.lastErrorSeconds} s after the fault, allowed is less than ${limitSeconds} s`);
  check(clients.failedAfterRepair === 0, `${clients.failedAfterRepair} requests failed after the repair`);
  check(clients.silent === 0, `${clients.silent} requests ended in neither an answer nor an error`);
  check(clients.twice.length === 0, `requests ${clients.twice.slice(0, 5).join(", ")} were given to engines twice`);
  check(address.double === 0, `the address had two holders in ${address.double} of ${address.samples} samples`);
  for (const each of expect.flatMap((name) => (name === "address-stays" && seen.holderLost ? addressMoves : [name]))) check(isSeen(each, seen), unseen[each]);
  if (clusterLimitSeconds !== undefined && cluster !== undefined) {
    check(cluster.endpointGoneSeconds < clusterLimitSeconds, `the failed replica was in the Service for ${cluster.endpointGoneSeconds} s, allowed are less than ${clusterLimitSeconds} s`);
    check(cluster.replacementReadySeconds < clusterLimitSeconds, `a ready replica elsewhere took ${cluster.replacementReadySeconds} s, allowed are less than ${clusterLimitSeconds} s`);
  }
  return problems;
}

const addressMoves: readonly Expectation[] = ["address-moves", "address-does-not-return"];

const unseen: Readonly<Record<Expectation, string>> = {
  "standby-answers": "the standby gave no good answer",
  "active-answers-again": "the active replica gave no good answer after the repair",
  "address-stays": "the address moved",
  "address-moves": "the address did not move",
  "address-does-not-return": "the address moved more than once",
  "endpoint-leaves": "the failed replica did not leave the Service",
};

function isSeen(expected: Expectation, { stand, clients, address, cluster, window }: Seen): boolean {
  const names = (role: "active" | "standby"): string[] => stand.service.targets.filter((target) => target.role === role).map(({ name }) => name);
  switch (expected) {
    case "standby-answers":
      return clients.engines.some((engine) => names("standby").includes(engine));
    case "active-answers-again":
      return stand.answers.read().some(({ started, ended, engine }) => started >= window.repairedAt && ended <= window.until + beforeMilliseconds && engine !== undefined && names("active").includes(engine));
    case "address-stays":
      return address.holders.length === 1;
    case "address-moves":
      return address.holders.length > 1;
    case "address-does-not-return":
      return address.holders.length <= 2;
    case "endpoint-leaves":
      // Without a control plane there is no Service that it could leave.
      return cluster === undefined || Number.isFinite(cluster.endpointGoneSeconds);
  }
}
