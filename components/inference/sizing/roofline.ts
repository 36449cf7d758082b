import { gpu } from "../../catalog";
import type { ThroughputEstimate, Workload } from "../plan-types";
import type { ReplicaRequest } from "./request";

export function estimateThroughput(_request: ReplicaRequest, workload: Pick<Workload, "accelerator">): ThroughputEstimate | undefined {
  if (gpu(workload.accelerator) === undefined) return undefined;
  return undefined;
}
