import { rdmaServers } from "../cluster/nodes";
import type { Environment, Server } from "../environment/schema";

/** Up to this many servers each measures its way to every other one. */
const allPairsUpTo = 32;

export interface Peer {
  name: string;
  address: string;
}

/** Steps around a ring of servers, both ways, at doubling distances: every server is reached, and from several sides. */
function ringSteps(servers: number): number[] {
  const steps = new Set<number>();
  for (let step = 1; step <= servers / 2; step *= 2) steps.add(step).add(servers - step);
  return [...steps].sort((a, b) => a - b);
}

/** Servers in the order of their names, and those with RDMA among them. Each server's plan asks for them. */
const rings = new WeakMap<Environment["servers"], { all: string[]; rdma: string[] }>();

function ringsOf(servers: Environment["servers"]): { all: string[]; rdma: string[] } {
  const known = rings.get(servers);
  if (known !== undefined) return known;
  const all = Object.keys(servers).sort();
  const made = { all, rdma: rdmaServers(servers).sort() };
  rings.set(servers, made);
  return made;
}

/**
 * The servers to which one measures its network latency: all others, or on sites of more than 32 servers about twice the
 * binary logarithm of their number, for pairs grow with the square (200 servers would be 39,800).
 */
export function latencyPeers({ servers }: Environment, server: string): Peer[] {
  const names = ringsOf(servers).all;
  const own = names.indexOf(server);
  const steps = names.length <= allPairsUpTo ? names.map((_, index) => index).slice(1) : ringSteps(names.length);
  return steps.flatMap((step) => {
    const name = names[(own + step) % names.length] ?? "";
    const spec = servers[name];
    return spec === undefined ? [] : [{ name, address: spec.address }];
  });
}

/** RDMA is measured to this many at most: each measurement takes both ends for a moment. */
const mostRdmaPeers = 8;

export interface RdmaPeer extends Peer {
  /** Network interfaces with RDMA. They are paired by their order, as the rails of a fabric are. */
  nics: number;
}

/** Names of a server's network interfaces with RDMA, in the environment's order. */
export function rdmaNics(server: Server): string[] {
  return Object.entries(server.nics).flatMap(([name, { rdma }]) => (rdma === "none" ? [] : [name]));
}

/** Servers with RDMA to which one with RDMA measures its latency: neighbours around a ring, near ones first, at doubling distances. */
export function rdmaPeers({ servers }: Environment, server: string): RdmaPeer[] {
  const ring = ringsOf(servers).rdma;
  const own = ring.indexOf(server);
  if (own < 0) return [];
  const nearest = ringSteps(ring.length).sort((a, b) => Math.min(a, ring.length - a) - Math.min(b, ring.length - b));
  return nearest.slice(0, mostRdmaPeers).flatMap((step) => {
    const name = ring[(own + step) % ring.length] ?? "";
    const spec = servers[name];
    return spec === undefined ? [] : [{ name, address: spec.address, nics: rdmaNics(spec).length }];
  });
}
