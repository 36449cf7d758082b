import { planCluster } from "../cluster/plan";
import type { Finding } from "../environment/problems";
import type { Environment } from "../environment/schema";
import { planWorkloads, type WorkloadPlan } from "../inference";
import { planModelStore } from "../inference/model-store/plan";
import { monitoringFindings } from "../monitoring/plan";
import { planStandby } from "../recovery/standby/plan";
import { inferenceFindings, inferenceNotes } from "../inference/service-plan";
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
  const refused = Object.values(placed.services).flatMap((service) => inferenceFindings(environment, service));
  const findings = [placed, planCluster(environment, placed), planModelStore(environment, placed)].flatMap((plan) => plan.findings);
  findings.push(...monitoringFindings(environment), ...refused, ...trainingFindings(environment));
  // Of services that are not all placed it would find what is only missing.
  if (findings.length === 0) findings.push(...(planStandby(environment, placed)?.findings ?? []));
  return { workloads: findings.length > 0 ? placed : { ...placed, services: annotated(environment, placed.services) }, findings };
}

/** Services with what their engine makes of its settings. */
function annotated(environment: Environment, services: WorkloadPlan["services"]): WorkloadPlan["services"] {
  return Object.fromEntries(Object.entries(services).map(([name, service]) => [name, { ...service, notes: [...service.notes, ...inferenceNotes(environment, service)] }]));
}
