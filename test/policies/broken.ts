import type { Registered } from "../support/registered";
import type { Base, Patch } from "./broken-bases";

/** An environment that somebody gets wrong, and all that the pack says of it. */
export interface BrokenEnvironment {
  /** What was done, as a reader of the guide would say it. */
  name: string;
  base: Base;
  /** Change of what the user writes. */
  change?: Patch;
  /** Change of what components register, by the resource's name: what a component of another hand would say. */
  registers?: Readonly<Record<string, Patch>>;
  /** What somebody's own code registers beside it. */
  adds?: readonly Registered[];
  /** The pack's configuration, by rule. */
  config?: Readonly<Record<string, Record<string, unknown>>>;
  /** Places that the product refuses before the pack is asked. Absent: it refuses none. */
  refused?: readonly string[];
  /** Level, rule and resource of every violation, each as often as it is found. */
  violates: readonly string[];
}

const twice = (violation: string): string[] => [violation, violation];
const thrice = (violation: string): string[] => [violation, ...twice(violation)];
const gpu01 = (change: Patch): Patch => ({ servers: { "gpu-01": change } });
const strong: Patch = { site: { budget: null, power: { limitWatts: null }, racks: { r1: { powerLimitWatts: null } } } };
const withPower = (change: Patch): Patch => ({ ...strong, servers: { "gpu-01": { maxPowerWatts: null, ...change } } });
const hgx = (model: string, count: number, cpu: string, pcieGeneration: number): Patch => withPower({ gpus: { model, count, nvlink: "nvswitch" }, cpu: { model: cpu, sockets: 2 }, pcieGeneration, pcieSwitch: true });
/** The served base with a training job over both servers, on what the service leaves free. */
const trained = (change: Patch = {}): Patch => ({ ...change, training: { finetune: { servers: ["gpu-01", "gpu-02"], gpusPerServer: 2, command: ["python3", "train.py"] } } });
const deployment = (container: Record<string, unknown>): Registered[] => [{ type: "kubernetes:apps/v1:Deployment", name: "chat", spec: { spec: { template: { spec: { containers: [{ name: "web", image: "registry.site:5000/chat:1.4.2", ...container }] } } } } }];
const command = (connection: Record<string, unknown>): Registered[] => [{ type: "command:remote:Command", name: "tune", spec: { create: "sysctl -w vm.swappiness=1", connection: { host: "10.0.0.9", hostKey: "ssh-ed25519 AAAA", ...connection } } }];

