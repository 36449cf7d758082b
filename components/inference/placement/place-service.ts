import { gpu } from "../../catalog";
import type { Finding } from "../../environment/problems";
import type { Workload } from "../plan-types";
import { roofline } from "../sizing/roofline";
import type { PlacementOption } from "./options";
import { podSize, type PodSize } from "./pod-size";
import { freeDevices, newFoldersGB, takeDevices, type ServerState } from "./servers";
import type { ServiceRequest } from "./service-request";

/** spread: replicas go to different servers while there are any. pack: to the fewest, which leaves some for standbys. */
export type Manner = "spread" | "pack";

interface Claim {
  state: ServerState;
  groups: readonly number[] | undefined;
  size: PodSize;
}

interface Placed {
  role: Workload["role"];
  option: PlacementOption;
  servers: string[];
  size: PodSize;
}

export interface Placement {
  /** In the order in which they were placed. */
  workloads: Workload[];
  notes: string[];
  /** The role of the first replica that found no room, and how many did before it. */
  missing?: { role: Workload["role"]; placed: number };
}

/** Whether one pod of an option has room on a server, and what it would take. */
export function claimOn(state: ServerState, option: PlacementOption, folders: ReadonlyMap<string, number>): Claim | undefined {
  if (!option.servesOn(state) || (option.resource !== undefined && freeDevices(state, option.resource) < option.devicesPerPod)) return undefined;
  if (state.hotGB === undefined || newFoldersGB(state, folders) > state.hotGB) return undefined;
  const groups = option.resource === undefined ? undefined : takeDevices(state.groups.get(option.resource) ?? [], option.devicesPerPod, option.together);
  if (option.resource !== undefined && groups === undefined) return undefined;
  const size = podSize(state, option);
  return size === undefined ? undefined : { state, groups, size };
}

function restorePoint(state: ServerState): () => void {
  const { cpus, memoryGiB, hotGB, groups, folders } = state;
  return () => void Object.assign(state, { cpus, memoryGiB, hotGB, groups, folders });
}

function carryOut({ state, groups, size }: Claim, option: PlacementOption, folders: ReadonlyMap<string, number>): void {
  state.cpus -= size.cpus;
  state.memoryGiB -= size.memoryGiB;
  if (option.resource !== undefined && groups !== undefined) state.groups = new Map([...state.groups, [option.resource, groups]]);
  if (state.hotGB !== undefined) state.hotGB -= newFoldersGB(state, folders);
  state.folders = new Set([...state.folders, ...folders.keys()]);
}

class ServicePlacer {
  private readonly placed: Placed[] = [];
  private readonly undo: (() => void)[] = [];
  /** Replicas of this service, by server. */
  private readonly onServer = new Map<string, number>();

  constructor(
    private readonly service: ServiceRequest,
    private readonly options: readonly PlacementOption[],
    private readonly states: readonly ServerState[],
    private readonly manner: Manner,
  ) {}

  place(): Placement {
    const wanted: { role: Workload["role"]; count: number }[] = [{ role: "active", count: this.service.spec.replicas }, { role: "standby", count: this.service.spec.standbyReplicas }];
    for (const { role, count } of wanted) {
      for (let placed = 0; placed < count; placed++) {
        if (!this.placeOne(role)) return { ...this.result(), missing: { role, placed } };
      }
    }
    return this.result();
  }

  /** Gives everything back. */
  release(): void {
    for (const each of this.undo.reverse()) each();
    this.undo.length = 0;
  }

  private placeOne(role: Workload["role"]): boolean {
    const taken = this.serversOf("active");
    const allowed = role === "standby" ? this.states.filter(({ name }) => !taken.has(name)) : this.states;
    for (const option of this.options) {
      const claims = this.bestClaims(option, allowed, role);
      if (claims === undefined) continue;
      const size = { cpus: Math.min(...claims.map((claim) => claim.size.cpus)), memoryGiB: Math.min(...claims.map((claim) => claim.size.memoryGiB)) };
      // Replicas of one Deployment are alike: a later one is no larger than the first.
      const first = this.placed.find((each) => each.role === role && each.option === option && each.servers.length === 1 && each.servers[0] === claims[0]?.state.name);
      const settled = first !== undefined && claims.length === 1 ? first.size : size;
      if (settled.cpus > size.cpus || settled.memoryGiB > size.memoryGiB) continue;
      for (const claim of claims) {
        this.undo.push(restorePoint(claim.state));
        carryOut({ ...claim, size: settled }, option, this.service.folders);
        this.onServer.set(claim.state.name, (this.onServer.get(claim.state.name) ?? 0) + 1);
      }
      this.placed.push({ role, option, servers: claims.map(({ state }) => state.name), size: settled });
      return true;
    }
    return false;
  }

