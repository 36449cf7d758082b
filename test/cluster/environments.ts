import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { parseEnvironment, type Environment, type EnvironmentInput } from "../../components/environment";
import type { TrainingPlan, Workload, WorkloadPlan } from "../../components/inference/plan-types";
import { hostKey } from "../support/environments";

export const stackNames = ["dev-test", "edge", "large-cluster", "medical-imaging", "quality-inspection", "sme-production"] as const;

export function parsed(input: unknown): Environment {
  const result = parseEnvironment(input);
  if (!result.ok) throw new Error(JSON.stringify(result.problems, null, 2));
  return result.environment;
}

/** An environment of `stacks/`, changed before it is read. */
export function stack(name: (typeof stackNames)[number], change: (input: EnvironmentInput) => void = () => undefined): Environment {
  const { config } = parse(readFileSync(join(__dirname, `../../stacks/Pulumi.${name}.yaml`), "utf8")) as { config: Record<string, EnvironmentInput> };
  const input = config["rackwright:environment"] as EnvironmentInput;
  change(input);
  return parsed(input);
}

type ServerInput = EnvironmentInput["servers"][string];

export function cpuServer(address: string, more: Partial<ServerInput> = {}): ServerInput {
  return { address, hostKey: hostKey(address), cpu: { model: "epyc-7543" }, memoryGiB: 256, pcieGeneration: 4, ...more };
}

export const gpuServer = (address: string, more: Partial<ServerInput> = {}): ServerInput => cpuServer(address, { gpus: { model: "a100-80gb-pcie", count: 4 }, ...more });

/** Three control-plane servers without GPUs, three GPU servers; `more` is merged into the cluster's part. */
export function site(change: (input: EnvironmentInput) => void = () => undefined): Environment {
  const control = Object.fromEntries([1, 2, 3].map((index) => [`ctrl-0${index}`, cpuServer(`10.0.0.${10 + index}`, { roles: ["control-plane"] })]));
  const workers = Object.fromEntries([1, 2, 3].map((index) => [`gpu-0${index}`, gpuServer(`10.0.0.${20 + index}`)]));
  const input: EnvironmentInput = {
    site: { name: "site", mirror: { apt: "http://mirror.example.org/apt", images: "registry.example.org:5000/copies", files: "http://mirror.example.org/files/" } },
    ssh: { user: "ops" },
    servers: { ...control, ...workers },
    cluster: { distribution: "k3s", controlPlane: ["ctrl-01", "ctrl-02", "ctrl-03"], apiAddress: "10.0.0.10" },
  };
  change(input);
  return parsed(input);
}

/** A plan with these workloads of one service, and these training jobs. */
export function planOf(workloads: readonly Partial<Workload>[] = [], training: readonly Partial<TrainingPlan>[] = []): WorkloadPlan {
  const whole = workloads.map((workload) => ({ name: "assistant-gpu-01", role: "active", replicas: 1, servers: ["gpu-01"], accelerator: "a100-80gb-pcie", resource: "nvidia.com/gpu", devicesPerPod: 1, cpus: 8, memoryGiB: 64, ...workload }));
  return {
    services: workloads.length === 0 ? {} : { assistant: { name: "assistant", spec: { weights: { from: "store" } }, workloads: whole } },
    training: Object.fromEntries(training.map((job, index) => [`job-${index}`, { name: `job-${index}`, servers: ["gpu-01"], devicesPerPod: 4, resource: "nvidia.com/gpu", cpus: 16, memoryGiB: 128, ...job }])),
    findings: [],
  } as unknown as WorkloadPlan;
}
