import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { KubernetesObject } from "../../components/cluster/object";
import { hotTierReadGBps, loadSeconds } from "../../components/inference/engines/load-time";
import { enginePod, sharedMemoryGiB } from "../../components/inference/engines/pod";
import { planWorkloads } from "../../components/inference/placement";
import { inferenceFindings, inferenceNotes, planInferenceService } from "../../components/inference/service-plan";
import { containerOf, options, variablesOf, type Container } from "./engines/container";
import { arbitraryPlan, planOf, stackEnvironments, twoServers, workloadOf } from "./engines/plans";

const environment = twoServers();

interface PodSpec extends Record<string, unknown> {
  containers: Container[];
  terminationGracePeriodSeconds: number;
  volumes: Record<string, unknown>[];
}
interface Template {
  metadata: { labels: Record<string, string>; annotations: Record<string, string> };
  spec: PodSpec;
}

const ofKind = (objects: readonly KubernetesObject[], kind: string): KubernetesObject[] => objects.filter((object) => object.kind === kind);
const one = (objects: readonly KubernetesObject[], kind: string): KubernetesObject & { spec: Record<string, unknown> } => {
  const [object, ...rest] = ofKind(objects, kind);
  if (object === undefined || rest.length > 0) throw new Error(`there are ${ofKind(objects, kind).length} of ${kind}`);
  return object as KubernetesObject & { spec: Record<string, unknown> };
};
const templateOf = (deployment: KubernetesObject): Template => (deployment.spec as { template: Template }).template;

describe("vLLM", () => {
  it("runs a 16-bit model on one GPU", () => {
    const service = planOf("assistant", "vllm", { model: "qwen2.5-7b" }, [workloadOf("assistant", {}, { maxBatchedTokens: 8192 })]);
    const container = containerOf(environment, service);
    expect(container.image).toBe("registry.example.org/mirror/vllm/vllm-openai:v0.33.0");
    expect(container.command).toEqual(["vllm", "serve", "/models/qwen2.5-7b"]);
    expect(container.args).toEqual([
      "--served-model-name", "assistant", "qwen2.5-7b", "--host", "0.0.0.0", "--port", "8000", "--dtype", "bfloat16",
      "--max-model-len", "8192", "--max-num-seqs", "8", "--max-num-batched-tokens", "8192", "--tensor-parallel-size", "1", "--pipeline-parallel-size", "1", "--gpu-memory-utilization", "0.92",
      "--load-format", "runai_streamer", "--model-loader-extra-config", `{"concurrency":16,"memory_limit":${6 * 1024 ** 3}}`,
      "--shutdown-timeout", "600", "--disable-access-log-for-endpoints", "/health,/metrics",
    ]);
    expect(container.resources.limits).toEqual({ "cpu": "6", "memory": "24Gi", "nvidia.com/gpu": "1" });
    expect(container.resources.requests).toEqual(container.resources.limits);
  });

  it("reads quantised weights as they are, and quantises 16-bit ones that the environment says are there", () => {
    const flags = (sizeGB: number | undefined, precision: "fp8" | "int8" | "int4"): string[] | undefined => {
      const service = planOf("a", "vllm", { model: "qwen2.5-7b", precision, weights: sizeGB === undefined ? {} : { sizeGB } });
      return options(containerOf(environment, service).args).get("--quantization");
    };
    expect(flags(undefined, "fp8")).toBeUndefined();
    expect(flags(7.6, "fp8")).toBeUndefined();
    expect(flags(15.2, "fp8")).toEqual(["fp8"]);
    expect(flags(15.2, "int8")).toEqual(["int8_per_channel_weight_only"]);
    expect(flags(undefined, "int4")).toBeUndefined();
  });

  it("takes the load format that is written, and none of its own on the CPU or from a hub", () => {
    const format = (spec: object, change = {}): string[] | undefined => options(containerOf(environment, planOf("a", "vllm", { model: "qwen2.5-7b", ...spec }, [workloadOf("a", change)])).args).get("--load-format");
    expect(format({ weights: { loadFormat: "safetensors" } })).toEqual(["safetensors"]);
    expect(format({ weights: { loadFormat: "fastsafetensors" } })).toEqual(["fastsafetensors"]);
    expect(format({ weights: { loadFormat: "runai-streamer" } })).toEqual(["runai_streamer"]);
    expect(format({ weights: { from: "hub", folder: "owner/name" } })).toBeUndefined();
    expect(format({}, { accelerator: "cpu", devicesPerPod: 0 })).toBeUndefined();
  });

  it("holds the largest tensor in the streamer's buffer however little memory the pod has", () => {
    const service = planOf("a", "vllm", { model: "gemma-3-27b" }, [workloadOf("a", { memoryGiB: 6 })]);
    const [settings] = options(containerOf(environment, service).args).get("--model-loader-extra-config") ?? [];
    expect((JSON.parse(settings ?? "{}") as { memory_limit: number }).memory_limit).toBeGreaterThan(262144 * 5376 * 2);
  });

  it("says what dynamic batching comes to, and never leaves it out in silence", () => {
    for (const engine of ["vllm", "sglang", "tensorrt-llm", "deepspeed", "colossalai", "pytorch"] as const) {
      const service = planOf("a", engine, { model: "qwen2.5-7b", dynamicBatching: { maxQueueDelayMicroseconds: 1000, preferredBatchSizes: [4, 8] } });
      const [note] = inferenceNotes(environment, service).filter((text) => text.startsWith("dynamicBatching"));
      expect(note, engine).toMatch(/1000.*4, 8/);
    }
  });

  it("has its workers of other servers without an API, without probes and on their own server", () => {
    const workload = workloadOf("big", { servers: ["gpu-0001", "gpu-0002"], devicesPerPod: 4 }, { tensorParallel: 4, pipelineParallel: 2 });
    const service = planOf("big", "vllm", { model: "llama-3.1-405b", precision: "int4" }, [workload]);
    const member = { server: "gpu-0002", rank: "$(LWS_WORKER_INDEX)", leaderAddress: "$(LWS_LEADER_ADDRESS)", pods: 2, through: "native", leads: false } as const;
    const worker = containerOf(environment, service, workload, member);
    expect(worker.args.slice(-11)).toEqual([
      "--distributed-executor-backend", "mp", "--nnodes", "2", "--node-rank", "$(LWS_WORKER_INDEX)", "--master-addr", "$(LWS_LEADER_ADDRESS)", "--master-port", "29501", "--headless",
    ]);
    expect([worker.ports.map(({ name }) => name), worker.startupProbe, worker.readinessProbe, worker.livenessProbe]).toEqual([["allocator"], undefined, undefined, undefined]);
    const { template } = enginePod({ environment, service, workload, member });
    expect(template.spec.volumes).toContainEqual({ name: "models", persistentVolumeClaim: { claimName: "models-gpu-0002", readOnly: true } });
    expect(JSON.stringify(template.spec.affinity)).toContain('"values":["gpu-0002"]');
    expect(template.metadata.labels["app.kubernetes.io/component"]).toBe("worker");
    const leader = containerOf(environment, service, workload, { ...member, leads: true, server: "gpu-0001", rank: "0" });
    expect(leader.args).not.toContain("--headless");
    expect(leader.startupProbe).toBeDefined();
  });
});

