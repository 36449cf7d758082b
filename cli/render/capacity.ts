import { nodeCapacity, type DeviceCapacity } from "../../components/cluster/capacity";
import type { Environment } from "../../components/environment";
import { modelsOn } from "../../components/inference/model-store/models";
import { gibibyte, gigabyte } from "../../components/inference/sizing";
import { overheadPercent, serverWatts } from "../../policies/hardware/power";
import type { EnvironmentPlan } from "../plan-environment";
import { table } from "../table";
import type { Paper } from "../terminal";
import { levelBar } from "./bars";

/** How much of one thing that the site has is taken. */
export interface Level {
  taken: number;
  whole: number;
  unit: "devices" | "gigabytes" | "watts";
  /** `GPUs`, `hot tier, weights`, `power`. */
  what: string;
  /** Server, rack or `site`. */
  where: string;
}

const shownAlike = 3;
const mostBarColumns = 16;

/** `7.68 TB`, `480 GB`. */
export function capacity(gigabytes: number): string {
  return gigabytes >= 1000 ? `${Number((gigabytes / 1000).toFixed(2))} TB` : `${Math.round(gigabytes)} GB`;
}

function devicesTaken({ services, training }: EnvironmentPlan["workloads"], server: string, resource: string): number {
  const ofServices = Object.values(services).flatMap(({ workloads }) => workloads).filter((each) => each.resource === resource && each.servers.includes(server));
  const ofJobs = Object.values(training).filter((job) => job.resource === resource && job.servers.includes(server));
  return ofServices.reduce((sum, { devicesPerPod, replicas }) => sum + devicesPerPod * replicas, 0) + ofJobs.reduce((sum, { devicesPerPod }) => sum + devicesPerPod, 0);
}

function deviceName({ resource, gpu, sharedBy }: DeviceCapacity): string {
  if (gpu === undefined) return resource;
  if (resource.startsWith("nvidia.com/mig-")) return `slices ${resource.slice("nvidia.com/mig-".length)}`;
  return sharedBy > 1 ? `shares of GPUs, ${sharedBy} each` : "GPUs";
}

function deviceLevels(environment: Environment, { workloads }: EnvironmentPlan): Level[] {
  if (Object.keys({ ...workloads.services, ...workloads.training }).length === 0) return [];
  return Object.entries(environment.servers).flatMap(([name, server]) =>
    nodeCapacity(server, environment).devices.map((device): Level => ({ taken: devicesTaken(workloads, name, device.resource), whole: device.count, unit: "devices", what: deviceName(device), where: name })),
  );
}

const tierOrder = ["hot", "warm", "cold"] as const;

function tierLevels({ servers, workloads, monitoring }: EnvironmentPlan): Level[] {
  return tierOrder.flatMap((wanted) =>
    servers.flatMap(({ name, tiers }) => tiers.filter(({ tier }) => tier === wanted).map((tier) => ({ name, ...tier }))).flatMap(({ name, tier, usableGB }): Level[] => {
      const weightsGB = tier === "hot" ? modelsOn({ ...workloads, findings: [] }, name).reduce((sum, { sizeGB }) => sum + sizeGB, 0) : 0;
      const measuredGB = monitoring?.keptOn?.server === name && monitoring.keptOn.tier === tier ? (monitoring.keptOn.retentionGiB * gibibyte) / gigabyte : 0;
      const holds = [...(weightsGB > 0 ? ["weights"] : []), ...(measuredGB > 0 ? ["measurements"] : [])];
      return holds.length === 0 ? [] : [{ taken: weightsGB + measuredGB, whole: usableGB, unit: "gigabytes", what: `${tier} tier, ${holds.join(" and ")}`, where: name }];
    }),
  );
}

function powerLevels({ site, servers }: Environment): Level[] {
  const watts = (of: Environment["servers"][string][]): number => of.reduce((sum, server) => sum + serverWatts(server, overheadPercent.default), 0);
  const racks = Object.entries(site.racks).flatMap(([name, { powerLimitWatts }]): Level[] =>
    powerLimitWatts === undefined ? [] : [{ taken: watts(Object.values(servers).filter(({ rack }) => rack?.name === name)), whole: powerLimitWatts, unit: "watts", what: "power", where: name }],
  );
  const { limitWatts, pue } = site.power;
  if (limitWatts === undefined) return racks;
  return [...racks, { taken: watts(Object.values(servers)) * pue, whole: limitWatts, unit: "watts", what: `power with cooling, PUE ${pue}`, where: "site" }];
}

/**
 * What is taken of what the site has: devices of each server, tiers that the plan puts something on, racks and the site
 * where their power is limited. Power is what servers may draw under load, as the rules on power reckon it.
 */
export function siteLevels(environment: Environment, plan: EnvironmentPlan): Level[] {
  return [...deviceLevels(environment, plan), ...tierLevels(plan), ...powerLevels(environment)];
}

const kilowatts = (watts: number): string => `${Number((watts / 1000).toFixed(1))}`;

function amounts({ taken, whole, unit }: Level): string {
  switch (unit) {
    case "devices":
      return `${taken} of ${whole}`;
    case "gigabytes":
      return `${capacity(taken)} of ${capacity(whole)}`;
    case "watts":
      return `${kilowatts(taken)} of ${kilowatts(whole)} kW`;
  }
}

/** Levels as bars, those that are alike in one line. Empty where there are none. */
export function renderLevels(levels: readonly Level[], paper: Paper): string {
  const alike = new Map<string, Level[]>();
  for (const level of levels) {
    const key = JSON.stringify([level.what, level.taken, level.whole]);
    alike.set(key, [...(alike.get(key) ?? []), level]);
  }
  if (alike.size === 0) return "";
  const barColumns = Math.min(mostBarColumns, paper.columns - 48);
  const rows = [...alike.values()].map((group) => {
    const names = group.map(({ where }) => where);
    const places = names.length <= shownAlike ? names.join(", ") : `${names.slice(0, shownAlike).join(", ")} and ${names.length - shownAlike} alike`;
    return group.slice(0, 1).flatMap((level) => [levelBar(level.taken, level.whole, barColumns, paper), amounts(level), `${places}${names.length > 1 ? " each" : ""}: ${level.what}`]);
  });
  return `  ${paper.style("bold", "capacity taken")}\n${table(rows, "    ", paper.columns)}`;
}
