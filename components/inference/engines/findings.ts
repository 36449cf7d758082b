import { isIP } from "node:net";
import { images, isSiteBuilt } from "../../catalog/images";
import type { Finding } from "../../environment/problems";
import type { Environment } from "../../environment/schema";
import type { ServicePlan, Workload } from "../plan-types";
import { engineOf } from "./index";
import { storedUnquantised } from "./requests";
import { backendOf } from "./triton";
import { tritonModels } from "./triton-model";

type Fault = Omit<Finding, "keys"> & { key: string };

/** What an engine cannot do of what a service asks, in words for the person who wrote it. Empty where it can do all. */
export function serviceFindings(environment: Environment, service: ServicePlan): Finding[] {
  const [workload] = service.workloads;
  if (workload === undefined) return [];
  const faults = [
    ...sourceFaults(environment, service, workload), ...addressFaults(service), ...tritonFaults(environment, service, workload), ...libraryFaults(service), ...quantisationFaults(service),
  ];
  return faults.map(({ key, ...rest }) => ({ keys: ["services", service.name, key], ...rest }));
}

function sourceFaults(environment: Environment, service: ServicePlan, workload: Workload): Fault[] {
  const { from, folder } = service.spec.weights;
  const { image } = engineOf(service.engine)({ environment, service, workload });
  return [
    ...(isSiteBuilt(image) && environment.site.mirror?.images === undefined
      ? [{ key: "engine", message: "needs an image that no one publishes", value: service.engine, fix: `Build ${images[image].repository}:${images[image].tag} as docs/engines.md says, put it into a registry and write site.mirror.images.` }]
      : []),
    ...(from === "hub" && !/^[^/]+\/[^/]+$/.test(folder ?? "")
      ? [{ key: "weights", message: "come from a hub, but folder does not name a repository there", ...(folder === undefined ? {} : { value: folder }), allowed: "owner/name", fix: "Write weights.folder as the publisher's hub names the model." }]
      : []),
  ];
}

function addressFaults({ engine, spec }: ServicePlan): Fault[] {
  const { hostname } = spec;
  if (hostname === undefined) return [];
  if (isIP(hostname) !== 0) return [{ key: "hostname", message: "is an address: an ingress tells services apart by name", value: hostname, fix: "Write a name that your DNS resolves to the ingress controller." }];
  if (engine === "tensorrt-llm") return [{ key: "hostname", message: "would open the service to everyone who reaches it, for trtllm-serve takes no API key", value: hostname, fix: "Leave hostname out, or write engine: vllm." }];
  return [];
}

const onnxPrecisions = ["fp32", "bf16", "fp16", "int8"];

function tritonFaults(environment: Environment, service: ServicePlan, workload: Workload): Fault[] {
  if (service.engine !== "triton") return [];
  const models = tritonModels({ environment, service, workload });
  const backends = new Set(models.map(backendOf));
  const mixture: Fault[] = backends.size > 1
    ? [{ key: "moreModels", message: `needs ${[...backends].join(" and ")} in one server, but each of NVIDIA's images has one of them`, fix: "Give the models that generate text a service of their own." }]
    : [];
  const unknown = models.filter((model) => backendOf(model) === "onnxruntime" && !onnxPrecisions.includes(model.precision));
  const precisions = unknown.map((model): Fault => ({
    key: model.name === service.name ? "precision" : "moreModels",
    message: `of ${model.name} is one that ONNX Runtime has no TensorRT mode for`, value: model.precision, allowed: onnxPrecisions.join(", "), fix: "Write fp16, or int8 for a file that was quantised.",
  }));
  const split = backends.has("tensorrtllm") && workload.devicesPerPod > 1
    ? [{ key: "engine", message: "cannot split an engine over GPUs: Triton needs MPI for that, which its image starts as root", value: "triton", fix: "Build the engine for one GPU, or write engine: tensorrt-llm." }]
    : [];
  return [...mixture, ...precisions, ...split];
}

/** Engines that are libraries, behind a server of ours. */
function libraryFaults({ engine, spec, model, workloads }: ServicePlan): Fault[] {
  if (engine !== "deepspeed" && engine !== "colossalai" && engine !== "pytorch") return [];
  const sixteen = ["fp32", "bf16", "fp16"];
  const most = (value: (workload: Workload) => number): number => Math.max(...workloads.map(value));
  const serves = "Write engine: vllm.";
  return [
    ...(engine !== "pytorch" && !sixteen.includes(spec.precision) ? [{ key: "precision", message: `is one that ${engine} does not serve`, value: spec.precision, allowed: sixteen.join(", "), fix: serves }] : []),
    ...(engine !== "pytorch" && model.task !== "text-generation" ? [{ key: "engine", message: "generates text only", value: engine, fix: "Write engine: triton or pytorch." }] : []),
    ...(engine !== "pytorch" && workloads.some(({ accelerator }) => accelerator === "cpu") ? [{ key: "accelerators", message: `has cpu, but ${engine} needs GPUs`, fix: "Leave cpu out, or write engine: pytorch." }] : []),
    ...(engine === "pytorch" && most(({ sizing }) => sizing.tensorParallel) > 1 ? [{ key: "tensorParallel", message: "is more than PyTorch alone does", value: most(({ sizing }) => sizing.tensorParallel), allowed: "1", fix: serves }] : []),
    ...(most(({ sizing }) => sizing.pipelineParallel) > 1 ? [{ key: "pipelineParallel", message: `is more than ${engine} does`, value: most(({ sizing }) => sizing.pipelineParallel), allowed: "1", fix: serves }] : []),
    ...(spec.kvCachePrecision === "fp8" ? [{ key: "kvCachePrecision", message: `is one that ${engine} does not have`, value: "fp8", allowed: "auto", fix: serves }] : []),
  ];
}

function quantisationFaults(service: ServicePlan): Fault[] {
  const { precision, weights } = service.spec;
  const whileLoading: Partial<Record<ServicePlan["engine"], readonly string[]>> = { "vllm": ["fp8", "int8"], "sglang": ["fp8"], "tensorrt-llm": ["fp8"] };
  const able = whileLoading[service.engine];
  if (able === undefined || !storedUnquantised(service) || able.includes(precision)) return [];
  return [{
    key: "precision", message: `cannot be made by ${service.engine} while it loads, and weights.sizeGB (${weights.sizeGB ?? 0}) is that of 16-bit weights`, value: precision, allowed: able.join(", "),
    fix: "Put quantised weights into the store (AWQ, GPTQ or compressed-tensors) and state their size, or leave sizeGB out.",
  }];
}
