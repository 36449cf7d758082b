import { readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Environment } from "../../../components/environment";
import { enginePod } from "../../../components/inference/engines/pod";
import type { ServicePlan, Workload } from "../../../components/inference/plan-types";
import { planInferenceService } from "../../../components/inference/service-plan";
import { containerOf, variablesOf } from "./container";
import { arbitraryPlan, planOf, twoServers, workloadOf } from "./plans";

const environment = twoServers();
const unmonitored: Environment = { ...environment, monitoring: { ...environment.monitoring, enabled: false } };
const text = (name: string): string => readFileSync(join(__dirname, "../../../components/inference/engines/scripts", name), "utf8");
const keys = { site: "etc.rackwright.python.sitecustomize.py", metrics: "etc.rackwright.python.allocator_metrics.py" };

const has = (service: ServicePlan, workload?: Workload, where = environment): boolean => containerOf(where, service, workload).ports.some(({ name }) => name === "allocator");
const policyPorts = (service: ServicePlan, where = environment): unknown[] => {
  const policy = planInferenceService(where, service).find(({ kind }) => kind === "NetworkPolicy");
  const { ingress } = policy?.spec as { ingress: { from: { namespaceSelector?: { matchLabels?: Record<string, string> } }[]; ports?: { port: number }[] }[] };
  return ingress.filter(({ from }) => from.some(({ namespaceSelector }) => Object.values(namespaceSelector?.matchLabels ?? {}).includes("monitoring"))).map(({ ports = [] }) => ports.map(({ port }) => port));
};

