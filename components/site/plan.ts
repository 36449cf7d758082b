import { planCluster } from "../cluster/plan";
import type { Finding } from "../environment/problems";
import type { Environment } from "../environment/schema";
import { planWorkloads, type WorkloadPlan } from "../inference";
import { planModelStore } from "../inference/model-store/plan";
import { inferenceNotes } from "../inference/service-plan";
import { trainingFindings } from "../training/zero";

/** What a whole site becomes beyond its single servers, as plain data. */
export interface SitePlan {
  workloads: WorkloadPlan;
  /** What cannot work as written, from every planner. Nothing is created where there is one. */
  findings: Finding[];
}

/** Plans what runs where, the cluster below it, and where its weights lie. Pure. */
export function planSite(environment: Environment): SitePlan {
  const placed = planWorkloads(environment);
  const services: WorkloadPlan["services"] = {};
  for (const [name, service] of Object.entries(placed.services)) services[name] = { ...service, notes: [...service.notes, ...inferenceNotes(environment, service)] };
  const workloads = { ...placed, services };
  const plans = [workloads, planCluster(environment, workloads), planModelStore(environment, workloads)];
  return { workloads, findings: [...plans.flatMap(({ findings }) => findings), ...trainingFindings(environment)] };
}
