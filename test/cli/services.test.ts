import { describe, expect, it } from "vitest";
import { renderWorkloads } from "../../cli/render/services";
import type { ServicePlan, Workload } from "../../components/inference/plan-types";
import { model } from "../../components/catalog";
import type { ModelFact } from "../../components/catalog";
import { parseEnvironment } from "../../components/environment";
import { generatedEnvironment } from "../support/environments";
import { plainPaper } from "../support/paper";

const gibibytes = (count: number): number => count * 1024 ** 3;

const workload: Workload = {
  name: "assistant-gpu-01",
  role: "active",
  replicas: 1,
  servers: ["gpu-01"],
  accelerator: "rtx-4090",
  resource: "nvidia.com/gpu",
  devicesPerPod: 2,
  cpus: 8,
  memoryGiB: 32,
  sizing: {
    tensorParallel: 2, pipelineParallel: 1, contextTokens: 8192, concurrency: 8, memoryUtilization: 0.92, reasons: ["2 GPUs: the weights do not fit one"],
    memory: { usableBytes: gibibytes(23.5), budgetBytes: gibibytes(21.6), weightsBytes: gibibytes(7.1), overheadBytes: gibibytes(2), keyValueBytesPerToken: 28672, keyValueBytes: gibibytes(1.8), keyValueTokens: 400000, marginBytes: gibibytes(10.7) },
  },
};

function service(workloads: Workload[], engine: "auto" | "vllm" = "vllm"): ServicePlan {
  const parsed = parseEnvironment({ ...generatedEnvironment(2), cluster: { distribution: "existing" }, services: { assistant: { model: "qwen2.5-7b", ...(engine === "vllm" ? { engine } : {}) } } });
  const spec = parsed.ok ? parsed.environment.services["assistant"] : undefined;
  if (spec === undefined) throw new Error(JSON.stringify(parsed));
  return { name: "assistant", spec, model: model("qwen2.5-7b") as ModelFact, engine: "vllm", engineReason: engine === "auto" ? "vLLM: real-time interaction (guide 3.2)" : "as stated", notes: ["FP8 is native"], workloads };
}

describe("renderWorkloads", () => {
  it("says where each replica is, what it takes and what is left, and why", () => {
    expect(renderWorkloads({ services: { assistant: service([workload]) }, training: {} }, plainPaper)).toBe(
      `  assistant  Qwen2.5 7B in bf16, vllm
    1 replica on gpu-01: 2x NVIDIA GeForce RTX 4090, tensor 2
      ████████████▓▓▓▒▒▒▒░░░░░░░░░░░░░░░░░░···  23.5 GiB a GPU
      █ 7.1 weights  ▓ 1.8 cache  ▒ 2.0 overhead  ░ 10.7 free  · 1.9 left alone
    note: 2 GPUs: the weights do not fit one
    note: FP8 is native
`,
    );
  });

  it("says why an engine was chosen where the choice was left open", () => {
    expect(renderWorkloads({ services: { assistant: service([workload], "auto") }, training: {} }, plainPaper)).toContain("    note: engine: vLLM: real-time interaction (guide 3.2)\n");
  });

  it("tells standbys, replicas that span servers, and several on one server apart", () => {
    const spanning: Workload = { ...workload, servers: ["gpu-01", "gpu-02"], devicesPerPod: 8, sizing: { ...workload.sizing, tensorParallel: 8, pipelineParallel: 2 } };
    const standby: Workload = { ...workload, role: "standby", servers: ["gpu-02"] };
    const several: Workload = { ...workload, replicas: 4, devicesPerPod: 1, sizing: { ...workload.sizing, tensorParallel: 1 } };
    const text = renderWorkloads({ services: { assistant: service([spanning, standby, several]) }, training: {} }, plainPaper);
    expect(text).toContain("1 replica on gpu-01 and gpu-02: 16x NVIDIA GeForce RTX 4090, tensor 8 x\n      pipeline 2\n");
    expect(text).toContain("1 standby replica on gpu-02: 2x NVIDIA GeForce RTX 4090, tensor 2\n");
    expect(text).toContain("4 replicas on gpu-01: 1x NVIDIA GeForce RTX 4090 each\n");
    expect(text.match(/2 GPUs: the weights/g)).toHaveLength(1);
  });

  it("names no GPU on the CPU, no cache where there is none, and training jobs in one line", () => {
    const encoder: Workload = { ...workload, accelerator: "cpu", devicesPerPod: 0, sizing: { ...workload.sizing, tensorParallel: 1, memory: { ...workload.sizing.memory, keyValueBytes: 0 } } };
    const training = { tuning: { name: "tuning", servers: ["gpu-03", "gpu-04"], devicesPerPod: 8, resource: "nvidia.com/gpu", cpus: 64, memoryGiB: 512 } };
    const text = renderWorkloads({ services: { assistant: service([encoder]) }, training }, plainPaper);
    expect(text).toContain("1 replica on gpu-01: the CPU\n      ████████████▒▒▒");
    expect(text).toContain("  23.5 GiB a replica\n");
    expect(text).not.toContain("cache");
    expect(text).toContain("  tuning  training on gpu-03, gpu-04: 8 GPUs each\n");
  });

  it("draws one bar for replicas whose memory is taken alike, and one for each that is not", () => {
    const standby: Workload = { ...workload, role: "standby", servers: ["gpu-02"] };
    const smaller: Workload = { ...workload, servers: ["gpu-03"], sizing: { ...workload.sizing, memory: { ...workload.sizing.memory, keyValueBytes: gibibytes(0.8), marginBytes: gibibytes(11.7) } } };
    const text = renderWorkloads({ services: { assistant: service([workload, standby, smaller]) }, training: {} }, plainPaper);
    expect(text.match(/ a GPU\n/g)).toHaveLength(2);
    expect(text).toMatch(/1 replica on gpu-01.*\n.*1 standby replica on gpu-02.*\n +█/);
  });

  it("calls a MIG slice a slice", () => {
    const slice: Workload = { ...workload, resource: "nvidia.com/mig-1g.10gb", devicesPerPod: 1 };
    expect(renderWorkloads({ services: { assistant: service([slice]) }, training: {} }, plainPaper)).toContain(" GiB a slice\n");
  });

  it("is empty where nothing runs", () => {
    expect(renderWorkloads({ services: {}, training: {} }, plainPaper)).toBe("");
  });
});
