import { isIP } from "node:net";
import { z } from "zod";
import { cpuCatalog, gpuCatalog, modelCatalog } from "../catalog";
import { certificateFault } from "./certificate";
import { hostKeyFault } from "./host-key";

/**
 * The model of an environment: everything that `stacks/Pulumi.<environment>.yaml` may say under
 * `rackwright:environment`. Strict objects all the way down: an unknown key is an error with a suggestion.
 * What must agree across parts (a tier's drives exist, names are unique) is in `cross-checks.ts`;
 * what is wise (RAID 0 on NVMe only, PCIe lanes) is a policy, under `policies/`.
 */

const name = z
  .string()
  .regex(/^[a-z]([-a-z0-9]{0,51}[a-z0-9])?$/, "must be lower-case letters, digits and hyphens, begin with a letter, at most 53 characters")
  .describe("A name that is also a DNS label, for it becomes part of host names and Pulumi URNs.");

function isAddress(address: string): boolean {
  if (/^[\d.]+$/.test(address) || address.includes(":")) return isIP(address) !== 0;
  return address.split(".").every((label) => label.length <= 63 && /^[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?$/.test(label));
}

const hostAddress = z
  .string()
  .regex(/^(?=.{1,253}$)[A-Za-z0-9]([A-Za-z0-9.:-]*[A-Za-z0-9])?$/, "must be an IP address or a host name, without a user or a port")
  .refine(isAddress, "is neither an IP address nor a host name")
  .describe("IP address or host name, as the machine that runs `up` reaches it.");

const port = z.number().int().min(1).max(65535);

const hostKey = z
  .string()
  .regex(/^(ssh-ed25519|ecdsa-sha2-nistp(256|384|521)|ssh-rsa) [A-Za-z0-9+/]+={0,2}$/, "must be a public host key: type and base64, as /etc/ssh/ssh_host_ed25519_key.pub has them, without the comment")
  .superRefine((key, context) => {
    const fault = hostKeyFault(key);
    if (fault !== undefined) context.addIssue({ code: "custom", message: fault });
  })
  .describe("The server's public SSH host key. A host that shows another key is refused. Read it on the console or with `ssh-keyscan` on a network you trust.");

const absolutePath = z
  .string()
  .regex(/^\/[A-Za-z0-9._/-]*[A-Za-z0-9._-]$/, "must be an absolute path of letters, digits, dots, hyphens and underscores")
  .refine((path) => path.split("/").slice(1).every((part) => part !== "" && part !== "." && part !== ".."), "must not contain `..`, `.` or `//`");

/**
 * Addresses are handed to shell scripts and package managers: only what needs no quoting. The file ends up in Git and in
 * state, and an address with a password in it would too.
 */
function webAddress(characters: RegExp): z.ZodURL {
  return z
    .url({ protocol: /^https?$/ })
    .refine((url) => !/^[a-z]+:\/\/[^/?#]*@/i.test(url), "must not contain a user name or a password")
    .refine((url) => url.length <= 500 && characters.test(url), "must be at most 500 of the characters that addresses are made of");
}

const baseAddress = webAddress(/^https?:\/\/[A-Za-z0-9._~:/%[\]-]+$/i);
const hookAddress = webAddress(/^https?:\/\/[A-Za-z0-9._~:/%[\]?=&+-]+$/i);

const loginName = z.string().regex(/^[a-z_][a-z0-9_-]{0,31}$/, "must be a login name");

const positive = z.number().positive();
const count = z.number().int().min(1);

/** Text that must be an id of a catalog, or of another form that is let through. */
function catalogId(catalog: Readonly<Record<string, unknown>>, what: string, otherwise: string, passes: (id: string) => boolean = () => false): z.ZodString {
  const known = Object.keys(catalog);
  return z.string().superRefine((id, context) => {
    if (!Object.hasOwn(catalog, id) && !passes(id)) context.addIssue({ code: "custom", message: `is not in the catalog of ${what}`, params: { known, otherwise } });
  });
}

const gpuId = catalogId(gpuCatalog, "GPUs", "Add it to components/catalog/gpus.ts with its source.").meta({ enum: Object.keys(gpuCatalog) });
const cpuId = catalogId(cpuCatalog, "CPUs", "Add it to components/catalog/cpus.ts with its source.").meta({ enum: Object.keys(cpuCatalog) });
const modelId = catalogId(modelCatalog, "models", "For a model of your own write the path of its folder in the model store, beginning with / or ./.", (id) => /^\.?\/[A-Za-z0-9._/-]*$/.test(id))
  .meta({ anyOf: [{ type: "string", enum: Object.keys(modelCatalog) }, { type: "string", pattern: "^\\.?/[A-Za-z0-9._/-]*$" }] });
const accelerator = catalogId({ ...gpuCatalog, cpu: true }, "GPUs, nor cpu, nor an NPU's resource name", "An NPU's resource name has a slash, such as vendor.example/npu.", (id) => /^[a-z0-9.-]+\/[A-Za-z0-9._-]+$/.test(id));

const interfaceName = z.string().regex(/^[A-Za-z][A-Za-z0-9._-]{0,14}$/, "must be a network interface name of at most 15 characters");

const moneyRange = z
  .strictObject({
    min: z.number().min(0).describe("Lower end, in the site's currency."),
    max: z.number().min(0).optional().describe("Upper end, in the site's currency. Absent: open ended."),
  })
  .describe("A range of money in the site's currency.");

const mirror = z
  .strictObject({
    apt: baseAddress.optional().describe("Base URL of the site's apt mirror. The distribution is read from <apt>/ubuntu (or <apt>/debian), NVIDIA's driver and CUDA repository from <apt>/cuda, the container toolkit from <apt>/nvidia-container-toolkit."),
    images: z.string().regex(/^[A-Za-z0-9.-]+(:\d+)?(\/[a-z0-9._/-]+)?$/, "must be a registry host with an optional port and path, without a scheme").optional().describe("Registry that holds copies of all container images."),
    files: baseAddress.optional().describe("Base URL of plain files: k3s and its images under <files>/k3s/<version>/."),
  })
  .describe("Where packages and images come from at a site without internet.");

const storePrefix = z.string().regex(/^[A-Za-z0-9._-]+(\/[A-Za-z0-9._-]+)*$/, "must be a folder's name without a leading or trailing slash").refine((path) => path.split("/").every((part) => part !== "." && part !== ".."), "must not contain `.` or `..`");

const site = z
  .strictObject({
    name,
    description: z.string().max(500).optional(),
    currency: z.string().regex(/^[A-Z]{3}$/, "must be an ISO 4217 code such as CNY, EUR or USD").default("USD"),
    currencyPerUsd: positive.optional().describe("Units of the site's currency for one US dollar, for `rackwright cost`: the catalog's prices are in US dollars. Absent: costs are given in US dollars, without the site's own amounts."),
    budget: moneyRange.optional().describe("What the hardware may cost (guide 2.1)."),
    dataClass: z.enum(["general", "finance", "medical"]).default("general").describe("Finance and medical turn on the rules for regulated data (guide 1)."),
    internetAccess: z.boolean().default(false).describe("Whether hosts and services may reach the internet. Off: everything comes from the mirror and nothing leaves the site."),
    power: z
      .strictObject({
        pricePerKWh: z.number().min(0).optional().describe("In the site's currency."),
        pue: z.number().min(1).max(3).default(1.5).describe("Power usage effectiveness: the site's draw over the servers' draw. World average 1.54 (facts 9); liquid cooling reaches 1.1 (guide 7)."),
        cooling: z.enum(["air", "liquid"]).default("air"),
        limitWatts: positive.optional().describe("What the room can feed and cool."),
      })
      .prefault({}),
    racks: z
      .record(name, z.strictObject({ heightUnits: count.max(60).default(42), powerLimitWatts: positive.optional() }))
      .default({}),
    mirror: mirror.optional(),
    objectStore: z
      .strictObject({
        endpoint: baseAddress,
        bucket: z.string().regex(/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/, "must be a bucket name: 3 to 63 lower-case letters, digits, dots and hyphens"),
        region: z.string().regex(/^[A-Za-z0-9-]{1,63}$/, "must be a region name of letters, digits and hyphens").default("us-east-1"),
      })
      .optional()
      .describe("An S3-compatible store on the site as the cold tier. Its keys are the secrets `rackwright:objectStoreAccessKeyId` and `rackwright:objectStoreSecretAccessKey`."),
    modelStore: z
      .discriminatedUnion("kind", [
        z.strictObject({ kind: z.literal("object-store"), prefix: storePrefix.default("models").describe("Folder of the bucket that holds one folder a model.") }),
        z.strictObject({ kind: z.literal("nfs"), server: hostAddress, path: absolutePath.describe("Exported folder that holds one folder a model.") }),
        z.strictObject({ kind: z.literal("directory"), path: absolutePath.describe("Folder on every server, on its warm or cold tier, that holds one folder a model.") }),
      ])
      .optional()
      .describe("Where weights are kept for good; the hot tier holds a copy. Absent: the object store where there is one, else the folder models on each server's cold (or warm) tier."),
  })
  .describe("Facts about the room and the organisation.");

const label = z.string().regex(/^([a-z0-9]([-a-z0-9.]*[a-z0-9])?\/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/, "must be a Kubernetes label: an optional domain and a slash, then at most 63 letters, digits, hyphens, dots and underscores");
const labelValue = z.string().regex(/^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$/, "must be a label's value: at most 63 letters, digits, hyphens, dots and underscores");

const ssh = z
  .strictObject({
    user: loginName.default("root").describe("Any other user than root needs password-less sudo."),
    port: port.default(22),
    dialTimeoutSeconds: count.max(600).default(15),
    bastion: z.strictObject({ address: hostAddress, port: port.default(22), user: loginName.default("root"), hostKey }).optional().describe("Jump host through which all servers are reached."),
  })
  .describe("How servers are reached. Authentication is by SSH agent (SSH_AUTH_SOCK) or by the secret `rackwright:sshPrivateKey`.");

const software = z
  .strictObject({
    os: z.enum(["ubuntu-22.04", "debian-12"]).default("ubuntu-22.04"),
    driver: z
      .strictObject({
        branch: z.enum(["535", "570", "580", "595"]).default("580").describe("NVIDIA driver branch. 580 is the long-term branch until August 2028; 535 and 570 are past their end of life (facts 3)."),
        source: z.enum(["nvidia", "ubuntu"]).default("nvidia").describe("nvidia: NVIDIA's repository, open kernel modules built by DKMS. ubuntu: Ubuntu's own packages with pre-signed modules, for Secure Boot."),
        persistenceDaemon: z.boolean().default(true),
        containerToolkit: z.boolean().default(true),
      })
      .prefault({}),
    cudaToolkit: z.enum(["none", "12.2", "12.8", "13.0"]).default("none").describe("CUDA toolkit on the host. Containers bring their own, so most hosts need none; 12.2 is the guide's (3.1)."),
    developmentPackages: z.boolean().default(true).describe("build-essential, python3.10-dev and libopenblas-dev (guide 3.1)."),
  })
  .describe("What is installed on the servers.");

const gpus = z.strictObject({
  model: gpuId.describe("Catalog id, such as a100-80gb-sxm4 or rtx-4090."),
  count: count.max(16),
  nvlink: z.enum(["none", "bridge", "nvswitch"]).default("none").describe("bridge: pairs of PCIe cards. nvswitch: an HGX or DGX board."),
  mig: z.string().regex(/^\d+g\.\d+gb(\+me)?$/, "must be a MIG profile such as 1g.10gb").optional(),
  powerLimitWatts: positive.optional().describe("Power cap of each GPU, set with nvidia-smi; at most the card's own board power."),
});

const drive = z.strictObject({
  kind: z.enum(["nvme", "sata-ssd", "hdd"]),
  capacityGB: positive.describe("Decimal gigabytes, as on the label."),
});

const driveId = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._:+-]{2,120}$/, "must be a name under /dev/disk/by-id, without the folder")
  .refine((id) => !/-part\d+$/.test(id), "must name a whole drive, not a partition");

const tier = z.strictObject({
  level: z.enum(["single", "raid0", "raid1", "raid5", "raid6", "raid10"]),
  drives: z.array(driveId).min(1).max(64).describe("Names under /dev/disk/by-id: kernel names such as nvme0n1 change between boots."),
  mount: absolutePath.optional().describe("Absent: /srv/<tier>."),
  chunkKiB: z.literal([64, 128, 256, 512, 1024]).default(512).describe("mdadm's chunk; 512 suits large sequential reads of weights (facts 8)."),
  encryptionAtRest: z
    .enum(["none", "self-encrypting-drives"])
    .optional()
    .describe("What the site declares about the tier's drives; nothing on the host is set up or checked for it. self-encrypting-drives: they encrypt by themselves and lock when they lose power. Absent: none."),
});

const nic = z.strictObject({
  speedGbps: positive,
  rdma: z.enum(["none", "roce", "infiniband"]).default("none"),
});

const bmc = z
  .strictObject({
    address: hostAddress.describe("IP address or host name of the BMC itself, on the network that it is managed through."),
    port: port.default(443),
    user: z.string().regex(/^[!-9;-~]{1,64}$/, "must be a user name of at most 64 letters, digits and signs, without blanks and colons").describe("An account of the BMC that may read the system and reset it. Its password is the secret `rackwright:bmcPassword`."),
    tls: z
      .strictObject({
        fingerprintSha256: z.string().regex(/^([0-9A-Fa-f]{2}:?){31}[0-9A-Fa-f]{2}$/, "must be the SHA-256 fingerprint of a certificate, as `openssl x509 -noout -fingerprint -sha256` prints it").optional().describe("Of the one certificate that is accepted."),
        caCertificate: z.string().superRefine((pem, context) => {
          const fault = certificateFault(pem);
          if (fault !== undefined) context.addIssue({ code: "custom", message: fault });
        }).optional().describe("PEM of the authority that signs the BMCs' certificates; `address` must be a name in the certificate."),
      })
      .refine(({ fingerprintSha256, caCertificate }) => (fingerprintSha256 === undefined) !== (caCertificate === undefined), "needs one of fingerprintSha256 and caCertificate, and not both")
      .describe("How the BMC is known: without it, the password could go to whoever answers."),
    systemId: z.string().regex(/^[A-Za-z0-9._-]{1,128}$/, "must be an Id below /redfish/v1/Systems").optional().describe("Id of the server below /redfish/v1/Systems. Absent: the only one there."),
    uuid: z.string().regex(/^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$/, "must be a UUID, as `dmidecode -s system-uuid` prints it").optional().describe("UUID that the BMC must say of the server."),
    serialNumber: z.string().min(1).max(64).optional().describe("Serial number that the BMC must say of the server. With neither uuid nor serialNumber, the host name that the BMC says must be the server's name."),
  })
  .describe("The server's baseboard management controller, asked by Redfish. `rackwright fence` powers the server off with it.");

const server = z
  .strictObject({
    address: hostAddress,
    port: port.optional().describe("SSH port. Absent: the one under `ssh`."),
    hostKey,
    roles: z.array(z.enum(["worker", "storage", "control-plane"])).min(1).default(["worker"]),
    rack: z.strictObject({ name, unit: count.max(60), heightUnits: count.max(20).default(2) }).optional(),
    cpu: z.strictObject({ model: cpuId.describe("Catalog id, such as xeon-silver-4310."), sockets: count.max(8).default(1) }),
    memoryGiB: positive,
    pcieGeneration: z.literal([3, 4, 5]),
    pcieSwitch: z.boolean().default(false).describe("Whether GPUs sit behind PCIe switches, so that they need not all have lanes of their own."),
    gpus: gpus.optional(),
    npus: z.strictObject({ resourceName: z.string().regex(/^[a-z0-9.-]+\/[A-Za-z0-9._-]+$/, "must be a Kubernetes extended resource such as vendor.example/npu"), count: count.max(16), powerWatts: positive.optional() }).optional(),
    nics: z.record(interfaceName, nic).default({}),
    drives: z.record(driveId, drive).default({}),
    tiers: z.strictObject({ hot: tier.optional(), warm: tier.optional(), cold: tier.optional() }).prefault({}),
    maxPowerWatts: positive.optional().describe("What the power supplies can deliver together with one failed."),
    bmc: bmc.optional(),
    price: z.number().min(0).optional().describe("Purchase price, in the site's currency."),
    labels: z.record(label, labelValue).default({}).describe("Further labels of the Kubernetes node."),
    taints: z.array(z.strictObject({ key: label, value: labelValue.optional(), effect: z.enum(["NoSchedule", "PreferNoSchedule", "NoExecute"]) })).default([]).describe("Further taints of the Kubernetes node."),
  })
  .describe("One server, as it stands in the rack.");

const cidr = z.cidrv4("must be an IPv4 network such as 10.42.0.0/16");
const quota = z.strictObject({ gpus: z.number().int().min(0).optional(), cpus: positive.optional(), memoryGiB: positive.optional() });

const cluster = z
  .strictObject({
    distribution: z.enum(["none", "existing", "k3s"]).default("none"),
    controlPlane: z.array(name).default([]).describe("Servers that run the control plane."),
    gpuStack: z.enum(["device-plugin", "gpu-operator"]).default("device-plugin"),
    timeSlicing: count.max(64).optional().describe("Replicas per GPU."),
    apiAddress: hostAddress.optional().describe("Address of the API server that nodes and people use: a virtual address or load balancer where the control plane has three servers. Absent: the first control-plane server's."),
    podCidr: cidr.default("10.42.0.0/16").describe("Addresses of pods."),
    serviceCidr: cidr.default("10.43.0.0/16").describe("Addresses of services."),
    ingressClass: name.default("traefik").describe("Ingress controller for services with a hostname; k3s ships traefik."),
    quotas: z
      .strictObject({ inference: quota.optional(), training: quota.optional() })
      .prefault({})
      .describe("What each namespace may hold. Absent: what the plan needs, so that nothing else takes a GPU unplanned."),
  })
  .describe("The Kubernetes cluster. Access to an existing one is the secret `rackwright:kubeconfig`.");

const servicePrecision = z.enum(["fp32", "bf16", "fp16", "fp8", "int8", "int4"]);

const dynamicBatching = z.strictObject({ maxQueueDelayMicroseconds: z.number().int().min(0).default(100), preferredBatchSizes: z.array(count).default([]) });

const weights = z
  .strictObject({
    from: z.enum(["store", "hub"]).default("store").describe("hub: fetched from the model's publisher, for sites with internetAccess only."),
    folder: storePrefix.optional().describe("Folder below the model store. Absent: the model's id, or the path that `model` gives."),
    manifestSha256: z.string().regex(/^[0-9a-f]{64}$/, "must be the SHA-256 of the folder's manifest.sha256, in 64 hexadecimal digits").optional().describe("Pins the manifest itself. Absent: the manifest in the store is trusted."),
    sizeGB: positive.optional().describe("Size of the folder, in decimal gigabytes. Absent: what the planner computes for the precision."),
    loadFormat: z.enum(["auto", "safetensors", "fastsafetensors", "runai-streamer"]).default("auto").describe("How the engine reads them from the hot tier."),
  })
  .describe("Where the weights come from.");

const service = z
  .strictObject({
    model: modelId.describe("Catalog id, or the path of a model folder in the model store, beginning with / or ./."),
    engine: z.enum(["auto", "vllm", "triton", "tensorrt-llm", "sglang", "deepspeed", "colossalai", "pytorch"]).default("auto"),
    precision: servicePrecision.default("bf16"),
    kvCachePrecision: z.enum(["auto", "fp8"]).default("auto"),
    contextTokens: count.optional().describe("Absent: the model's own."),
    concurrency: count.default(8).describe("Requests answered at the same time by one replica."),
    replicas: count.default(1),
    standbyReplicas: z.number().int().min(0).default(0).describe("Loaded replicas on other servers that take over (guide 5.2)."),
    gpusPerReplica: count.optional().describe("Absent: what the planner finds."),
    tensorParallel: count.optional(),
    pipelineParallel: count.optional(),
    accelerators: z.array(accelerator).default([]).describe("Order of preference: GPU catalog ids, an NPU's resource name, or cpu. Absent: any GPU that fits."),
    dynamicBatching: dynamicBatching.optional(),
    memoryUtilization: z.number().gt(0).max(1).optional().describe("Share of each GPU's memory that the engine may use. Absent: the engine's default."),
    modelConfig: z.record(z.string(), z.unknown()).optional().describe("The model's config.json as its publisher wrote it (YAML takes JSON as it is), for a model that is not in the catalog."),
    parametersBillion: positive.optional().describe("Parameters of a model that is not in the catalog. Absent: computed from modelConfig."),
    weights: weights.prefault({}),
    multiServer: z.enum(["leader-worker-set", "ray"]).default("leader-worker-set").describe("How a replica that spans servers is started."),
    hostname: hostAddress.optional().describe("Name under which clients reach the service through the cluster's ingress. Absent: inside the cluster only."),
    moreModels: z.record(name, z.strictObject({ model: modelId, precision: servicePrecision.default("fp16"), dynamicBatching: dynamicBatching.optional(), modelConfig: z.record(z.string(), z.unknown()).optional() })).default({}).describe("Further models in the same Triton server."),
    priority: z.enum(["interactive", "batch"]).default("interactive"),
    targets: z
      .array(z.strictObject({ metric: z.string().min(1), before: z.string().min(1).optional(), after: z.string().min(1), measuredAt: z.string().min(1).describe("Where this would be measured.") }))
      .default([])
      .describe("What the service is meant to reach; claims until measured."),
  })
  .describe("An inference service.");

const training = z
  .strictObject({
    launcher: z.enum(["torchrun", "deepspeed", "colossalai"]).default("torchrun"),
    servers: z.array(name).min(1),
    zeroStage: z.literal([0, 1, 2, 3]).optional().describe("DeepSpeed's ZeRO stage."),
    gpusPerServer: count.max(16).optional().describe("Absent: all that the server has."),
    image: z.string().regex(/^[a-z0-9][A-Za-z0-9._:/@-]*$/, "must be an image reference").optional().describe("Absent: the launcher's image."),
    command: z.array(z.string()).min(1),
  })
  .describe("A training job.");

const metricName = z.string().regex(/^[a-zA-Z_:][a-zA-Z0-9_:]*$/, "must be a Prometheus metric name");
const minimumSeverity = z.enum(["info", "warning", "critical"]).default("warning").describe("Alerts below it are not sent there.");

const monitoring = z
  .strictObject({
    enabled: z.boolean().default(true),
    mode: z.enum(["standalone", "operator"]).default("standalone").describe("standalone: Prometheus, Alertmanager and Grafana of our own. operator: the cluster has the Prometheus operator and Grafana's sidecar, which get ServiceMonitor, PodMonitor, PrometheusRule and ConfigMaps with dashboards."),
    operator: z
      .strictObject({
        namespace: name.default("monitoring").describe("Where the operator's Prometheus runs: it may reach what it scrapes."),
        labels: z.record(label, labelValue).default({}).describe("Labels by which the operator's Prometheus chooses monitors and rules, such as release: kube-prometheus-stack."),
      })
      .prefault({})
      .describe("For mode operator."),
    server: name.optional().describe("Server that keeps the measurements, on its warm tier. Absent: the first that has a warm tier, a storage server before others; else one with a cold tier."),
    retentionGiB: positive.default(50).describe("What Prometheus keeps on disk; the oldest goes first."),
    scrapeIntervalSeconds: z.number().int().min(5).max(60).default(15),
    alerts: z
      .strictObject({
        gpuUtilizationPercent: z.number().min(0).max(100).default(15).describe("Below this for long while a workload holds the GPU: find the bottleneck (guide 5.1)."),
        memoryFragmentationPercent: z.number().min(0).max(100).default(30).describe("Above this: restart the service (guide 5.1)."),
        networkLatencyMilliseconds: positive.default(5).describe("Above this: check RDMA (guide 5.1)."),
      })
      .prefault({}),
    restartOnFragmentation: z
      .strictObject({ enabled: z.boolean().default(false), atMostEveryHours: z.number().min(1).max(168).default(6) })
      .prefault({})
      .describe("Restarts a replica of a service whose memory fragmentation fires, at most one in this time, and only while another one stays ready."),
    receivers: z.record(name, z.discriminatedUnion("kind", [
      z.strictObject({ kind: z.literal("webhook"), url: hookAddress, minimumSeverity }),
      z.strictObject({ kind: z.literal("email"), to: z.email(), minimumSeverity }),
      z.strictObject({ kind: z.literal("chat"), channel: z.string().regex(/^[#@A-Za-z0-9._-]{1,80}$/, "must be a channel such as #operations").optional().describe("Absent: the one that the address belongs to."), minimumSeverity }).describe("Slack's format, which Mattermost and Rocket.Chat take as well. The address is the secret `rackwright:alertChatUrl`."),
    ])).default({}),
    smtp: z
      .strictObject({ server: hostAddress, port: port.default(587), from: z.email(), user: z.string().min(1).max(200).optional().describe("Its password is the secret `rackwright:smtpPassword`. Absent: the server asks for none.") })
      .optional()
      .describe("Mail server of the site, for receivers of kind email."),
    grafana: z
      .strictObject({ enabled: z.boolean().default(true), hostname: hostAddress.optional().describe("Name under which people reach Grafana through the cluster's ingress. Absent: inside the cluster only.") })
      .prefault({})
      .describe("Its administrator's password is the secret `rackwright:grafanaAdminPassword`."),
    meter: z
      .strictObject({ address: hostAddress, port: port.default(9100), path: absolutePath.default("/metrics"), metric: metricName.describe("Gauge with the whole site's draw in watts, cooling included; several series are added up.") })
      .optional()
      .describe("An exporter with the site's electricity meter, for the measured PUE (guide 7)."),
  })
  .describe("Prometheus, Grafana and the alerts (guide 5.1).");

const standbyUnit = z
  .strictObject({
    port: port.describe("Where the service answers, on each of its servers."),
    healthPath: z.string().regex(/^\/[A-Za-z0-9._~/-]{0,200}$/, "must be a path that begins with a slash").default("/health").describe("Answers with status 200 while the service can do its work."),
    hostname: hostAddress.optional().describe("Name by which clients ask for it. Absent: its own name here."),
    servers: z.array(name).min(1),
    standbyServers: z.array(name).min(1).describe("Servers on which it runs as well, and answers while none of `servers` does."),
  })
  .describe("A systemd unit, by its name without .service, that answers HTTP on several servers.");

const standby = z
  .strictObject({
    mode: z.enum(["none", "kubernetes", "keepalived"]).default("none").describe("keepalived: HAProxy on two servers asks every replica whether it works and passes requests on, behind an address that moves between them. kubernetes: what Kubernetes does by itself, which takes longer."),
    switchWithinSeconds: positive.default(30).describe("From a failure to the next good answer. An environment that would take longer at worst is refused."),
    virtualAddress: hostAddress.optional().describe("For keepalived: an unused IP address of the servers' network, at which clients reach the services."),
    port: port.default(8080).describe("Of the virtual address. On k3s not 80 or 443, which its own ingress takes on every server."),
    balancers: z.array(name).min(2).optional().describe("Servers that hold the virtual address and run HAProxy. Absent: two, those without GPUs first, on two racks where there are."),
    witnesses: z.array(hostAddress).default([]).describe("IP addresses of the servers' network that echo and are no server's, such as the router's: a balancer that hears neither them nor another server is cut off, and gives the address up. With two servers in all it takes one to tell a dead server from a dead network."),
    units: z.record(name, standbyUnit).default({}).describe("What stands by where there is no cluster."),
  })
  .describe("Hot standby (guide 5.2).");

const recovery = z
  .strictObject({
    checkpoints: z
      .strictObject({
        everySteps: count.default(1000),
        everyMinutes: positive.optional().describe("And after this time at the latest, for jobs whose steps are slow. Absent: by steps alone."),
        keepLast: count.default(3),
        keepEverySteps: count.optional().describe("Checkpoints whose step is a multiple of this are kept for good. Absent: the last ones alone."),
        tier: z.enum(["warm", "cold"]).optional().describe("Absent: warm where there is one, else cold."),
      })
      .prefault({}),
    standby: standby.prefault({}),
    coldStart: z
      .strictObject({
        imagesTier: z.enum(["warm", "cold"]).optional().describe("Absent: cold where there is one, else warm."),
        rehearseEveryDays: count.default(90),
        keep: count.default(3).describe("Sets for a cold start that are kept; a new one takes the oldest one's place."),
        folders: z.array(absolutePath).default([]).describe("Folders that a set holds whole, on every server that has the tier, besides checkpoints and models of a warm tier. Below the mount of a tier."),
      })
      .prefault({})
      .describe("What a site is rebuilt from on blank servers."),
    backup: z
      .strictObject({
        enabled: z.boolean().default(true).describe("Off: the site has backups of its own."),
        everyHours: count.max(9999).default(24),
        keepDaily: count.max(9999).default(7).describe("Snapshots of each content that are kept, the newest of each day."),
        keepWeekly: count.max(9999).default(4).describe("And the newest of each week."),
      })
      .prefault({})
      .describe("Of what exists on one server and nowhere else: checkpoints, and the cluster's data. Encrypted with the secret `rackwright:backupPassword`."),
  })
  .describe("Checkpoints, hot standby and cold start (guide 5.2).");

/** The whole environment. Parse with {@link parseEnvironment}, which reports every problem at once. */
export const environmentSchema = z
  .strictObject({
    site,
    ssh: ssh.prefault({}),
    software: software.prefault({}),
    servers: z.record(name, server).describe("Keyed by name, so that reordering the file changes nothing."),
    cluster: cluster.prefault({}),
    services: z.record(name, service).default({}),
    training: z.record(name, training).default({}),
    monitoring: monitoring.prefault({}),
    recovery: recovery.prefault({}),
  })
  .describe("An environment: one site's servers and what runs on them.");

/** An environment with every default filled in. Plain data: no Outputs, no secrets. */
export type Environment = z.output<typeof environmentSchema>;
/** What a user writes: defaults left out. */
export type EnvironmentInput = z.input<typeof environmentSchema>;
export type Server = Environment["servers"][string];
export type Tier = NonNullable<Server["tiers"]["hot"]>;
export type TierName = "hot" | "warm" | "cold";
export type Drive = Server["drives"][string];
export type Bmc = NonNullable<Server["bmc"]>;
export type Gpus = NonNullable<Server["gpus"]>;
export type Software = Environment["software"];
export type InferenceServiceSpec = Environment["services"][string];
