import { environmentSchema, type Environment, type TierName } from "../../components/environment/schema";
import { planSoftware } from "../../components/servers/software-plan";
import { planTiers } from "../../components/servers/tiers-plan";
import { GPU_DRIVER, INFERENCE_SERVICE, POD_OWNERS, REMOTE_COMMANDS, SERVER, SITE, STORAGE_TIER, type GpuDriverSpec, type InferenceServiceSpec, type PodOwnerSpec, type RemoteCommandSpec, type ServerSpec, type SiteSpec, type StorageTierSpec } from "../../policies/specs";

/** A well-formed ed25519 host key; another number gives another key. */
export function hostKey(number: number): string {
  const field = (bytes: Buffer) => Buffer.concat([Buffer.from([0, 0, 0, bytes.length]), bytes]);
  return `ssh-ed25519 ${Buffer.concat([field(Buffer.from("ssh-ed25519")), field(Buffer.alloc(32, number))]).toString("base64")}`;
}

const server = (number: number) => ({
  address: `10.0.0.${number}`,
  hostKey: hostKey(number),
  rack: { name: "r1", unit: number * 4 },
  cpu: { model: "epyc-7543", sockets: 1 },
  memoryGiB: 512,
  pcieGeneration: 4 as const,
  gpus: { model: "a100-80gb-pcie", count: 4, nvlink: "bridge" as const, mig: "1g.10gb" },
  nics: { ens1: { speedGbps: 100, rdma: "roce" as const } },
  drives: {
    [`nvme-fast_${number}a`]: { kind: "nvme" as const, capacityGB: 3840 },
    [`nvme-fast_${number}b`]: { kind: "nvme" as const, capacityGB: 3840 },
    [`ata-ssd_${number}a`]: { kind: "sata-ssd" as const, capacityGB: 1920 },
    [`ata-ssd_${number}b`]: { kind: "sata-ssd" as const, capacityGB: 1920 },
    [`ata-hdd_${number}a`]: { kind: "hdd" as const, capacityGB: 16000 },
  },
  tiers: {
    hot: { level: "raid0" as const, drives: [`nvme-fast_${number}a`, `nvme-fast_${number}b`], encryptionAtRest: "self-encrypting-drives" as const },
    warm: { level: "raid1" as const, drives: [`ata-ssd_${number}a`, `ata-ssd_${number}b`], encryptionAtRest: "self-encrypting-drives" as const },
    cold: { level: "single" as const, drives: [`ata-hdd_${number}a`], encryptionAtRest: "self-encrypting-drives" as const },
  },
  maxPowerWatts: 2000,
  price: 80000,
});

const controller = { address: "10.0.0.3", hostKey: hostKey(3), roles: ["control-plane" as const], cpu: { model: "xeon-silver-4310" }, memoryGiB: 64, pcieGeneration: 4 as const, price: 4000 };

/** An environment that no rule objects to, built so that every rule has something to look at. */
export function environment(): Environment {
  return environmentSchema.parse({
    site: {
      name: "happy",
      dataClass: "medical",
      internetAccess: false,
      budget: { min: 100000, max: 200000 },
      mirror: { apt: "http://mirror.site/apt", images: "registry.site:5000", files: "http://mirror.site/files" },
      objectStore: { endpoint: "https://store.site", bucket: "history" },
      power: { pue: 1.4, limitWatts: 6000 },
      racks: { r1: { powerLimitWatts: 4000 } },
    },
    ssh: { user: "ops", bastion: { address: "10.0.0.250", user: "ops", hostKey: hostKey(250) } },
    software: { cudaToolkit: "12.8" },
    servers: { "gpu-01": server(1), "gpu-02": server(2), "ctrl-01": controller },
    cluster: { distribution: "k3s", controlPlane: ["gpu-01", "gpu-02", "ctrl-01"], gpuStack: "gpu-operator", apiAddress: "10.0.0.251" },
    services: {
      assistant: { model: "qwen2.5-72b", engine: "vllm", precision: "int4", contextTokens: 8192, standbyReplicas: 1, gpusPerReplica: 2, hostname: "assistant.site" },
    },
    training: { finetune: { servers: ["gpu-01", "gpu-02"], command: ["python3", "train.py"], image: "registry.site:5000/lab/train:7" } },
    monitoring: { receivers: { operations: { kind: "webhook", url: "https://alerts.site/hook" } } },
    recovery: { standby: { mode: "keepalived", virtualAddress: "10.0.0.252" }, coldStart: { imagesTier: "cold" } },
  });
}

export function siteSpec(): SiteSpec {
  const { site, ...rest } = environment();
  return { name: site.name, site, ...rest };
}

