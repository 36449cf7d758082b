import { z } from "zod";
import type { Environment } from "../../environment/schema";
import type { WorkloadPlan } from "../../inference";
import { anyValue } from "./board";
import { factsOf } from "./facts";
import { gpuBoard } from "./gpu";
import { inferenceBoard } from "./inference";
import { powerBoard } from "./power";
import type { DashboardModel } from "./sdk";
import { serverBoard } from "./server";
import { siteBoard } from "./site";
import { storageBoard } from "./storage";
import { trainingBoard } from "./training";

export { boardUids } from "./board";
export { dataSource } from "./panels";

/** One dashboard, as Grafana is provisioned with it. */
export interface Board {
  uid: string;
  title: string;
  /** Its uid without `rackwright-`: `site.json`. */
  file: string;
  /** The dashboard's JSON. */
  model: Record<string, unknown>;
}

/** The boards of an environment, the site's first. Those that it can have no data for are left out. Pure. */
export function boards(environment: Environment, workloads: WorkloadPlan): Board[] {
  const input = { environment, workloads };
  const facts = factsOf(input);
  const hasServices = facts.hasCluster && Object.keys(workloads.services).length > 0;
  const hasTraining = facts.hasCluster && Object.keys(workloads.training).length > 0;
  return [
    siteBoard(input, facts),
    serverBoard(input, facts),
    ...(facts.hasGpus ? [gpuBoard(input, facts)] : []),
    ...(facts.tiers.length > 0 ? [storageBoard(input, facts)] : []),
    ...(hasServices ? [inferenceBoard(input, facts)] : []),
    ...(hasTraining ? [trainingBoard(input, facts)] : []),
    powerBoard(input, facts),
  ].map(asBoard);
}

function asBoard(dashboard: DashboardModel): Board {
  const { uid = "", title = "" } = dashboard;
  // The builders leave undefined fields, which JSON does not have.
  return { uid, title, file: `${uid.replace(/^rackwright-/, "")}.json`, model: JSON.parse(JSON.stringify(dashboard)) as Record<string, unknown> };
}

const queried = z.object({ panels: z.array(z.object({ title: z.string().default(""), targets: z.array(z.object({ expr: z.string() })).default([]) })) });

/** Every query of a board as Prometheus gets it where all is chosen at the board's head. */
export function queriesOf({ model }: Pick<Board, "model">): { panel: string; expr: string }[] {
  return queried.parse(model).panels.flatMap(({ title, targets }) => targets.map(({ expr }) => ({ panel: title, expr: expr.replaceAll(/\$(server|service|job)\b/g, anyValue) })));
}
