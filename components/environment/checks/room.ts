import { didYouMean, type Finding } from "../problems";
import type { Checkable } from "./checkable";

interface Occupant {
  name: string;
  first: number;
  last: number;
}

/** Racks exist, servers fit into them and do not overlap. Units count from 1 at the bottom; `unit` is the lowest one taken. */
function* rackFindings({ site, servers }: Checkable): Generator<Finding> {
  if (site === undefined) return;
  const racks = Object.keys(site.racks);
  const occupants = new Map<string, Occupant[]>();
  for (const [name, { rack }] of Object.entries(servers)) {
    if (rack === undefined) continue;
    const keys = ["servers", name, "rack"];
    const place = Object.hasOwn(site.racks, rack.name) ? site.racks[rack.name] : undefined;
    if (place === undefined) {
      yield { keys: [...keys, "name"], message: "is not a rack of the site", value: rack.name, fix: didYouMean(rack.name, racks, "Describe it under site.racks.") };
      continue;
    }
    const last = rack.unit + rack.heightUnits - 1;
    if (last > place.heightUnits) {
      yield { keys: [...keys, "unit"], message: `is too high: a server of ${rack.heightUnits} units would end at unit ${last}, the rack at ${place.heightUnits}`, value: rack.unit, allowed: `1 to ${place.heightUnits - rack.heightUnits + 1}` };
    }
    const others = occupants.get(rack.name) ?? [];
    const taken = others.find((other) => other.first <= last && rack.unit <= other.last);
    if (taken !== undefined) yield { keys: [...keys, "unit"], message: `overlaps ${taken.name}, which takes units ${taken.first} to ${taken.last}`, value: rack.unit };
    occupants.set(rack.name, [...others, { name, first: rack.unit, last }]);
  }
}

function* addressFindings({ servers, recovery }: Checkable, defaultPort: number): Generator<Finding> {
  const owners = new Map<string, string>();
  for (const [name, server] of Object.entries(servers)) {
    const address = server.address.toLowerCase();
    const endpoint = `${address} ${server.port ?? defaultPort}`;
    const owner = owners.get(endpoint);
    if (owner !== undefined) yield { keys: ["servers", name, "address"], message: `and port are those of ${owner} too`, value: server.address, fix: "Give each server an address or a port of its own." };
    else owners.set(endpoint, name);
    const virtualAddress = recovery?.standby.virtualAddress;
    if (virtualAddress?.toLowerCase() === address) {
      yield { keys: ["recovery", "standby", "virtualAddress"], message: `is the address of ${name} itself`, value: virtualAddress, fix: "Choose a free address of the same network: it moves between servers." };
    }
  }
}

/** What must hold in the room: racks, addresses, money. */
export function* roomFindings(environment: Checkable, defaultPort: number): Generator<Finding> {
  yield* rackFindings(environment);
  yield* addressFindings(environment, defaultPort);
  const rate = environment.site?.currencyPerUsd;
  if (environment.site?.currency === "USD" && rate !== undefined && rate !== 1) {
    yield { keys: ["site", "currencyPerUsd"], message: "must be absent or 1, for the site's currency is the US dollar", value: rate, fix: "State the site's currency in site.currency, or take the rate away." };
  }
  const budget = environment.site?.budget;
  if (budget?.max !== undefined && budget.max < budget.min) {
    yield { keys: ["site", "budget", "max"], message: `is below min, ${budget.min}`, value: budget.max };
  }
}
