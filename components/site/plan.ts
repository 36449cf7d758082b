import { planCluster } from "../cluster/plan";
import type { Finding } from "../environment/problems";
import type { Environment } from "../environment/schema";
import { planModelStore } from "../inference/model-store/plan";
import { planWorkloads, type WorkloadPlan } from "../inference";
import { trainingFindings } from "../training/zero";

/** What a whole site becomes beyond its single servers, as plain data. */
export interface SitePlan {
  workloads: WorkloadPlan;
  /** What cannot work as written, from every planner. Nothing is created where there is one. */
  findings: Finding[];
}

/** Plans what runs where, the cluster below it, and where its weights lie. Pure. */
export function planSite(environment: Environment): SitePlan {
  const workloads = planWorkloads(environment);
  const plans = [workloads, planCluster(environment, workloads), planModelStore(environment, workloads)];
  return { workloads, findings: [...plans.flatMap(({ findings }) => findings), ...trainingFindings(environment)] };
}
