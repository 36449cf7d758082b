import { isIP } from "node:net";
import type { Finding } from "../../environment/problems";
import type { Environment } from "../../environment/schema";
import { shortHash } from "../../hash";
import { engineOf } from "../../inference/engines";
import type { ServicePlan, Workload, WorkloadPlan } from "../../inference/plan-types";
import { chooseBalancers, type Balancer } from "./balancers";
import { slowest, standbyBudget, type FailureBudget } from "./budget";
import { nodePorts } from "./node-ports";

/** Where one replica, or several on one server, answer the balancers. */
export interface Target {
  /** Name of the workload or, without a cluster, of the server. */
  name: string;
  server: string;
  address: string;
  port: number;
  role: Workload["role"];
  /** Replicas behind it. */
  weight: number;
}

/** A service that the balancers pass requests on to. */
export interface BalancedService {
  name: string;
  /** Names in requests' Host header that mean it, in lower case. */
  hosts: string[];
  healthPath: string;
  /** Paths that clients may reach, as prefixes of whole parts; empty for all. */
  publicPaths: string[];
  /** Longest silence of an answer that is under way. */
  silenceSeconds: number;
  /** Active ones first. */
  targets: Target[];
}

/** Hot standby by HAProxy and keepalived, as plain data. */
export interface BalancerPlan {
  virtualAddress: string;
  port: number;
  /** VRRP's virtual router id, 1 to 255: made of the address, so that it stays. */
  routerId: number;
  balancers: Balancer[];
  services: BalancedService[];
}

/** How an environment switches to its standbys. */
export interface StandbyPlan {
  mode: "kubernetes" | "keepalived";
  switchWithinSeconds: number;
  /** For mode keepalived. */
  balancer?: BalancerPlan;
  /** One for each kind of failure. */
  budget: FailureBudget[];
  notes: string[];
  /** What cannot work as written. Empty in a plan that is carried out. */
  findings: Finding[];
}

const key = (...rest: string[]): string[] => ["recovery", "standby", ...rest];

/** Of a request to a unit: nothing says how long its answers take. */
const unitSilenceSeconds = 600;

/**
 * How the environment's services are switched to their standbys, and how long that takes at worst. Pure; undefined where
 * `recovery.standby.mode` is none.
 * @example planStandby(environment, planWorkloads(environment))?.budget.map(({ seconds }) => seconds)
 */
export function planStandby(environment: Environment, workloads: Pick<WorkloadPlan, "services">): StandbyPlan | undefined {
  const { mode, switchWithinSeconds } = environment.recovery.standby;
  if (mode === "none") return undefined;
  const balancer = mode === "keepalived" ? planBalancers(environment, workloads) : undefined;
  const budget = standbyBudget(environment, balancer);
  const findings = [...(mode === "keepalived" ? balancerFindings(environment, balancer) : []), ...budgetFindings(switchWithinSeconds, budget)];
  return { mode, switchWithinSeconds, ...(balancer === undefined ? {} : { balancer }), budget, notes: notesOf(environment, balancer), findings };
}

function planBalancers(environment: Environment, workloads: Pick<WorkloadPlan, "services">): BalancerPlan | undefined {
  const { virtualAddress, port } = environment.recovery.standby;
  if (virtualAddress === undefined) return undefined;
  return {
    virtualAddress,
    port,
    routerId: 1 + (parseInt(shortHash(virtualAddress, 8), 16) % 255),
    balancers: chooseBalancers(environment),
    services: environment.cluster.distribution === "none" ? unitServices(environment) : clusterServices(environment, workloads),
  };
}

/** Services that a second server could answer for: what has one server only gains nothing from a balancer. */
function clusterServices(environment: Environment, { services }: Pick<WorkloadPlan, "services">): BalancedService[] {
  const balanced = Object.values(services).filter(switchable);
  const ports = nodePorts(balanced);
  return balanced.map((service) => {
    const [first] = service.workloads;
    if (first === undefined) throw new Error(`the service ${service.name} has no workload`);
    const { health, publicPaths, drainSeconds } = engineOf(service.engine)({ environment, service, workload: first });
    const targets = service.workloads.map((workload): Target => {
      // A replica that spans servers answers on its first one.
      const [server = ""] = workload.servers;
      return { name: workload.name, server, address: environment.servers[server]?.address ?? "", port: ports.get(workload.name) ?? 0, role: workload.role, weight: workload.replicas };
    });
    return { name: service.name, hosts: [service.spec.hostname ?? service.name].map((host) => host.toLowerCase()), healthPath: health.ready, publicPaths, silenceSeconds: drainSeconds, targets: activeFirst(targets) };
  });
}

function switchable({ workloads }: ServicePlan): boolean {
  return new Set(workloads.map(({ servers }) => servers[0])).size > 1;
}

function unitServices({ recovery, servers }: Environment): BalancedService[] {
  return Object.entries(recovery.standby.units).map(([name, unit]) => {
    const target = (role: Target["role"]) => (server: string): Target => ({ name: server, server, address: servers[server]?.address ?? "", port: unit.port, role, weight: 1 });
    return { name, hosts: [(unit.hostname ?? name).toLowerCase()], healthPath: unit.healthPath, publicPaths: [], silenceSeconds: unitSilenceSeconds, targets: [...unit.servers.map(target("active")), ...unit.standbyServers.map(target("standby"))] };
  });
}

function activeFirst(targets: readonly Target[]): Target[] {
  return [...targets.filter(({ role }) => role === "active"), ...targets.filter(({ role }) => role === "standby")];
}

