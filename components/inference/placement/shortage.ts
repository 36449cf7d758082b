import type { Finding } from "../../environment/problems";
import { chooseParallel, closestChoice, gibText, smallestChanges, splitFault, type Change, type ReplicaRequest } from "../sizing";
import { gpuSupport, runsOnCpu } from "./engine-choice";
import type { Placement } from "./place-service";
import { claimOn } from "./place-service";
import { placementOptions, type OptionCache, type PlacementOption, type ShapeGroup } from "./options";
import { freeDevices, newFoldersGB, type ServerState } from "./servers";
import type { ServiceRequest } from "./service-request";

const mostChanges = 3;
const mostNamedServers = 5;

function changeText({ field, value }: Change): string {
  return `${field}: ${value}${field === "gpusPerReplica" ? " (with tensorParallel and pipelineParallel left out)" : ""}`;
}

/** "Write a, b or c." */
function advice(changes: readonly Change[], further: readonly string[]): string {
  const written = changes.slice(0, mostChanges).map(changeText);
  const first = written.length === 0 ? [] : [`Write ${written.join(", or ")}`];
  return `${[...first, ...further].join("; or ")}.`.replace(/^./, (letter) => letter.toUpperCase());
}

function candidates(service: ServiceRequest, groups: readonly ShapeGroup[]): ShapeGroup[] {
  const wanted = service.spec.accelerators;
  return groups.filter(({ shape }) => wanted.length === 0 || wanted.includes(shape.accelerator));
}

/** Devices in one server that would do where there are too few; undefined where more would not help. */
function devicesThatWouldDo(request: ReplicaRequest, { shape, servers }: ShapeGroup): number | undefined {
  const most = shape.mostPerReplica === 1 ? 1 : 16;
  for (let count = shape.devicesPerServer + 1; count <= most; count++) {
    const larger = { ...shape, devicesPerServer: count, mostPerReplica: count, nvlinkDomain: shape.nvlinkDomain === shape.devicesPerServer ? count : shape.nvlinkDomain };
    if (chooseParallel(request, larger, 1) !== undefined) return count;
  }
  for (let more = servers + 1; more <= servers + 15; more++) if (chooseParallel(request, shape, more) !== undefined) return undefined;
  return undefined;
}

/** A replica that fits no server, even an empty one. */
function tooLarge(service: ServiceRequest, groups: readonly ShapeGroup[]): Finding {
  const { request, spec, name } = service;
  const keys = ["services", name];
  const usable = candidates(service, groups);
  if (usable.length === 0) {
    const fallback = runsOnCpu(service.engine.engine) ? "Write accelerators: [cpu], or add a server with GPUs and the role worker." : "Add a server with GPUs and the role worker.";
    return { keys: [...keys, "accelerators"], message: "finds no worker with an accelerator that it may use", ...(spec.accelerators.length === 0 ? {} : { value: spec.accelerators.join(", ") }), fix: fallback };
  }
  const faults = usable.map(({ shape }) => gpuSupport(service.engine.engine, shape.gpu, request.precision).fault);
  const [fault] = faults;
  if (fault !== undefined && faults.every((each) => each !== undefined)) {
    const precisionFault = spec.precision === "fp8";
    return { keys: [...keys, precisionFault ? "precision" : "engine"], message: `does not run there: ${fault}`, value: precisionFault ? spec.precision : service.engine.engine, fix: precisionFault ? "Write precision: int4 or bf16, or engine: vllm." : "Name another engine or other accelerators." };
  }
  const supported = usable.filter((_, index) => faults[index] === undefined);
  const judged = supported.map((group) => ({ group, closest: closestChoice(request, group.shape, group.servers) }));
  const margin = (of: (typeof judged)[number]): number => of.closest?.sizing.memory.marginBytes ?? -Infinity;
  const [best] = judged.sort((a, b) => margin(b) - margin(a));
  const fitsSomewhere = (changed: ReplicaRequest): number | undefined => {
    for (const { shape, servers } of supported) {
      const choice = chooseParallel(changed, shape, servers);
      if (choice !== undefined && gpuSupport(service.engine.engine, shape.gpu, changed.precision).fault === undefined) return choice.split.tensorParallel * choice.split.pipelineParallel;
    }
    return undefined;
  };
  const changes = smallestChanges(request, fitsSomewhere);
  const more = best === undefined ? undefined : devicesThatWouldDo(request, best.group);
  const further = more === undefined || best === undefined ? [] : [`give a server ${more - best.group.shape.devicesPerServer} more ${best.group.shape.accelerator}`];
  if (best?.closest === undefined) {
    const group = best?.group;
    const split = { tensorParallel: request.tensorParallel ?? (request.gpus ?? 1) / (request.pipelineParallel ?? 1), pipelineParallel: request.pipelineParallel ?? (request.gpus === undefined ? 1 : request.gpus / (request.tensorParallel ?? request.gpus)), servers: 1 };
    const why = group === undefined ? undefined : splitFault(request, group.shape, split);
    const field = request.tensorParallel !== undefined ? "tensorParallel" : request.gpus !== undefined ? "gpusPerReplica" : "pipelineParallel";
    return { keys: [...keys, field], message: `cannot be carried out on ${group?.shape.accelerator ?? "any server"}${why === undefined ? "" : `: ${why}`}`, value: spec[field], fix: advice(changes, further.length > 0 || changes.length > 0 ? further : ["name another number of GPUs"]) };
  }
  const { split, sizing: { memory } } = best.closest;
  const gpus = split.tensorParallel * split.pipelineParallel;
  return {
    keys,
    message: `does not fit ${gpus}x ${best.group.shape.accelerator}: each GPU would need ${gibText(memory.weightsBytes)} for weights, ${gibText(memory.keyValueBytes)} for ${request.concurrency} requests of ${best.closest.sizing.contextTokens} tokens and ${gibText(memory.overheadBytes)} of overhead, ${gibText(-memory.marginBytes)} more than the ${gibText(memory.budgetBytes)} it may use`,
    fix: advice(changes, further.length > 0 || changes.length > 0 ? further : ["add servers with more GPU memory"]),
  };
}

