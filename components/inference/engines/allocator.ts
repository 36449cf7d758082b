import type { ImageId } from "../../catalog/images";
import { allocatorPortName, ports } from "../../monitoring/names";
import type { EngineInput, EngineProgram, EnvironmentVariable, MountedFile } from "./engine";
import { script } from "./script";

/**
 * Images whose GPU work is done by Python processes with PyTorch. trtllm-serve's workers are of its PyTorch backend and are
 * Python too. Not among them: Triton's ONNX Runtime and its tensorrtllm backend, which are C++ without PyTorch, and vLLM on
 * CPUs and NPUs, whose memory is not that of CUDA's allocator. None of these images sets PYTHONPATH itself (general knowledge:
 * their Dockerfiles), so that nothing of it is lost.
 */
const torchImages: ReadonlySet<ImageId> = new Set<ImageId>(["vllm", "triton-vllm", "tensorrt-llm", "sglang", "deepspeed", "colossalai", "pytorch"]);

const folder = "/etc/rackwright/python";
const files = ["sitecustomize.py", "allocator_metrics.py"];
/** In the pod's own `/tmp`: the only thing that its processes share. */
const figuresFolder = "/tmp/rackwright-allocator";

export interface AllocatorExporter {
  env: EnvironmentVariable[];
  files: MountedFile[];
  /** Name to number, as of {@link EngineProgram}. */
  ports: Readonly<Record<string, number>>;
}

/** Whether the processes of a pod say how PyTorch's allocator uses GPU memory. */
export function exportsAllocator({ environment, workload }: Pick<EngineInput, "environment" | "workload">, { image }: Pick<EngineProgram, "image">): boolean {
  const onNvidia = workload.resource?.startsWith("nvidia.com/") === true && workload.devicesPerPod > 0;
  return environment.monitoring.enabled && onNvidia && torchImages.has(image);
}

/**
 * What an engine's pod gets so that memory fragmentation is seen (guide 5.1), which only the processes themselves can tell
 * (facts 5). Python finds `sitecustomize.py` by PYTHONPATH in each process, spawned or forked, on whatever server of a replica.
 */
export function allocatorExporter(input: EngineInput, program: EngineProgram): AllocatorExporter {
  if (!exportsAllocator(input, program)) return { env: [], files: [], ports: {} };
  return {
    env: [
      { name: "PYTHONPATH", value: folder },
      { name: "RACKWRIGHT_ALLOCATOR_FOLDER", value: figuresFolder },
      { name: "RACKWRIGHT_ALLOCATOR_PORT", value: String(ports.allocator) },
    ],
    files: files.map((name) => ({ path: `${folder}/${name}`, content: script(name) })),
    ports: { [allocatorPortName]: ports.allocator },
  };
}