describe("every pod", () => {
  it("meets the level restricted, carries no secret and reaches no hub, whatever the plan", () => {
    fc.assert(fc.property(arbitraryPlan, (service) => {
      const objects = planInferenceService(environment, service);
      for (const deployment of ofKind(objects, "Deployment")) {
        const { spec } = templateOf(deployment);
        expect(spec).toMatchObject({ automountServiceAccountToken: false, enableServiceLinks: false, securityContext: { runAsNonRoot: true, runAsUser: 10001, fsGroup: 10001, seccompProfile: { type: "RuntimeDefault" } } });
        for (const container of spec.containers) {
          expect(container.securityContext).toEqual({ allowPrivilegeEscalation: false, capabilities: { drop: ["ALL"] }, readOnlyRootFilesystem: true });
          expect(container.resources.limits).toEqual(container.resources.requests);
          const variables = variablesOf(container);
          expect(variables).toMatchObject({ DO_NOT_TRACK: "1", HF_HUB_DISABLE_TELEMETRY: "1" });
          const hub = service.spec.weights.from === "hub";
          expect([variables.HF_HUB_OFFLINE, variables.TRANSFORMERS_OFFLINE]).toEqual(hub ? [undefined, undefined] : ["1", "1"]);
          // The key is a reference wherever it appears.
          for (const { name, value, valueFrom } of container.env.filter(({ name }) => name.includes("KEY"))) {
            expect([name, value, valueFrom]).toEqual([name, undefined, { secretKeyRef: { name: "inference-api-key", key: "key" } }]);
          }
          for (const arg of container.args.filter((text) => /key/i.test(text) && !text.startsWith("--api-key"))) expect(arg).toContain("$(INFERENCE_API_KEY)");
          const models = container.volumeMounts.filter(({ name }) => name === "models");
          expect(models.every(({ readOnly, mountPath }) => readOnly === true || (hub && mountPath === "/models"))).toBe(true);
          expect(container.volumeMounts).toContainEqual({ name: "shm", mountPath: "/dev/shm" });
          const paths = container.volumeMounts.map(({ mountPath }) => mountPath);
          expect(new Set(paths).size).toBe(paths.length);
        }
      }
      // Two replicas are the same but for their server, and the same plan gives the same objects.
      expect(planInferenceService(environment, service)).toEqual(objects);
    }), { numRuns: 200 });
  });

  it("may take as long to start as its weights need, and several times that", () => {
    fc.assert(fc.property(arbitraryPlan, (service) => {
      for (const workload of service.workloads) {
        const { estimatedStartSeconds, startBudgetSeconds, terminationGraceSeconds, program } = enginePod({ environment, service, workload });
        const probe = containerOf(environment, service, workload).startupProbe;
        const sizeGB = service.spec.weights.sizeGB ?? 0;
        expect(estimatedStartSeconds).toBeGreaterThan(sizeGB / 6);
        expect((probe?.failureThreshold ?? 0) * (probe?.periodSeconds ?? 0)).toBeGreaterThanOrEqual(startBudgetSeconds);
        expect(startBudgetSeconds).toBeGreaterThanOrEqual(Math.max(300, 3 * estimatedStartSeconds));
        expect(terminationGraceSeconds).toBeGreaterThanOrEqual(program.drainSeconds + 10);
      }
    }), { numRuns: 200 });
  });

  it("takes longer from slower drives, and never less for more weights", () => {
    const fast = environment.servers["gpu-0001"];
    expect(hotTierReadGBps(fast)).toBe(6);
    expect(hotTierReadGBps(undefined)).toBe(0.12);
    const small = planOf("a", "vllm", { model: "qwen2.5-7b" });
    const large = planOf("a", "vllm", { model: "qwen2.5-72b" });
    const seconds = (service: typeof small): number => loadSeconds(environment, service, ["gpu-0001"], 120);
    expect(seconds(small)).toBe(Math.ceil(60 + 15.24 / 1.7 + 120));
    expect(seconds(large)).toBeGreaterThan(seconds(small));
    const several = { ...small, weightsGB: 17, moreModels: { other: { model: large.model, weightsGB: 34 } } };
    expect(seconds(several)).toBe(Math.ceil(60 + 51 / 1.7 + 120));
    expect(loadSeconds(environment, small, ["gpu-0001", "no-such-server"], 120)).toBeGreaterThan(seconds(small));
  });

  it("shares memory between its processes within what it has", () => {
    fc.assert(fc.property(fc.integer({ min: 6, max: 4096 }), (memoryGiB) => {
      const shared = sharedMemoryGiB(memoryGiB);
      expect(shared).toBeGreaterThanOrEqual(1);
      expect(shared).toBeLessThanOrEqual(Math.min(16, memoryGiB / 4));
    }));
  });

  it("cuts off no request that the plan says it waits for", () => {
    const quick = planOf("a", "vllm", { model: "qwen2.5-7b" }, [workloadOf("a", {}, { contextTokens: 4000, estimate: { tokensPerSecondPerRequest: 40, tokensPerSecond: 320, boundBy: "memory bandwidth", assumptions: [] } })]);
    expect(enginePod({ environment, service: quick, workload: quick.workloads[0] ?? workloadOf("a") }).terminationGraceSeconds).toBe(10 + 100 + 20);
    expect(inferenceNotes(environment, quick).join()).not.toContain("cuts off");
    const slow = planOf("a", "vllm", { model: "qwen2.5-7b" }, [workloadOf("a", {}, { contextTokens: 100_000 })]);
    expect(inferenceNotes(environment, slow).join()).toMatch(/100000 tokens takes about 10000 s.*600 s/);
  });
});

