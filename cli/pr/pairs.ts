import type { Server } from "../../components/environment";
import type { ServerPlan } from "../../components/servers/plan";
import type { Step } from "./events";
import type { Side } from "./plan-side";

/** One server as both sides have it. */
export interface ServerPair {
  name: string;
  /** Its name before; the same one unless it was renamed. */
  was: string;
  before: Server;
  after: Server;
  base: ServerPlan;
  head: ServerPlan;
}

/** Which servers are the same machine on both sides. */
export interface ServerPairs {
  kept: ServerPair[];
  renamed: ServerPair[];
  added: { name: string; facts: Server; plan: ServerPlan }[];
  removed: { name: string; facts: Server; plan: ServerPlan }[];
}

/** Two planned sides of one environment, and what the engine would do. */
export interface Comparison {
  base: Side;
  head: Side;
  servers: ServerPairs;
  steps: readonly Step[];
}

/** The names that servers which stay have on the other side, by those they had. */
export function namesAfter({ kept, renamed }: ServerPairs): Map<string, string> {
  return new Map([...kept, ...renamed].map(({ was, name }) => [was, name]));
}

function drivesOf({ drives }: Server): string {
  return Object.keys(drives).sort().join("\n");
}

/** The same machine under another name: its host key, which no other has, or else its drives or its address. */
function isSameMachine(before: Server, after: Server): boolean {
  if (before.hostKey === after.hostKey) return true;
  return (drivesOf(before) !== "" && drivesOf(before) === drivesOf(after)) || (before.address === after.address && before.port === after.port);
}

export function pairServers(base: Side, head: Side): ServerPairs {
  const pairs: ServerPairs = { kept: [], renamed: [], added: [], removed: [] };
  const [before, after] = [base.environment.servers, head.environment.servers];
  const pair = (was: string, name: string): ServerPair | undefined => {
    const [facts, now, old, plan] = [before[was], after[name], base.servers.get(was), head.servers.get(name)];
    return facts === undefined || now === undefined || old === undefined || plan === undefined ? undefined : { name, was, before: facts, after: now, base: old, head: plan };
  };
  const arrived = new Set(Object.keys(after).filter((name) => !Object.hasOwn(before, name)));
  for (const [was, facts] of Object.entries(before)) {
    const same = Object.hasOwn(after, was) ? was : [...arrived].find((name) => after[name] !== undefined && isSameMachine(facts, after[name]));
    const found = same === undefined ? undefined : pair(was, same);
    const plan = base.servers.get(was);
    if (found !== undefined) (found.name === was ? pairs.kept : pairs.renamed).push(found);
    else if (plan !== undefined) pairs.removed.push({ name: was, facts, plan });
    if (same !== undefined) arrived.delete(same);
  }
  for (const name of arrived) {
    const [facts, plan] = [after[name], head.servers.get(name)];
    if (facts !== undefined && plan !== undefined) pairs.added.push({ name, facts, plan });
  }
  return pairs;
}