function gpu01() {
  const found = environment().servers["gpu-01"];
  if (!found) throw new Error("The happy environment has lost gpu-01.");
  return found;
}

export function serverSpec(): ServerSpec {
  return { name: "gpu-01", ...gpu01() };
}

/** As the Server component puts it together from the plan. */
export function tierSpec(name: TierName): StorageTierSpec {
  const { drives } = gpu01();
  const found = planTiers("gpu-01", gpu01()).find(({ tier }) => tier === name);
  if (!found) throw new Error(`The happy server has lost its ${name} tier.`);
  return { ...found, server: "gpu-01", drives: found.drives.map((id) => ({ id, ...(drives[id] ?? { kind: "hdd", capacityGB: 1 }) })) };
}

/** As the Server component puts it together from the plan. */
export function driverSpec(): GpuDriverSpec {
  const { gpus } = gpu01();
  const { driver } = planSoftware(environment(), "gpu-01", gpu01());
  if (!gpus || !driver) throw new Error("The happy server has lost its GPUs.");
  const { gpuCount: _count, gpuName: _name, ...rest } = driver;
  return { ...rest, server: "gpu-01", gpus, cudaToolkit: environment().software.cudaToolkit };
}

/** As the InferenceService component puts it together from the plan; the figures are those of a 72B model in int4 on two A100. */
export function serviceSpec(): InferenceServiceSpec {
  const service = environment().services["assistant"];
  if (!service) throw new Error("The happy environment has lost its service.");
  const gib = 1024 ** 3;
  const memory = { usableBytes: 79 * gib, budgetBytes: 72 * gib, weightsBytes: 20 * gib, overheadBytes: 3 * gib, keyValueBytesPerToken: 163840, keyValueBytes: 10 * gib, keyValueTokens: 300000, marginBytes: 39 * gib };
  const workload = { replicas: 1, accelerator: "a100-80gb-pcie", devicesPerPod: 2, tensorParallel: 2, pipelineParallel: 1, nvlinkDomain: 2, memory };
  return {
    name: "assistant",
    service,
    model: { name: "Qwen2.5 72B", parametersBillion: 72.7, attentionHeads: 64, keyValueHeads: 8, latentCache: false },
    engine: "vllm",
    engineReason: "as stated",
    workloads: [
      { name: "assistant-gpu-01", role: "active", servers: ["gpu-01"], ...workload },
      { name: "assistant-gpu-02-standby", role: "standby", servers: ["gpu-02"], ...structuredClone(workload) },
    ],
  };
}

/** An object that starts pods, in the form that its kind has. */
export function podOwnerSpec(type: string = POD_OWNERS[0]): PodOwnerSpec {
  const template = {
    spec: {
      initContainers: [{ name: "layout", image: "registry.site:5000/rclone/rclone:1.75.1" }],
      containers: [{ name: "engine", image: `registry.site:5000/vllm/vllm-openai@sha256:${"0".repeat(64)}`, command: ["vllm"], args: ["--port=8000", "--api-key=$(API_KEY)"], env: [{ name: "HOME", value: "/tmp" }, { name: "API_KEY" }] }],
    },
  };
  if (type.endsWith(":CronJob")) return { spec: { jobTemplate: { spec: { template } } } };
  if (type.endsWith(":LeaderWorkerSet")) return { spec: { leaderWorkerTemplate: { leaderTemplate: template, workerTemplate: structuredClone(template) } } };
  return { spec: { template } };
}

export function commandSpec(): RemoteCommandSpec {
  return { connection: { host: "10.0.0.1", hostKey: hostKey(1), proxy: { host: "10.0.0.250", hostKey: hostKey(250) } } };
}

/** Everything that the rules look at, as type and spec. */
export function happyResources(): { type: string; name: string; spec: object }[] {
  return [
    { type: SITE, name: "happy", spec: siteSpec() },
    { type: SERVER, name: "gpu-01", spec: serverSpec() },
    ...(["hot", "warm", "cold"] as const).map((tier) => ({ type: STORAGE_TIER, name: `gpu-01-${tier}`, spec: tierSpec(tier) })),
    { type: GPU_DRIVER, name: "gpu-01-driver", spec: driverSpec() },
    { type: INFERENCE_SERVICE, name: "assistant", spec: serviceSpec() },
    ...POD_OWNERS.map((type) => ({ type, name: "engine", spec: podOwnerSpec(type) })),
    ...REMOTE_COMMANDS.map((type) => ({ type, name: "gpu-01-base", spec: commandSpec() })),
  ];
}
