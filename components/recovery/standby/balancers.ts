import type { Environment, Server } from "../../environment/schema";
import { standbySettings } from "./settings";

/** A server that may hold the virtual address. */
export interface Balancer {
  server: string;
  address: string;
  /** VRRP's: the highest of those that live takes over. */
  priority: number;
  /**
   * Addresses that echo: the environment's own witnesses, then other servers. Where none of them answers, this one is cut off and
   * gives the address up. Empty where there is nothing but another server: its failing would look the same.
   */
  witnesses: string[];
}

const count = 2;
const mostWitnesses = 4;

const rank = ({ gpus, roles }: Server): number => (gpus !== undefined ? 2 : roles.includes("control-plane") || roles.includes("storage") ? 0 : 1);

/** Servers that pass requests on: as stated, else two, those without GPUs first and on another rack than the first where there is one. */
export function chooseBalancers({ servers, recovery }: Environment): Balancer[] {
  const names = recovery.standby.balancers ?? choose(servers);
  const addressOf = (server: string): string => servers[server]?.address ?? "";
  return names.map((server, index) => {
    const others = [...names.filter((name) => name !== server), ...Object.keys(servers).filter((name) => !names.includes(name))];
    const witnesses = [...recovery.standby.witnesses, ...others.map(addressOf)];
    return {
      server,
      address: addressOf(server),
      priority: Math.max(1, standbySettings.firstPriority - index * standbySettings.priorityStep),
      witnesses: witnesses.length < 2 ? [] : witnesses.slice(0, mostWitnesses),
    };
  });
}

function choose(servers: Environment["servers"]): string[] {
  const [first, ...rest] = Object.entries(servers).sort(([, a], [, b]) => rank(a) - rank(b));
  if (first === undefined) return [];
  const best = rest.filter(([, server]) => rank(server) === rank(rest[0]?.[1] ?? server));
  const second = best.find(([, { rack }]) => rack !== undefined && rack.name !== first[1].rack?.name) ?? rest[0];
  return [first, ...(second === undefined ? [] : [second])].slice(0, count).map(([name]) => name);
}
