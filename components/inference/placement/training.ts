import type { Finding } from "../../environment/problems";
import type { Environment } from "../../environment/schema";
import type { TrainingPlan } from "../plan-types";
import { freeDevices, takeDevices, type ServerState } from "./servers";

/** Data loaders and compilation for each device: an assumption. */
const cpusPerDevice = 16;
const memoryGiBPerDevice = 192;

type Job = Environment["training"][string];

interface Wanted {
  states: ServerState[];
  resource: string;
  devicesPerPod: number;
}

function wantedOf(name: string, job: Job, states: ReadonlyMap<string, ServerState>): { wanted?: Wanted; findings: Finding[] } {
  const keys = ["training", name];
  const findings: Finding[] = [];
  const found: ServerState[] = [];
  for (const [index, server] of job.servers.entries()) {
    const state = states.get(server);
    const device = state?.devices[0];
    if (state === undefined) findings.push({ keys: [...keys, "servers", index], message: "has no role worker, so no pod runs there", value: server, fix: `Add worker to servers.${server}.roles, or name another server.` });
    else if (device === undefined) findings.push({ keys: [...keys, "servers", index], message: "has neither GPUs nor NPUs to train on", value: server, fix: "Name a server that has, or describe its gpus." });
    else if (job.gpusPerServer !== undefined && job.gpusPerServer > device.count) findings.push({ keys: [...keys, "gpusPerServer"], message: `is more than ${server} has`, value: job.gpusPerServer, allowed: `at most ${device.count}` });
    else found.push(state);
  }
  if (findings.length > 0) return { findings };
  const devices = found.map((state) => state.devices[0]).filter((device) => device !== undefined);
  const [first] = devices;
  if (first === undefined) return { findings };
  if (devices.some(({ resource }) => resource !== first.resource)) {
    return { findings: [{ keys: [...keys, "servers"], message: `have different devices: ${[...new Set(devices.map(({ resource }) => resource))].join(", ")}`, fix: "Name servers that offer the same." }] };
  }
  if (job.gpusPerServer === undefined && devices.some(({ count }) => count !== first.count)) {
    return { findings: [{ keys: [...keys, "gpusPerServer"], message: `is needed: the servers have ${found.map((state) => `${state.name} ${state.devices[0]?.count ?? 0}`).join(", ")}`, fix: `Write gpusPerServer: ${Math.min(...devices.map(({ count }) => count))}.` }] };
  }
  if (first.mostPerReplica === 1 && (job.gpusPerServer ?? first.count) > 1) {
    return { findings: [{ keys: [...keys, "servers"], message: `offer ${first.resource} in ${first.sharedBy > 1 ? "shares" : "slices"} of a GPU, which cannot train together`, fix: "Write gpusPerServer: 1, or keep these servers' GPUs whole." }] };
  }
  return { wanted: { states: found, resource: first.resource, devicesPerPod: job.gpusPerServer ?? first.count }, findings };
}

function placeJob(name: string, { states, resource, devicesPerPod }: Wanted): { plan?: TrainingPlan; findings: Finding[] } {
  const findings: Finding[] = [];
  const shares = states.map((state) => {
    const free = freeDevices(state, resource);
    if (free < devicesPerPod) {
      findings.push({ keys: ["training", name, "servers"], message: `need ${devicesPerPod} ${resource} on ${state.name}, where ${free} are free after other jobs`, fix: free === 0 ? "Name another server." : `Write gpusPerServer: ${free}, or name another server.` });
      return { cpus: 0, memoryGiB: 0 };
    }
    const share = devicesPerPod / free;
    return { cpus: Math.floor(state.cpus * share), memoryGiB: Math.floor(state.memoryGiB * share) };
  });
  const cpus = Math.min(cpusPerDevice * devicesPerPod, ...shares.map((share) => share.cpus));
  const memoryGiB = Math.min(memoryGiBPerDevice * devicesPerPod, ...shares.map((share) => share.memoryGiB));
  if (findings.length === 0 && (cpus < 1 || memoryGiB < 1)) findings.push({ keys: ["training", name, "servers"], message: "leave no CPU or memory for a pod", fix: "Name servers that run less." });
  if (findings.length > 0) return { findings };
  for (const state of states) {
    state.cpus -= cpus;
    state.memoryGiB -= memoryGiB;
    const left = takeDevices(state.groups.get(resource) ?? [], devicesPerPod, 1);
    if (left !== undefined) state.groups = new Map([...state.groups, [resource, left]]);
  }
  return { plan: { name, servers: states.map(({ name: server }) => server), devicesPerPod, resource, cpus, memoryGiB }, findings };
}

/** Training jobs go first: they name their servers. */
export function placeTraining(environment: Pick<Environment, "training">, states: readonly ServerState[]): { training: Record<string, TrainingPlan>; findings: Finding[] } {
  const byName = new Map(states.map((state) => [state.name, state]));
  const training: Record<string, TrainingPlan> = {};
  const findings: Finding[] = [];
  for (const [name, job] of Object.entries(environment.training).sort(([a], [b]) => (a < b ? -1 : 1))) {
    const { wanted, findings: faults } = wantedOf(name, job, byName);
    findings.push(...faults);
    if (wanted === undefined) continue;
    const placed = placeJob(name, wanted);
    findings.push(...placed.findings);
    if (placed.plan !== undefined) training[name] = placed.plan;
  }
  return { training, findings };
}