const storage: BrokenEnvironment[] = [
  { name: "a hot tier of SATA drives in RAID 0", base: "lone", change: gpu01({ drives: { "nvme-fast_1a": { kind: "sata-ssd" }, "nvme-fast_1b": { kind: "sata-ssd" } } }), violates: twice("mandatory raid0-hot-tier-nvme-only gpu-01-hot") },
  { name: "one SATA drive among the NVMe of a hot tier", base: "lone", change: gpu01({ drives: { "nvme-fast_1b": { kind: "sata-ssd" } } }), violates: ["mandatory raid0-hot-tier-nvme-only gpu-01-hot", "advisory array-drives-alike gpu-01-hot"] },
  { name: "checkpoints on RAID 0", base: "lone", change: gpu01({ tiers: { warm: { level: "raid0" } } }), violates: [...thrice("mandatory raid0-hot-tier-nvme-only gpu-01-warm"), "mandatory warm-tier-survives-a-drive gpu-01-warm"] },
  { name: "history on RAID 0 of rotating drives", base: "lone", change: gpu01({ tiers: { cold: { level: "raid0" } } }), violates: thrice("mandatory raid0-hot-tier-nvme-only gpu-01-cold") },
  { name: "checkpoints on a single drive", base: "lone", change: gpu01({ tiers: { warm: { level: "single", drives: ["ata-ssd_1a"] } } }), violates: ["mandatory warm-tier-survives-a-drive gpu-01-warm"] },
  { name: "checkpoints on rotating drives", base: "lone", change: gpu01({ drives: { "ata-ssd_1a": { kind: "hdd" }, "ata-ssd_1b": { kind: "hdd" } } }), violates: twice("mandatory warm-tier-on-ssd gpu-01-warm") },
  { name: "history on NVMe", base: "lone", change: gpu01({ drives: { "ata-hdd_1a": { kind: "nvme" }, "ata-hdd_1b": { kind: "nvme" } } }), violates: twice("advisory cold-tier-on-capacity-drives gpu-01-cold") },
  { name: "a hot tier in RAID 5", base: "lone", change: gpu01({ drives: { "nvme-fast_1c": { kind: "nvme", capacityGB: 3840 } }, tiers: { hot: { level: "raid5", drives: ["nvme-fast_1a", "nvme-fast_1b", "nvme-fast_1c"] } } }), violates: ["advisory no-parity-on-nvme gpu-01-hot"] },
  { name: "a hot tier that is the only copy", base: "lone", change: gpu01({ tiers: { warm: null, cold: null } }), refused: ["monitoring"], violates: ["mandatory hot-tier-has-a-source lone", "advisory three-tiers lone"] },
  { name: "weights that are kept on the hot tier", base: "lone", change: { site: { modelStore: { kind: "directory", path: "/srv/hot/models" } } }, violates: ["mandatory hot-tier-has-a-source lone"] },
  { name: "no tier for history", base: "lone", change: gpu01({ tiers: { cold: null } }), violates: ["advisory three-tiers lone"] },
  { name: "one drive twice in a mirror", base: "lone", change: gpu01({ tiers: { cold: { drives: ["ata-hdd_1a", "ata-hdd_1a"] } } }), refused: ["servers.gpu-01.tiers.cold.drives[1]"], violates: ["mandatory tiers-share-no-drive gpu-01"] },
  { name: "drives by their kernel names", base: "lone", change: gpu01({ drives: { nvme0n1: { kind: "nvme", capacityGB: 3840 }, nvme1n1: { kind: "nvme", capacityGB: 3840 } }, tiers: { hot: { drives: ["nvme0n1", "nvme1n1"] } } }), violates: twice("mandatory drives-by-id gpu-01-hot") },
  { name: "a larger drive in the hot tier", base: "lone", change: gpu01({ drives: { "nvme-fast_1b": { capacityGB: 7680 } } }), violates: ["advisory array-drives-alike gpu-01-hot"] },
  { name: "the edge's weights without the plant's store", base: "edge", change: { site: { objectStore: null }, servers: { "edge-01": { tiers: { warm: null } } }, recovery: { coldStart: { imagesTier: null } } }, refused: ["servers.edge-01.tiers", "monitoring"], violates: ["mandatory hot-tier-has-a-source edge", "mandatory cold-images-have-a-tier edge", "advisory three-tiers edge"] },
];

