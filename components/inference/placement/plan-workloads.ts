import type { Finding } from "../../environment/problems";
import type { Environment } from "../../environment/schema";
import type { ServicePlan, Workload, WorkloadPlan } from "../plan-types";
import { gigabyte, weightsBytes } from "../sizing";
import { placementOptions, shapeGroups, type OptionCache } from "./options";
import { placeService, type Manner, type Placement } from "./place-service";
import { serverStates } from "./servers";
import { serviceRequests, type ServiceRequest } from "./service-request";
import { shortage } from "./shortage";
import { placeTraining } from "./training";

/** DNS label of a Deployment's pods. */
const longestName = 63;
/** LeaderWorkerSet appends a group, and its StatefulSet's pods carry a label with the name and a hash. */
const longestSpanningName = 50;

function nameFindings({ name }: ServiceRequest, workloads: readonly Workload[]): Finding[] {
  return workloads.flatMap((workload) => {
    const most = workload.servers.length > 1 ? longestSpanningName : longestName;
    if (workload.name.length <= most) return [];
    return [{ keys: ["services", name], message: `makes a workload name of ${workload.name.length} characters`, value: workload.name, allowed: `at most ${most}`, fix: `Shorten the name of the service or of the server ${workload.servers[0] ?? ""} by ${workload.name.length - most}.` }];
  });
}

/** `a` on `b-c` and `a-b` on `c` would both be `a-b-c`. */
function clashes(plans: Readonly<Record<string, ServicePlan>>): Finding[] {
  const owners = new Map<string, string>();
  return Object.values(plans).flatMap(({ name: service, workloads }) =>
    workloads.flatMap(({ name }): Finding[] => {
      const owner = owners.get(name);
      owners.set(name, owner ?? service);
      return owner === undefined ? [] : [{ keys: ["services", service], message: `makes a workload with the name of one of ${owner}`, value: name, fix: "Rename the service." }];
    }),
  );
}

function servicePlan(service: ServiceRequest, workloads: Workload[], notes: readonly string[]): ServicePlan {
  const { name, spec, model, engine, moreModels } = service;
  return {
    name, spec, model, engine: engine.engine, engineReason: engine.reason, notes: [...new Set([...service.notes, ...notes])],
    weightsGB: spec.weights.sizeGB ?? weightsBytes(model, spec.precision) / gigabyte,
    ...(Object.keys(moreModels).length === 0 ? {} : { moreModels }),
    workloads,
  };
}

function planOnce(environment: Environment, services: readonly ServiceRequest[], manner: Manner, optionCache: OptionCache): WorkloadPlan {
  const states = serverStates(environment);
  const groups = shapeGroups(states);
  const { training, findings } = placeTraining(environment, states);
  const plans: Record<string, ServicePlan> = {};
  for (const service of services) {
    const options = placementOptions(service, groups, optionCache);
    const explain = (missing: NonNullable<Placement["missing"]>): Finding => shortage(service, options, states, groups, optionCache, missing);
    const placed = options.length === 0 ? explain({ role: "active", placed: 0 }) : placeService(service, options, states, manner, explain);
    if ("message" in placed) {
      findings.push(placed);
      continue;
    }
    findings.push(...nameFindings(service, placed.workloads));
    plans[service.name] = servicePlan(service, placed.workloads, placed.notes);
  }
  const sorted = Object.fromEntries(Object.entries(plans).sort(([a], [b]) => (a < b ? -1 : 1)));
  return { services: sorted, training, findings: [...findings, ...clashes(sorted)] };
}

/**
 * Decides what runs where on a site: training jobs on the servers they name, then services, the urgent and the large
 * first, active replicas before standbys, each on the first accelerator of its list that has room. Pure, and independent
 * of the order of keys.
 */
export function planWorkloads(environment: Environment): WorkloadPlan {
  if (environment.cluster.distribution === "none") {
    const findings = Object.keys(environment.training).map((name): Finding => ({ keys: ["training", name], message: "needs a cluster, but cluster.distribution is none", fix: "Write cluster.distribution: k3s or existing, or leave the job out." }));
    return { services: {}, training: {}, findings };
  }
  const { services, findings } = serviceRequests(environment);
  const optionCache: OptionCache = new Map();
  // Spreading survives a lost server; packing finds room where spreading has cut it into pieces.
  const spread = planOnce(environment, services, "spread", optionCache);
  const packed = spread.findings.length === 0 ? spread : planOnce(environment, services, "pack", optionCache);
  const best = packed.findings.length < spread.findings.length ? packed : spread;
  return { ...best, findings: [...findings, ...best.findings] };
}
