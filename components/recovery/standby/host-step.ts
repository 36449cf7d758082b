import type { Environment } from "../../environment/schema";
import { textfileFolder } from "../../monitoring/names";
import { planWorkloads } from "../../inference/placement/plan-workloads";
import { packed } from "../../servers/packed";
import type { Balancer } from "./balancers";
import { haproxyConfig, healthAddress } from "./haproxy";
import { keepalivedConfig, virtualPrefix } from "./keepalived";
import { planStandby, type BalancerPlan } from "./plan";

/** Of the distribution; ping is keepalived's health check's. */
export const balancerPackages = ["haproxy", "keepalived", "iputils-ping"] as const;

/** What a server is that passes requests on. */
export interface HostBalancerPlan {
  own: Balancer;
  plan: BalancerPlan;
  /** Where it leaves what it sees for node_exporter; absent where the environment wants no monitoring. */
  metricsFolder?: string;
}

const plans = new WeakMap<Environment, BalancerPlan | undefined>();

/** The environment's balancers, from the environment alone; undefined where it has none. */
export function planHostBalancers(environment: Environment): BalancerPlan | undefined {
  if (environment.recovery.standby.mode !== "keepalived") return undefined;
  // Placing all services takes its time, and is the same for every server.
  if (!plans.has(environment)) plans.set(environment, planStandby(environment, planWorkloads(environment))?.balancer);
  return plans.get(environment);
}

/** What the server is to the hot standby; undefined where it is no balancer. */
export function planHostBalancer(environment: Environment, server: string): HostBalancerPlan | undefined {
  const plan = planHostBalancers(environment);
  const own = plan?.balancers.find((balancer) => balancer.server === server);
  return plan === undefined || own === undefined ? undefined : { own, plan, ...(environment.monitoring.enabled ? { metricsFolder: textfileFolder } : {}) };
}

/** Flags of standby.sh. */
export function balancerArgs({ own, plan, metricsFolder }: HostBalancerPlan): string[] {
  return [
    "--address", own.address,
    "--virtual", virtualPrefix(plan.virtualAddress),
    ...balancerPackages.flatMap((name) => ["--package", name]),
    // A file ends with one line feed, which the script adds.
    "--haproxy", packed(haproxyConfig(plan).trimEnd()),
    "--keepalived", packed(keepalivedConfig(plan, own).trimEnd()),
    ...(metricsFolder === undefined ? [] : ["--metrics-folder", metricsFolder, "--statistics", [healthAddress.port, healthAddress.path, healthAddress.statistics].join(":")]),
  ];
}