const hardware: BrokenEnvironment[] = [
  { name: "eight cards on PCIe 3.0", base: "lone", change: withPower({ gpus: { count: 8 }, pcieGeneration: 3, pcieSwitch: true }), violates: ["mandatory pcie-generation-for-gpus gpu-01", "advisory gpu-slot-generation gpu-01"] },
  { name: "eight cards on one socket without switches", base: "lone", change: withPower({ gpus: { count: 8 } }), violates: ["mandatory pcie-lanes gpu-01"] },
  { name: "eight cards on two Ice Lake CPUs, which leaves no lanes for drives", base: "lone", change: withPower({ gpus: { count: 8 }, cpu: { model: "xeon-gold-6348", sockets: 2 } }), violates: ["mandatory pcie-lanes gpu-01"] },
  { name: "PCIe 5.0 on a CPU that has 4.0", base: "lone", change: gpu01({ pcieGeneration: 5 }), violates: ["mandatory pcie-generation-of-the-cpu gpu-01"] },
  { name: "NVLink between RTX 4090", base: "dev-test", change: gpu01({ gpus: { nvlink: "bridge" } }), refused: ["servers.gpu-01.gpus.nvlink"], violates: ["mandatory nvlink-the-gpu-has gpu-01", "advisory gpu-with-ecc gpu-01"] },
  { name: "NVLink between RTX 6000 Ada", base: "quality-inspection", change: gpu01({ gpus: { nvlink: "bridge" } }), refused: ["servers.gpu-01.gpus.nvlink"], violates: ["mandatory nvlink-the-gpu-has gpu-01"] },
  { name: "NVSwitch for PCIe cards", base: "lone", change: gpu01({ gpus: { nvlink: "nvswitch" } }), refused: ["servers.gpu-01.gpus.nvlink"], violates: ["mandatory nvlink-the-gpu-has gpu-01"] },
  { name: "three cards joined by bridges", base: "lone", change: gpu01({ gpus: { count: 3 } }), refused: ["servers.gpu-01.gpus.count"], violates: ["mandatory nvlink-the-gpu-has gpu-01"] },
  { name: "MIG on A40", base: "medical-imaging", change: gpu01({ gpus: { mig: "1g.10gb" } }), refused: ["servers.gpu-01.gpus.mig"], violates: ["mandatory mig-the-gpu-has gpu-01", "advisory encryption-at-rest medical-imaging"] },
  { name: "an H200's MIG profile on A100", base: "lone", change: gpu01({ gpus: { mig: "1g.18gb" } }), refused: ["servers.gpu-01.gpus.mig"], violates: ["mandatory mig-the-gpu-has gpu-01"] },
  { name: "H100 SXM5 on 3rd-generation Xeons, as the guide pairs them", base: "large-cluster", change: gpu01({ cpu: { model: "xeon-platinum-8380" }, pcieGeneration: 4 }), violates: ["advisory sxm-host-platform gpu-01", "advisory liquid-cooling-pue large-cluster"] },
  { name: "six SXM modules on a board", base: "lone", change: hgx("h100-80gb-sxm5", 6, "xeon-platinum-8480c", 5), violates: ["advisory sxm-host-platform gpu-01"] },
  { name: "GeForce cards in production", base: "lone", change: withPower({ gpus: { model: "rtx-4090", nvlink: "none" } }), violates: ["advisory gpu-with-ecc gpu-01"] },
  { name: "H100 in slots of PCIe 4.0", base: "lone", change: withPower({ gpus: { model: "h100-pcie" } }), violates: ["advisory gpu-slot-generation gpu-01"] },
  { name: "power supplies for the cards alone", base: "lone", change: gpu01({ maxPowerWatts: 1200 }), violates: ["mandatory server-power gpu-01"] },
  { name: "a rack with an office's socket", base: "lone", change: { site: { racks: { r1: { powerLimitWatts: 1600 } } } }, violates: ["mandatory rack-power lone"] },
  { name: "a room without the watts for cooling", base: "lone", change: { site: { power: { limitWatts: 2000 } } }, violates: ["mandatory site-power lone"] },
  { name: "the guide's PUE of under 1.1 on air", base: "lone", change: { site: { power: { pue: 1.05 } } }, violates: ["advisory liquid-cooling-pue lone"] },
  { name: "liquid cooling that saves nothing", base: "lone", change: { site: { power: { pue: 1.4, cooling: "liquid" } } }, violates: ["advisory liquid-cooling-pue lone"] },
  { name: "training over servers without RDMA", base: "served", change: trained({ servers: { "gpu-01": { nics: { ens1: { rdma: "none" } } }, "gpu-02": { nics: { ens1: { rdma: "none" } } } } }), violates: twice("advisory rdma-between-servers served") },
  { name: "training over RoCE at 25 Gbit/s", base: "served", change: trained({ servers: { "gpu-02": { nics: { ens1: { speedGbps: 25 } } } } }), violates: ["advisory rdma-between-servers served"] },
];

