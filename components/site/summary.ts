import type { Environment } from "../environment/schema";
import type { ServicePlan } from "../inference";
import type { ServerPlan } from "../servers";

/** What a user wants to know of a server once it is up. */
export interface ServerSummary {
  address: string;
  tiers: Record<string, { mount: string; level: string; usableGB: number; survivesDrives: number }>;
  gpus?: { model: string; count: number; driver: string };
}

/** What a user wants to know of a service once it is up. */
export interface ServiceSummary {
  model: string;
  engine: string;
  /** Servers of each replica that answers, and of each that stands by. */
  active: string[][];
  standby: string[][];
}

export function summariseServer(plan: ServerPlan, environment: Environment): ServerSummary {
  const gpus = environment.servers[plan.name]?.gpus;
  const { driver } = plan.software;
  return {
    address: plan.connection.host,
    tiers: Object.fromEntries(plan.tiers.map(({ tier, mount, level, usableGB, survivesDrives }) => [tier, { mount, level, usableGB, survivesDrives }])),
    ...(gpus === undefined || driver === undefined ? {} : { gpus: { model: gpus.model, count: gpus.count, driver: driver.version } }),
  };
}

export function summariseService({ spec, engine, workloads }: ServicePlan): ServiceSummary {
  const serversOf = (role: "active" | "standby"): string[][] =>
    workloads.filter((workload) => workload.role === role).flatMap(({ replicas, servers }) => Array.from({ length: replicas }, () => servers));
  return { model: spec.model, engine, active: serversOf("active"), standby: serversOf("standby") };
}