describe("the allocator's exporter in an engine's pod", () => {
  const service = planOf("assistant", "vllm", { model: "qwen2.5-7b" });

  it("is two files of the pod's ConfigMap, three variables and a port, and no flag of the engine", () => {
    const container = containerOf(environment, service);
    const plain = containerOf(unmonitored, service);
    expect(variablesOf(container)).toEqual({ ...variablesOf(plain), PYTHONPATH: "/etc/rackwright/python", RACKWRIGHT_ALLOCATOR_FOLDER: "/tmp/rackwright-allocator", RACKWRIGHT_ALLOCATOR_PORT: "9401" });
    expect(container.ports).toEqual([...plain.ports, { name: "allocator", containerPort: 9401, protocol: "TCP" }]);
    expect(container.volumeMounts.filter(({ name }) => name === "files")).toEqual([
      { name: "files", mountPath: "/etc/rackwright/python/sitecustomize.py", subPath: keys.site, readOnly: true },
      { name: "files", mountPath: "/etc/rackwright/python/allocator_metrics.py", subPath: keys.metrics, readOnly: true },
    ]);
    expect([container.command, container.args]).toEqual([plain.command, plain.args]);
    const [workload] = service.workloads;
    if (workload === undefined) throw new Error("there is no workload");
    const { configMap, template } = enginePod({ environment, service, workload });
    expect(configMap?.data).toEqual({ [keys.site]: text("sitecustomize.py"), [keys.metrics]: text("allocator_metrics.py") });
    expect(template.spec.volumes).toContainEqual({ name: "files", configMap: { name: workload.name } });
    expect(template.metadata.annotations["rackwright.dev/files-sha256"]).toMatch(/^[0-9a-f]{16}$/);
    // The root is read-only: its figures go to the pod's own /tmp.
    expect(container.volumeMounts).toContainEqual({ name: "tmp", mountPath: "/tmp" });
  });

  it("is in the pods of all engines whose GPU work is done by Python processes with PyTorch", () => {
    const engines = ["vllm", "sglang", "tensorrt-llm", "deepspeed", "colossalai", "pytorch", "triton"] as const;
    expect(engines.map((engine) => [engine, has(planOf("a", engine, { model: "qwen2.5-7b" }))])).toEqual(engines.map((engine) => [engine, true]));
  });

  it("is not where there is no Python, no PyTorch or no GPU of its kind", () => {
    const onCpu = workloadOf("a", { accelerator: "cpu", devicesPerPod: 0 });
    const onNpu = workloadOf("a", { accelerator: "vendor.example/npu", resource: "vendor.example/npu" });
    delete onCpu.resource;
    expect(has(planOf("a", "triton", { model: "vit-l-16" }))).toBe(false);
    expect(has(planOf("a", "triton", { model: "qwen2.5-7b", modelConfig: { build_config: {} } }))).toBe(false);
    for (const engine of ["vllm", "deepspeed", "pytorch", "triton"] as const) expect(has(planOf("a", engine, { model: "qwen2.5-7b" }, [onCpu])), engine).toBe(false);
    expect(has(planOf("a", "vllm", { model: "qwen2.5-7b" }, [onNpu]))).toBe(false);
  });

  it("keeps the files of the engine's own beside it", () => {
    const data = enginePod({ environment, service: planOf("a", "pytorch", { model: "qwen2.5-7b" }), workload: workloadOf("a") }).configMap?.data;
    expect(Object.keys(data as object).sort()).toEqual(["etc.engine.pytorch_server.py", "etc.engine.serving.py", keys.metrics, keys.site].sort());
  });

  it("is in every pod of a replica that spans servers, for all of them hold GPUs", () => {
    const workload = workloadOf("big", { servers: ["gpu-0001", "gpu-0002"], devicesPerPod: 4 }, { tensorParallel: 4, pipelineParallel: 2 });
    const big = planOf("big", "vllm", { model: "llama-3.1-405b", precision: "int4" }, [workload]);
    for (const leads of [true, false]) {
      const container = containerOf(environment, big, workload, { leads, server: "gpu-0001", rank: "0", leaderAddress: "leader", pods: 2, through: "native" });
      expect(container.ports.map(({ name }) => name)).toEqual(leads ? ["http", "allocator"] : ["allocator"]);
      expect(variablesOf(container).PYTHONPATH).toBe("/etc/rackwright/python");
    }
    expect(planInferenceService(environment, big).filter(({ kind }) => kind === "ConfigMap")).toHaveLength(1);
    expect(policyPorts(big)).toEqual([[8000, 9401]]);
  });

  it("opens its port to Prometheus, and to nobody where there is no exporter", () => {
    expect(policyPorts(service)).toEqual([[8000, 9401]]);
    expect(policyPorts(planOf("a", "triton", { model: "vit-l-16" }))).toEqual([[8002]]);
    expect(policyPorts(service, unmonitored)).toEqual([]);
    const policy = planInferenceService(environment, service).find(({ kind }) => kind === "NetworkPolicy");
    const [clients] = (policy?.spec as { ingress: { ports: { port: number }[] }[] }).ingress;
    expect(clients?.ports.map(({ port }) => port)).toEqual([8000]);
  });

  it("leaves nothing of it in any pod where monitoring is off", () => {
    fc.assert(
      fc.property(arbitraryPlan, (plan) => {
        expect(JSON.stringify(planInferenceService(unmonitored, plan))).not.toMatch(/allocator|PYTHONPATH|sitecustomize|9401/i);
      }),
      { numRuns: 60 },
    );
  });

  it("comes as a whole or not at all, whatever is planned", () => {
    fc.assert(
      fc.property(arbitraryPlan, (plan) => {
        const containers = plan.workloads.map((workload) => containerOf(environment, plan, workload));
        for (const container of containers) {
          const port = container.ports.some(({ containerPort }) => containerPort === 9401);
          expect(variablesOf(container).PYTHONPATH === "/etc/rackwright/python").toBe(port);
          expect(container.volumeMounts.filter(({ mountPath }) => mountPath.startsWith("/etc/rackwright/python/"))).toHaveLength(port ? 2 : 0);
          expect(new Set(container.ports.map(({ containerPort }) => containerPort)).size).toBe(container.ports.length);
        }
        expect(policyPorts(plan).flat().includes(9401)).toBe(containers.some(({ ports }) => ports.some(({ containerPort }) => containerPort === 9401)));
      }),
      { numRuns: 60 },
    );
  });
});