function freeText(states: readonly ServerState[], option: PlacementOption): string {
  const { resource } = option;
  if (resource === undefined) return states.slice(0, mostNamedServers).map((state) => `${state.name} ${Math.max(0, Math.floor(state.cpus))} CPUs and ${Math.max(0, Math.floor(state.memoryGiB))} GiB`).join(", ");
  const having = states.filter((state) => option.servesOn(state)).map((state) => ({ name: state.name, free: freeDevices(state, resource) })).sort((a, b) => b.free - a.free);
  const named = having.slice(0, mostNamedServers).map(({ name, free }) => `${name} ${free}`).join(", ");
  return having.length > mostNamedServers ? `${named} and ${having.length - mostNamedServers} more servers` : named;
}

function hotTierFinding({ name, folders }: ServiceRequest, option: PlacementOption, states: readonly ServerState[]): Finding | undefined {
  const able = states.filter((state) => option.servesOn(state));
  const withTier = able.filter(({ hotGB }) => hotGB !== undefined);
  const needed = [...folders.values()].reduce((sum, each) => sum + each, 0);
  const keys = ["services", name, "weights"];
  if (able.length > 0 && withTier.length === 0) return { keys, message: `need a hot tier, which ${able.slice(0, mostNamedServers).map((state) => state.name).join(", ")} ${able.length === 1 ? "has" : "have"} not`, fix: "Describe tiers.hot of a server." };
  if (withTier.length === 0 || withTier.some((state) => newFoldersGB(state, folders) <= (state.hotGB ?? 0))) return undefined;
  const [roomiest] = [...withTier].sort((a, b) => (b.hotGB ?? 0) - (a.hotGB ?? 0));
  return { keys, message: `take ${needed.toFixed(0)} GB on the hot tier, and the most that is free is ${(roomiest?.hotGB ?? 0).toFixed(0)} GB on ${roomiest?.name ?? ""}`, fix: `Add ${Math.ceil(needed - (roomiest?.hotGB ?? 0))} GB of NVMe to tiers.hot, or take a narrower precision.` };
}

/** A replica that fits an empty server, but not what is left of any. */
function noRoom(service: ServiceRequest, option: PlacementOption, states: readonly ServerState[], groups: readonly ShapeGroup[], cache: OptionCache, missing: NonNullable<Placement["missing"]>): Finding {
  const hot = hotTierFinding(service, option, states);
  if (hot !== undefined) return hot;
  const { name, spec, request } = service;
  const standby = missing.role === "standby";
  const field = standby ? "standbyReplicas" : "replicas";
  const count = standby ? spec.standbyReplicas : spec.replicas;
  const devices = option.resource === undefined ? "CPUs and memory" : `${option.devicesPerPod}x ${option.accelerator}${option.servers > 1 ? ` on each of ${option.servers} servers` : ""}`;
  const hasRoom = (changed: ReplicaRequest): number | undefined => {
    const [other] = placementOptions({ ...service, request: changed }, groups, cache).filter((each) => states.some((state) => claimOn(state, each, service.folders) !== undefined));
    return other === undefined ? undefined : other.devicesPerPod * other.servers;
  };
  const changes = standby || option.resource === undefined ? [] : smallestChanges(request, hasRoom);
  const free = option.resource === undefined ? 0 : Math.max(0, ...states.filter((state) => option.servesOn(state)).map((state) => freeDevices(state, option.resource ?? "")));
  const short = option.devicesPerPod - free;
  const further = [
    ...(missing.placed > 0 || standby ? [`write ${field}: ${missing.placed}`] : []),
    short > 0 && option.servers === 1 ? `add ${short} ${option.accelerator} to one server` : "add a server",
  ];
  const where = standby ? " on a server that runs no active replica" : "";
  const alsoHost = option.resource !== undefined && short <= 0 ? "; there, CPUs, memory, the hot tier or a whole NVLink group are missing" : "";
  return {
    keys: ["services", name, field],
    message: `: replica ${missing.placed + 1} of ${count} needs ${devices}${where}; free are ${freeText(states, option)}${alsoHost}`.replace(/^: /, "has no room: "),
    value: count,
    fix: advice(changes, further),
  };
}

/** What is missing for a service, and the smallest change that would mend it. */
export function shortage(service: ServiceRequest, options: readonly PlacementOption[], states: readonly ServerState[], groups: readonly ShapeGroup[], cache: OptionCache, missing: NonNullable<Placement["missing"]>): Finding {
  const [option] = options;
  if (option !== undefined) return noRoom(service, option, states, groups, cache, missing);
  if (service.spec.accelerators.includes("cpu") && !runsOnCpu(service.engine.engine) && candidates(service, groups).length === 0) {
    return { keys: ["services", service.name, "engine"], message: "does not run on the CPU", value: service.engine.engine, allowed: "triton, pytorch" };
  }
  return tooLarge(service, groups);
}
