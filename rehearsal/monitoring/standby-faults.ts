import type { Fault } from "./faults";
import { turned, type BalancerState, type SiteState } from "./state";

type Replica = BalancerState["replicas"][number];

const balancersOf = ({ servers }: SiteState): { server: string; balancer: BalancerState }[] => Object.values(servers).flatMap(({ name, balancer }) => (balancer === undefined ? [] : [{ server: name, balancer }]));

/** Every balancer sees the same of the replicas. */
function onReplicas(of: (replica: Replica) => boolean, change: (replica: Replica, now: number) => void): Fault["inject"] {
  return (state, now) => balancersOf(state).forEach(({ balancer }) => balancer.replicas.filter(of).forEach((replica) => change(replica, now)));
}

/** Whose balancer holds the address, of those that are there. */
function heldBy(holds: (server: string) => boolean): Fault["inject"] {
  return (state) => balancersOf(state).forEach(({ server, balancer }) => (balancer.holds = holds(server)));
}

/** A service that has both kinds of replicas. */
function standbyService(healthy: SiteState): string | undefined {
  const replicas = balancersOf(healthy)[0]?.balancer.replicas ?? [];
  return replicas.find(({ kind }) => kind === "standby")?.name;
}

/** The address moves as its balancer loses HAProxy, and a service is answered by its standby. */
export function* balancerFaults(healthy: SiteState): Generator<Fault> {
  const balancers = balancersOf(healthy);
  const holder = balancers.find(({ balancer }) => balancer.holds);
  const other = balancers.find(({ balancer }) => !balancer.holds);
  if (holder !== undefined && other !== undefined) {
    const { address } = holder.balancer;
    yield { title: `${address} moves from ${holder.server} to ${other.server}`, alert: "VirtualAddressMoved", labels: { server: other.server, address }, inject: heldBy((server) => server === other.server) };
    const inject: Fault["inject"] = ({ servers }) => void Object.assign(servers[holder.server]?.balancer?.programs ?? {}, { haproxy: false });
    yield { title: `HAProxy on ${holder.server} does not answer`, alert: "BalancerDown", labels: { server: holder.server }, inject };
  }
  const service = standbyService(healthy);
  if (service === undefined) return;
  const active = ({ name, kind }: Replica): boolean => name === service && kind === "active";
  yield { title: `the active replicas of ${service} do not answer the balancers`, alert: "ServiceOnStandby", labels: { service }, inject: onReplicas(active, (replica) => (replica.up = false)) };
  const [replica] = balancers.flatMap(({ balancer }) => balancer.replicas.filter(active));
  yield { title: `${replica?.replica ?? ""} goes on not to answer them`, alert: "ReplicaUnreachable", labels: { service, role: "active", replica: replica?.replica ?? "" }, inject: () => undefined };
  const standby = ({ name, kind }: Replica): boolean => name === service && kind === "standby";
  yield { title: `a standby of ${service} comes and goes`, alert: "ReplicaTakenOut", labels: { service, role: "standby" }, inject: onReplicas(standby, (each, now) => (each.failures = turned(each.failures, 0.2, now))) };
}

/** What cannot come together with the others. */
export function balancerFaultsAlone(healthy: SiteState): Fault[] {
  const [first, second] = balancersOf(healthy);
  if (first === undefined || second === undefined) return [];
  const { address } = first.balancer;
  const [name] = first.balancer.replicas.map((replica) => replica.name);
  return [
    { title: `no balancer holds ${address}`, alert: "VirtualAddressLost", labels: { address }, inject: heldBy(() => false) },
    ...(name === undefined ? [] : [{ title: `no replica of ${name} answers the balancers`, alert: "ServiceUnreachable", labels: { service: name }, alsoFires: ["ReplicaUnreachable"], inject: onReplicas((replica) => replica.name === name, (replica) => (replica.up = false)) }]),
    { title: `both balancers hold ${address}`, alert: "VirtualAddressHeldTwice", labels: { address }, alsoFires: ["VirtualAddressMoved"], inject: heldBy(() => true) },
  ];
}