/** Ports on every k3s server that are taken: ingress, API server, kubelet, etcd, and the range of node ports. */
const k3sPorts = new Set([80, 443, 2379, 2380, 6443, 6444, 10248, 10249, 10250, 10256, 10257, 10258, 10259]);

function* balancerFindings(environment: Environment, plan: BalancerPlan | undefined): Generator<Finding> {
  const { cluster, recovery, services } = environment;
  const { port, units } = recovery.standby;
  if (plan === undefined) return;
  const family = isIP(plan.virtualAddress);
  if (family === 0) yield { keys: key("virtualAddress"), message: "is a name: what moves between servers is an IP address", value: plan.virtualAddress, fix: "Write an unused IP address of the servers' network." };
  if (plan.balancers.length < 2) yield { keys: key("mode"), message: "is keepalived, which needs two servers to move the address between", value: "keepalived", allowed: "none, kubernetes" };
  for (const { server, address } of plan.balancers) {
    const other = isIP(address);
    if (other === 0) yield { keys: ["servers", server, "address"], message: "is a name, but the server is a balancer, which others reach without asking DNS", value: address, fix: "Write its IP address, or name other servers in recovery.standby.balancers." };
    else if (family !== 0 && other !== family) yield { keys: key("virtualAddress"), message: `is of another IP version than the address of the balancer ${server}, ${address}`, value: plan.virtualAddress };
  }
  for (const [index, witness] of recovery.standby.witnesses.entries()) {
    const server = Object.entries(environment.servers).find(([, { address }]) => address === witness)?.[0];
    if (isIP(witness) === 0) yield { keys: key("witnesses", String(index)), message: "is a name, and balancers ask it without asking DNS", value: witness, fix: "Write its IP address." };
    else if (witness === plan.virtualAddress) yield { keys: key("witnesses", String(index)), message: "is the virtual address, which moves with what it should bear witness to", value: witness, fix: "Write the router's or the switch's address." };
    else if (server !== undefined) yield { keys: key("witnesses", String(index)), message: `is the address of ${server}: other servers are asked anyway`, value: witness, fix: "Write the router's or the switch's address." };
  }
  for (const { server, address } of plan.services.flatMap(({ targets }) => targets)) {
    if (isIP(address) === 0 && !plan.balancers.some((balancer) => balancer.server === server)) yield { keys: ["servers", server, "address"], message: "is a name, but balancers reach replicas there without asking DNS", value: address, fix: "Write its IP address." };
  }
  if (cluster.distribution === "k3s" && (k3sPorts.has(port) || (port >= 30000 && port <= 32767))) yield { keys: key("port"), message: "is taken by k3s on every server", value: port, fix: "Write another one, such as 8080." };
  const users = plan.services.filter(({ targets }) => targets.some((target) => target.port === port && plan.balancers.some(({ server }) => server === target.server)));
  for (const { name } of users) yield { keys: key("port"), message: `is the port of ${name} on a server that is a balancer as well`, value: port, fix: "Write another one." };
  if (plan.services.length === 0 && cluster.distribution === "none") yield { keys: key("units"), message: "names nothing that could be switched to", fix: "Name the systemd units that answer, with their servers, or write mode: none." };
  const hosts = new Map<string, string>();
  for (const { name, hosts: own } of plan.services) {
    for (const host of own) {
      const known = hosts.get(host);
      if (known !== undefined) yield { keys: Object.keys(units).length > 0 ? key("units", name, "hostname") : ["services", name, "hostname"], message: `is how clients ask for ${known} as well`, value: host, fix: "Give each its own." };
      hosts.set(host, name);
    }
  }
  for (const [name, { standbyReplicas }] of Object.entries(services)) {
    if (standbyReplicas > 0 && !plan.services.some((service) => service.name === name)) yield { keys: ["services", name, "standbyReplicas"], message: "stand by on the same server as the replicas that answer", value: standbyReplicas, fix: "Add a server with free GPUs." };
  }
}

function* budgetFindings(allowed: number, budget: readonly FailureBudget[]): Generator<Finding> {
  const worst = slowest(budget);
  if (worst === undefined || worst.seconds <= allowed) return;
  const lines = worst.lines.map(({ step, seconds, reason }) => `${step} ${seconds} s (${reason})`).join(", ");
  yield { keys: key("switchWithinSeconds"), message: `is less than what ${worst.title} may take, ${worst.seconds} s: ${lines}`, value: allowed, fix: `Write ${Math.ceil(worst.seconds)} or more${worst.fix === undefined ? "" : `, or ${worst.fix}`}.` };
}

function notesOf({ servers, cluster, recovery }: Environment, plan: BalancerPlan | undefined): string[] {
  if (plan === undefined) return recovery.standby.mode === "kubernetes" ? ["standbys answer together with the active replicas: Kubernetes prefers none"] : [];
  const gpus = plan.balancers.filter(({ server }) => servers[server]?.gpus !== undefined).map(({ server }) => server);
  return [
    "VRRP between the balancers is not authenticated: version 3 has no authentication, and version 2's password goes over the wire as it is. Keep others out of the servers' network.",
    ...(plan.balancers.some(({ witnesses }) => witnesses.length === 0) ? ["with two servers neither can tell whether the other one or the network failed: cut off from each other, with their links up, both hold the address. Name what else echoes in recovery.standby.witnesses, such as the router"] : []),
    ...(gpus.length === 0 ? [] : [`${gpus.join(", ")} ${gpus.length === 1 ? "is a balancer and runs" : "are balancers and run"} replicas as well: where it fails, both are switched at once`]),
    ...(cluster.distribution === "k3s" ? ["the active replica that comes back takes the requests again; a balancer that comes back stays a backup"] : []),
  ];
}