describe("one service", () => {
  const service = planOf("assistant", "vllm", { model: "qwen2.5-7b", hostname: "models.corp.example", priority: "batch" }, [
    workloadOf("assistant", { replicas: 3 }),
    workloadOf("assistant", { name: "assistant-gpu-0002-standby", role: "standby", servers: ["gpu-0002"] }),
  ]);
  const objects = planInferenceService(environment, service);
  const deployments = ofKind(objects, "Deployment");

  it("is made of what it needs and nothing else", () => {
    expect(objects.map(({ kind, metadata }) => `${kind} ${metadata.name}`)).toEqual([
      "ServiceAccount assistant", "ConfigMap assistant-gpu-0001", "ConfigMap assistant-gpu-0002-standby", "Deployment assistant-gpu-0001", "Deployment assistant-gpu-0002-standby", "Service assistant", "Ingress assistant", "PodDisruptionBudget assistant", "NetworkPolicy assistant",
    ]);
    for (const { metadata } of objects) expect(metadata).toMatchObject({ namespace: "inference", labels: { "app.kubernetes.io/managed-by": "rackwright", "rackwright.dev/service": "assistant" } });
    expect(one(objects, "ServiceAccount").automountServiceAccountToken).toBe(false);
  });

  it("replaces pods one after another, for there is no GPU to spare, and waits as long as that takes", () => {
    const [deployment] = deployments;
    const { startBudgetSeconds, terminationGraceSeconds } = enginePod({ environment, service, workload: service.workloads[0] ?? workloadOf("assistant") });
    expect(deployment?.spec).toMatchObject({
      replicas: 3, revisionHistoryLimit: 2, strategy: { rollingUpdate: { maxSurge: 0, maxUnavailable: 1 } }, progressDeadlineSeconds: 900 + startBudgetSeconds + terminationGraceSeconds,
    });
    expect(deployment?.metadata.annotations).toEqual({ "pulumi.com/timeoutSeconds": String(900 + 3 * (startBudgetSeconds + terminationGraceSeconds)) });
  });

  it("pins each workload to its server and its server's weights, and keeps the role out of selectors", () => {
    const [active, standby] = deployments.map(templateOf);
    expect(JSON.stringify(standby?.spec.affinity)).toContain('"values":["gpu-0002"]');
    expect(standby?.spec.volumes).toContainEqual({ name: "models", persistentVolumeClaim: { claimName: "models-gpu-0002", readOnly: true } });
    expect([active, standby].map((template) => template?.metadata.labels["rackwright.dev/role"])).toEqual(["active", "standby"]);
    for (const deployment of deployments) expect(Object.keys((deployment.spec as { selector: { matchLabels: object } }).selector.matchLabels)).toEqual(["rackwright.dev/service", "app.kubernetes.io/instance"]);
    const selectors = deployments.map(({ spec }) => JSON.stringify((spec as { selector: object }).selector));
    expect(new Set(selectors).size).toBe(2);
    expect(active?.spec).toMatchObject({ runtimeClassName: "rackwright-nvidia", priorityClassName: "rackwright-batch", serviceAccountName: "assistant" });
  });

  it("sends requests to active pods only, and lets Prometheus find the metrics", () => {
    expect(one(objects, "Service").spec).toEqual({
      type: "ClusterIP",
      selector: { "rackwright.dev/service": "assistant", "rackwright.dev/role": "active", "app.kubernetes.io/component": "api" },
      ports: [{ name: "http", port: 80, targetPort: 8000, protocol: "TCP" }, { name: "metrics", port: 8000, targetPort: 8000, protocol: "TCP" }],
    });
    for (const deployment of deployments) expect(templateOf(deployment).metadata.annotations).toMatchObject({ "prometheus.io/scrape": "true", "prometheus.io/port": "8000", "prometheus.io/path": "/metrics" });
  });

  it("lets clients of the outside at nothing that has no key", () => {
    expect(one(objects, "Ingress").spec).toEqual({
      ingressClassName: "traefik",
      rules: [{ host: "models.corp.example", http: { paths: [{ path: "/v1", pathType: "Prefix", backend: { service: { name: "assistant", port: { name: "http" } } } }] } }],
    });
    expect(ofKind(planInferenceService(environment, planOf("a", "vllm", { model: "qwen2.5-7b" })), "Ingress")).toEqual([]);
  });

  it("is reached by clients, the ingress controller and Prometheus, and reaches nothing itself", () => {
    const { spec } = one(objects, "NetworkPolicy");
    const client = { namespaceSelector: {}, podSelector: { matchLabels: { "rackwright.dev/client": "true" } } };
    const namespace = (name: string): object => ({ namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": name } } });
    expect(spec).toEqual({
      podSelector: { matchLabels: { "rackwright.dev/service": "assistant" } }, policyTypes: ["Ingress", "Egress"],
      ingress: [
        { from: [client, namespace("kube-system")], ports: [{ protocol: "TCP", port: 8000 }] },
        { from: [namespace("monitoring")], ports: [{ protocol: "TCP", port: 8000 }, { protocol: "TCP", port: 9401 }] },
      ],
      egress: [],
    });
    const inside = one(planInferenceService(environment, planOf("a", "vllm", { model: "qwen2.5-7b" })), "NetworkPolicy");
    expect(JSON.stringify(inside)).not.toContain("kube-system");
  });

  it("reaches a hub's port where the environment says so, and nowhere else", () => {
    const hub = one(planInferenceService(environment, planOf("a", "vllm", { model: "qwen2.5-7b", weights: { from: "hub", folder: "owner/name" } })), "NetworkPolicy");
    expect(hub.spec.egress).toEqual([{ ports: [{ protocol: "TCP", port: 443 }] }]);
  });

  it("makes new pods of a Triton server when a model's configuration changes, and only then", () => {
    const camera = (delay: number): Template => {
      const plan = planOf("camera", "triton", { model: "vit-l-16", dynamicBatching: { maxQueueDelayMicroseconds: delay } });
      return templateOf(one(planInferenceService(environment, plan), "Deployment"));
    };
    const hash = (delay: number): string | undefined => camera(delay).metadata.annotations["rackwright.dev/files-sha256"];
    expect(hash(100)).toMatch(/^[0-9a-f]{16}$/);
    expect(hash(200)).not.toBe(hash(100));
    expect(camera(100)).toEqual(camera(100));
  });

  it("keeps the files of a Triton server in a ConfigMap that its pods mount", () => {
    const made = planInferenceService(environment, planOf("camera", "triton", { model: "vit-l-16" }));
    const map = one(made, "ConfigMap") as unknown as { metadata: { name: string }; data: Record<string, string> };
    expect(Object.keys(map.data)).toEqual(["repository.camera.config.pbtxt"]);
    expect(templateOf(one(made, "Deployment")).spec.volumes).toContainEqual({ name: "files", configMap: { name: map.metadata.name } });
  });
});

describe("a replica that spans servers", () => {
  const workload = workloadOf("big", { servers: ["gpu-0001", "gpu-0002"], devicesPerPod: 4 }, { tensorParallel: 4, pipelineParallel: 2 });
  const objects = planInferenceService(environment, planOf("big", "vllm", { model: "llama-3.1-405b", precision: "int4" }, [workload]));

  it("is one LeaderWorkerSet instead of a Deployment, whose pods may talk to each other and whose leader alone is the service", () => {
    expect(ofKind(objects, "Deployment")).toEqual([]);
    const { leaderWorkerTemplate } = one(objects, "LeaderWorkerSet").spec as { leaderWorkerTemplate: { size: number; leaderTemplate: Template; workerTemplate: Template } };
    expect(leaderWorkerTemplate.size).toBe(2);
    const { selector } = one(objects, "Service").spec as { selector: Record<string, string> };
    const selected = ({ metadata }: Template): boolean => Object.entries(selector).every(([label, value]) => metadata.labels[label] === value);
    expect([selected(leaderWorkerTemplate.leaderTemplate), selected(leaderWorkerTemplate.workerTemplate)]).toEqual([true, false]);
    const peers = { podSelector: { matchLabels: { "rackwright.dev/service": "big" } } };
    expect(one(objects, "NetworkPolicy").spec).toMatchObject({ ingress: expect.arrayContaining([{ from: [peers] }]) as unknown, egress: [{ to: [peers] }] });
  });

  it("is refused with an engine that cannot", () => {
    const findings = inferenceFindings(environment, planOf("big", "pytorch", { model: "llama-3.1-405b" }, [workload]));
    expect(findings.map(({ keys }) => keys.join("."))).toContain("services.big.engine");
  });
});

describe("the environments of the repository", () => {
  it.each(Object.entries(stackEnvironments()))("%s: names of objects are all different, and GPUs are what the plan says", (_name, stack) => {
    const { services } = planWorkloads(stack);
    const objects = Object.values(services).flatMap((service) => planInferenceService(stack, service));
    const names = objects.map(({ kind, metadata }) => `${kind} ${metadata.name}`);
    expect(new Set(names).size).toBe(names.length);
    expect(ofKind(objects, "Deployment").length).toBe(Object.values(services).flatMap(({ workloads }) => workloads.filter(({ servers }) => servers.length === 1)).length);
    for (const service of Object.values(services)) {
      for (const workload of service.workloads) {
        const { limits } = containerOf(stack, service, workload).resources;
        expect(workload.resource === undefined ? "0" : limits[workload.resource]).toBe(String(workload.devicesPerPod));
      }
    }
  });
});
