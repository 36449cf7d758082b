import { rule } from "../rule";
import { INFERENCE_SERVICE, type InferenceServiceSpec } from "../specs";

const settings = {
  spareGiB: { type: "number", minimum: 0, maximum: 64, description: "Memory of each GPU that must stay free beside weights, cache and overhead, in GiB.", default: 0 },
} as const;

const bytesPerGiB = 1024 ** 3;
const gib = (bytes: number): string => (bytes / bytesPerGiB).toFixed(1);

export const memoryBoundsTheModel = rule<InferenceServiceSpec, typeof settings>({
  name: "memory-bounds-the-model",
  title: "The GPUs' memory holds the model",
  description: "Weights, cache and overhead of a replica must fit the memory that its engine may use on each GPU, as the planner sizes them.",
  section: "guide 2.1, facts 4",
  severity: "critical",
  enforcementLevel: "mandatory",
  remediationSteps: "Give the replica more or larger GPUs, a narrower precision, less context or fewer requests at once; `rackwright size` names the smallest change that fits.",
  types: [INFERENCE_SERVICE],
  settings,
  check({ name, workloads }, { spareGiB }, report) {
    for (const { name: workload, accelerator, memory } of workloads) {
      const { usableBytes, budgetBytes, weightsBytes, keyValueBytes, overheadBytes } = memory;
      const needed = weightsBytes + keyValueBytes + overheadBytes;
      const available = budgetBytes - spareGiB * bytesPerGiB;
      if (needed > available) {
        report({ at: `services.${name}.gpusPerReplica`, problem: `${workload} needs ${gib(needed)} GiB on each ${accelerator} (weights ${gib(weightsBytes)}, cache ${gib(keyValueBytes)}, overhead ${gib(overheadBytes)})`, limit: `${gib(available)} GiB`, remedy: "add GPUs to the replica, or lower precision, contextTokens or concurrency" });
      }
      if (budgetBytes > usableBytes) {
        report({ at: `services.${name}.memoryUtilization`, problem: `${workload} may use ${gib(budgetBytes)} GiB of each ${accelerator}`, limit: `${gib(usableBytes)} GiB, which is what programs can have of it`, remedy: "lower memoryUtilization" });
      }
    }
  },
});