const inference: BrokenEnvironment[] = [
  { name: "70B in 16 bits on one card", base: "served", change: { services: { assistant: { precision: "bf16", gpusPerReplica: 1, tensorParallel: 1 } } }, refused: ["services.assistant"], violates: [] },
  { name: "a model that leaves less free on a card than the site wants", base: "served", config: { "memory-bounds-the-model": { spareGiB: 50 } }, violates: twice("mandatory memory-bounds-the-model assistant") },
  { name: "tensor parallelism over seven of 64 heads", base: "served", registers: { assistant: { workloads: { 0: { tensorParallel: 7 } } } }, violates: ["mandatory tensor-parallel-divides-heads assistant", "advisory tensor-parallel-in-nvlink-domain assistant", "advisory large-models-on-tensor-and-pipeline assistant"] },
  { name: "tensor parallelism over four cards that are bridged in pairs", base: "served", change: { services: { assistant: { gpusPerReplica: 4, tensorParallel: 4 } } }, violates: [...twice("advisory tensor-parallel-in-nvlink-domain assistant"), ...twice("advisory large-models-on-tensor-and-pipeline assistant")] },
  { name: "70B on pipeline stages alone", base: "served", change: { services: { assistant: { gpusPerReplica: 4, tensorParallel: 1, pipelineParallel: 4 } } }, violates: twice("advisory large-models-on-tensor-and-pipeline assistant") },
  { name: "FP8 on A100", base: "served", change: { services: { assistant: { precision: "fp8" } } }, violates: ["advisory fp8-native assistant"] },
  { name: "FP8 on A40", base: "medical-imaging", change: { services: { reports: { precision: "fp8", concurrency: 1 } } }, violates: ["advisory fp8-native reports", "advisory encryption-at-rest medical-imaging"] },
  { name: "people answered by an engine for training", base: "served", change: { services: { assistant: { model: "qwen2.5-7b", engine: "deepspeed", precision: "bf16", gpusPerReplica: 1, tensorParallel: 1 } } }, refused: ["services.assistant.engine"], violates: ["advisory engine-for-serving assistant"] },
];