  /** The servers that are best for one replica; undefined where there is no room. */
  private bestClaims(option: PlacementOption, states: readonly ServerState[], role: Workload["role"]): Claim[] | undefined {
    if (option.servers > 1) return this.spanningClaims(option, states);
    const racks = role === "standby" ? this.racksOfActive() : new Set<string>();
    let best: { claim: Claim; rank: number[] } | undefined;
    for (const state of states) {
      const left = option.resource === undefined ? 0 : freeDevices(state, option.resource) - option.devicesPerPod;
      if (left < 0 || !option.servesOn(state)) continue;
      const own = this.onServer.get(state.name) ?? 0;
      const rank = [state.rack !== undefined && racks.has(state.rack) ? 1 : 0, this.manner === "spread" ? own : -own, left];
      // Judging a server costs more than ranking it.
      if (best !== undefined && !isLess(rank, best.rank)) continue;
      const claim = claimOn(state, option, this.service.folders);
      if (claim !== undefined) best = { claim, rank };
    }
    return best === undefined ? undefined : [best.claim];
  }

  /** Servers of one rack where one rack has enough, else of as few racks as their order gives. */
  private spanningClaims(option: PlacementOption, states: readonly ServerState[]): Claim[] | undefined {
    const byRack = new Map<string, Claim[]>();
    for (const state of states) {
      const claim = claimOn(state, option, this.service.folders);
      if (claim === undefined) continue;
      const rack = byRack.get(state.rack ?? "");
      if (rack === undefined) byRack.set(state.rack ?? "", [claim]);
      else rack.push(claim);
    }
    const racks = [...byRack.values()].sort((a, b) => b.length - a.length);
    const oneRack = racks.findLast((rack) => rack.length >= option.servers);
    const chosen = (oneRack ?? racks.flat()).slice(0, option.servers);
    return chosen.length < option.servers ? undefined : chosen;
  }

  /** Shares of a GPU have no rate of their own. */
  private estimated({ accelerator, resource, links, choice: { sizing } }: PlacementOption): Workload["sizing"] {
    const fact = gpu(accelerator);
    if (fact === undefined || links === undefined || resource !== "nvidia.com/gpu") return sizing;
    return { ...sizing, estimate: roofline(this.service.request, fact, sizing, links) };
  }

  private serversOf(role: Workload["role"]): Set<string> {
    return new Set(this.placed.filter((each) => each.role === role).flatMap(({ servers }) => servers));
  }

  private racksOfActive(): Set<string> {
    const active = this.serversOf("active");
    return new Set(this.states.filter(({ name }) => active.has(name)).map(({ rack }) => rack).filter((rack) => rack !== undefined));
  }

  private result(): Placement {
    const workloads = new Map<string, Workload>();
    for (const { role, option, servers, size } of this.placed) {
      const base = `${this.service.name}-${servers[0] ?? ""}`;
      const key = [role, option.accelerator, option.devicesPerPod, option.resource ?? "", ...servers].join(" ");
      const known = workloads.get(key);
      if (known !== undefined && servers.length === 1) {
        known.replicas++;
        continue;
      }
      const onSame = [...workloads.values()].filter((each) => each.role === role && each.servers[0] === servers[0]).length;
      const name = [base, ...(onSame === 0 ? [] : [String(onSame + 1)]), ...(role === "standby" ? ["standby"] : [])].join("-");
      workloads.set(servers.length === 1 ? key : `${key} ${name}`, {
        name, role, replicas: 1, servers, accelerator: option.accelerator, ...(option.resource === undefined ? {} : { resource: option.resource }),
        devicesPerPod: option.devicesPerPod, cpus: size.cpus, memoryGiB: size.memoryGiB, sizing: this.estimated(option),
      });
    }
    const notes = new Set(this.placed.flatMap(({ option }) => option.notes));
    return { workloads: [...workloads.values()], notes: [...notes] };
  }
}

function isLess(a: readonly number[], b: readonly number[]): boolean {
  for (const [index, value] of a.entries()) {
    const other = b[index] ?? 0;
    if (value !== other) return value < other;
  }
  return false;
}

/**
 * Places all replicas of one service, or none of them.
 * @param explain called while those that found room still hold it.
 */
export function placeService(service: ServiceRequest, options: readonly PlacementOption[], states: readonly ServerState[], manner: Manner, explain: (missing: NonNullable<Placement["missing"]>) => Finding): Placement | Finding {
  const manners: Manner[] = manner === "spread" && service.spec.standbyReplicas > 0 ? ["spread", "pack"] : [manner];
  let finding: Finding | undefined;
  for (const each of manners) {
    const placer = new ServicePlacer(service, options, states, each);
    const placement = placer.place();
    if (placement.missing === undefined) return placement;
    finding = explain(placement.missing);
    placer.release();
  }
  return finding ?? explain({ role: "active", placed: 0 });
}
