import { gibibyte, memoryBudget, utilizationOf, type ReplicaRequest } from "../sizing";
import type { PlacementOption } from "./options";

/** What a replica on the CPU asks of its server. */
export interface CpuNeed {
  memoryGiB: number;
}

/** Python, the engine and its libraries: an assumption. */
const processGiB = 2;

/** A replica on the CPU: one process, no cache but what it asks for, all of it in the host's memory. */
export function cpuOption(request: ReplicaRequest): PlacementOption {
  const alone = { tensorParallel: 1, pipelineParallel: 1 };
  const { tensorParallel: _tensorParallel, pipelineParallel: _pipelineParallel, gpus: _gpus, ...plain } = request;
  const { weightsBytes, overheadBytes, keyValueBytes } = memoryBudget(plain, 0, alone);
  const needed = weightsBytes + overheadBytes + keyValueBytes;
  const memoryGiB = Math.ceil(needed / utilizationOf(plain) / gibibyte) + processGiB;
  const memory = memoryBudget(plain, memoryGiB * gibibyte, alone);
  return {
    accelerator: "cpu",
    servesOn: () => true,
    devicesPerPod: 0,
    together: 1,
    servers: 1,
    choice: {
      split: { ...alone, servers: 1 },
      sizing: {
        ...alone,
        contextTokens: Math.min(request.contextTokens, request.model.contextTokens), concurrency: request.concurrency, memoryUtilization: utilizationOf(plain), memory,
        reasons: [`on the CPU: ${memoryGiB} GiB of the host's memory`],
      },
    },
    notes: [],
    cpu: { memoryGiB },
  };
}