const operations: BrokenEnvironment[] = [
  { name: "the guide's driver 535 with CUDA 12.2", base: "lone", change: { software: { driver: { branch: "535" }, cudaToolkit: "12.2" } }, violates: ["advisory driver-branch-supported gpu-01-driver"] },
  { name: "vLLM on the guide's driver 535", base: "dev-test", change: { software: { driver: { branch: "535" } } }, violates: ["mandatory engine-needs-driver gpu-01-driver", "advisory driver-branch-supported gpu-01-driver", "advisory gpu-with-ecc gpu-01"] },
  { name: "CUDA 13 on driver 535", base: "lone", change: { software: { driver: { branch: "535" }, cudaToolkit: "13.0" } }, violates: ["mandatory cuda-toolkit-needs-driver gpu-01-driver", "advisory driver-branch-supported gpu-01-driver"] },
  { name: "CUDA 12.8 on driver 535", base: "lone", change: { software: { driver: { branch: "535" } } }, violates: ["advisory cuda-toolkit-full-features gpu-01-driver", "advisory driver-branch-supported gpu-01-driver"] },
  { name: "the guide's CUDA 12.2 for B200", base: "lone", change: { ...hgx("b200-sxm", 8, "xeon-platinum-8480c", 5), software: { cudaToolkit: "12.2" } }, violates: ["mandatory cuda-toolkit-for-gpu gpu-01-driver"] },
  { name: "B200 on driver 535", base: "lone", change: { ...hgx("b200-sxm", 8, "xeon-platinum-8480c", 5), software: { cudaToolkit: "none", driver: { branch: "535" } } }, violates: ["mandatory driver-for-gpu gpu-01-driver", "advisory driver-branch-supported gpu-01-driver"] },
  { name: "NVSwitch without a fabric manager", base: "lone", change: hgx("h100-80gb-sxm5", 8, "xeon-platinum-8480c", 5), registers: { "gpu-01-driver": { fabricManager: false } }, violates: ["mandatory fabric-manager-on-nvswitch-only gpu-01-driver"] },
  { name: "a fabric manager of another version than the driver", base: "lone", change: hgx("h100-80gb-sxm5", 8, "xeon-platinum-8480c", 5), registers: { "gpu-01-driver": { fabricManager: "580.95.05" } }, violates: ["mandatory fabric-manager-on-nvswitch-only gpu-01-driver"] },
  { name: "a fabric manager for bridged cards", base: "lone", registers: { "gpu-01-driver": { fabricManager: "580.173.02" } }, violates: ["mandatory fabric-manager-on-nvswitch-only gpu-01-driver"] },
  { name: "no persistence daemon", base: "lone", change: { software: { driver: { persistenceDaemon: false } } }, violates: ["advisory persistence-daemon gpu-01-driver"] },
  { name: "the GPU Operator for GeForce cards", base: "dev-test", change: { cluster: { gpuStack: "gpu-operator" } }, violates: ["advisory gpu-operator-supports-the-gpu dev-test", "advisory gpu-with-ecc gpu-01"] },
  { name: "no internet and no package mirror", base: "lone", change: { site: { internetAccess: false } }, violates: ["mandatory air-gapped-mirror lone"] },
  { name: "no internet and no mirrors at the edge", base: "edge", change: { site: { mirror: null } }, refused: ["site.mirror.files"], violates: thrice("mandatory air-gapped-mirror edge") },
  { name: "alerts that fire later than the guide's", base: "lone", change: { monitoring: { alerts: { gpuUtilizationPercent: 5, memoryFragmentationPercent: 50, networkLatencyMilliseconds: 20 } } }, violates: thrice("mandatory alerts-no-weaker lone") },
  { name: "a bank's alerts that reach nobody", base: "pair", change: { monitoring: { receivers: null } }, violates: ["mandatory alerts-reach-somebody pair"] },
  { name: "a bank's warnings that reach nobody", base: "pair", change: { monitoring: { receivers: { operations: { minimumSeverity: "critical" } } } }, violates: ["mandatory alerts-reach-somebody pair"] },
  { name: "GPUs that nothing watches", base: "lone", change: { monitoring: { enabled: false } }, violates: ["advisory monitoring-enabled lone"] },
  { name: "four new A100 within the guide's range", base: "lone", change: { site: { currency: "CNY", budget: { min: 180000, max: 250000 } }, servers: { "gpu-01": { price: 620000 } } }, violates: ["advisory prices-within-budget lone"] },
  { name: "a budget that the list of servers does not use", base: "lone", change: gpu01({ price: 45000 }), violates: ["advisory prices-within-budget lone"] },
  { name: "a training image from a public registry", base: "served", change: { site: { internetAccess: false, mirror: { apt: "http://mirror.site/apt", images: "registry.site:5000" } }, training: { finetune: { servers: ["gpu-02"], gpusPerServer: 2, command: ["python3", "train.py"], image: "docker.io/lab/train:7" } } }, violates: ["mandatory training-images-from-the-mirror served"] },
  { name: "weights from a hub without internet", base: "served", change: { site: { internetAccess: false, mirror: { apt: "http://mirror.site/apt", images: "registry.site:5000" } }, services: { assistant: { weights: { from: "hub" } } } }, refused: ["services.assistant.weights.from", "services.assistant.weights"], violates: ["mandatory hub-weights-need-internet served"] },
  { name: "Debian 12 after its end", base: "lone", change: { software: { os: "debian-12" } }, config: { "releases-supported": { asOf: "2028-07-01" } }, violates: ["advisory releases-supported lone"] },
  { name: "a pod on a Python without fixes", base: "lone", adds: deployment({ image: "python:3.9-slim" }), violates: ["advisory images-supported chat"] },
];

const recovery: BrokenEnvironment[] = [
  { name: "a checkpoint every 5,000 steps", base: "served", change: trained({ recovery: { checkpoints: { everySteps: 5000 } } }), violates: ["mandatory checkpoint-interval served"] },
  { name: "one checkpoint alone", base: "served", change: trained({ recovery: { checkpoints: { keepLast: 1 } } }), violates: ["advisory checkpoints-kept served"] },
  { name: "a standby that takes as long as Kubernetes by default", base: "pair", change: { recovery: { standby: { switchWithinSeconds: 350 } } }, violates: ["mandatory standby-within-budget pair"] },
  { name: "a standby on the active replica's server", base: "served", registers: { assistant: { workloads: { 1: { servers: ["gpu-01"] } } } }, violates: ["mandatory standby-on-another-server assistant"] },
  { name: "a standby that is not planned", base: "served", registers: { assistant: { service: { standbyReplicas: 2 } } }, violates: ["mandatory standby-on-another-server assistant"] },
  { name: "standbys that nothing switches to", base: "served", change: { recovery: { standby: { mode: "none" } } }, violates: ["advisory standby-mode-fits-services served"] },
  { name: "a switch to standbys that are not there", base: "served", change: { services: { assistant: { standbyReplicas: 0 } } }, violates: ["advisory standby-mode-fits-services served", "advisory interactive-services-survive-a-server served"] },
  { name: "a control plane of two", base: "sme-production", change: { cluster: { controlPlane: ["gpu-01", "gpu-02"] }, servers: { "store-01": { roles: ["storage"] } } }, refused: ["cluster.controlPlane"], violates: ["advisory control-plane-survives-a-server sme-production", ...thrice("advisory encryption-at-rest sme-production")] },
  { name: "images of a cold start that lie nowhere", base: "served", change: { servers: { "gpu-01": { tiers: { hot: { level: "raid1" }, warm: null, cold: null } }, "gpu-02": { tiers: { hot: { level: "raid1" }, warm: null, cold: null } } } }, refused: ["servers.gpu-01.tiers", "servers.gpu-02.tiers", "monitoring"], violates: ["mandatory cold-images-have-a-tier served", "advisory three-tiers served"] },
  { name: "a cold start that is rehearsed once a year", base: "lone", change: { recovery: { coldStart: { rehearseEveryDays: 365 } } }, violates: ["advisory cold-start-rehearsed lone"] },
];

