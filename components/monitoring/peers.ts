import type { Environment } from "../environment/schema";

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

/**
 * The servers to which one measures its network latency: all others, or on sites of more than 32 servers about twice the
 * binary logarithm of their number, for pairs grow with the square (200 servers would be 39,800).
 */
export function latencyPeers({ servers }: Environment, server: string): Peer[] {
  const names = Object.keys(servers);
  const own = names.indexOf(server);
  const steps = names.length <= allPairsUpTo ? names.map((_, index) => index).slice(1) : ringSteps(names.length);
  return steps.flatMap((step) => {
    const name = names[(own + step) % names.length] ?? "";
    const spec = servers[name];
    return spec === undefined ? [] : [{ name, address: spec.address }];
  });
}