const security: BrokenEnvironment[] = [
  { name: "patients' data on servers that reach the internet", base: "medical-imaging", change: { site: { internetAccess: true } }, violates: ["mandatory regulated-data-stays-on-site medical-imaging", "advisory encryption-at-rest medical-imaging"] },
  { name: "a bank's history over plain HTTP", base: "pair", change: { site: { objectStore: { endpoint: "http://store.site:8333" } } }, violates: ["mandatory object-store-over-tls pair"] },
  { name: "a bank's checkpoints on drives that do not encrypt", base: "pair", change: { servers: { "gpu-02": { tiers: { warm: { encryptionAtRest: "none" } } } } }, violates: ["advisory encryption-at-rest pair"] },
  { name: "a bank's GPU in turns", base: "pair", change: { cluster: { timeSlicing: 4 } }, violates: ["advisory no-time-slicing-where-regulated pair"] },
  { name: "root at a bank", base: "pair", change: { ssh: { user: "root" } }, violates: ["advisory no-root-login pair"] },
  { name: "a server on a public address", base: "lone", change: gpu01({ address: "8.8.8.8" }), violates: ["mandatory no-public-address gpu-01"] },
  { name: "a bastion and a webhook on public addresses", base: "pair", change: { ssh: { bastion: { address: "8.8.8.8" } }, monitoring: { receivers: { operations: { url: "https://8.8.4.4/hook" } } } }, violates: twice("mandatory no-public-endpoint pair") },
  { name: "cloned servers with one host key", base: "pair", change: { servers: { "gpu-02": { hostKey: "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEB" } } }, violates: ["mandatory host-keys-unique pair"] },
  { name: "a server whose host key nobody read", base: "lone", registers: { "gpu-01": { hostKey: null } }, violates: ["mandatory host-keys-pinned gpu-01"] },
  { name: "a command of one's own that trusts whoever answers", base: "lone", adds: command({ hostKey: "" }), violates: ["mandatory ssh-checks-host-keys tune"] },
  { name: "a command of one's own with a password", base: "lone", adds: command({ password: "correct horse" }), violates: ["mandatory no-ssh-passwords tune"] },
  { name: "a pod whose image is another one tomorrow", base: "lone", adds: deployment({ image: "registry.site:5000/chat:latest" }), violates: ["mandatory images-pinned chat"] },
  { name: "a training image without a version", base: "served", change: { training: { finetune: { servers: ["gpu-02"], gpusPerServer: 2, command: ["python3", "train.py"], image: "lab/train" } } }, violates: ["mandatory images-pinned job-training-finetune-0"] },
  { name: "a token in a pod's environment", base: "lone", adds: deployment({ env: [{ name: "HF_TOKEN", value: "hf_0123456789" }], args: ["--api-key=sk-0123456789"] }), violates: twice("mandatory secrets-in-secrets chat") },
];

/** Environments that are broken, by the area of the rule that each is about. */
export const brokenEnvironments = { storage, hardware, inference, operations, recovery, security } as const;
