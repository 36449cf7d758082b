import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { KubernetesObject } from "../../../components/cluster";
import { formatProblems, parseEnvironment } from "../../../components/environment";
import { toProblem } from "../../../components/environment/problems";
import { planModelStore, type ModelStorePlan } from "../../../components/inference/model-store";
import { networksOf } from "../../../components/inference/model-store/network";
import { planServer } from "../../../components/servers";
import { validEnvironment } from "../../support/arbitraries";
import { generatedServer } from "../../support/environments";
import { storeEnvironment, workloadsOn, type StoreInput } from "./workload-plans";

const services = { chat: { model: "qwen2.5-7b" }, search: { model: "./own/embedder" } } as const;

function planned(input: StoreInput, servers?: Record<string, string[]>, weightsGB?: number): ModelStorePlan {
  const environment = storeEnvironment({ services, ...input });
  return planModelStore(environment, workloadsOn(environment, servers, weightsGB));
}

function named(plan: ModelStorePlan, kind: string, name?: string | RegExp): KubernetesObject {
  const found = plan.objects.filter((object) => object.kind === kind && (name === undefined || (typeof name === "string" ? object.metadata.name === name : name.test(object.metadata.name))));
  expect(found.map(({ metadata }) => metadata.name)).toHaveLength(1);
  return found[0] as KubernetesObject;
}

const told = (plan: ModelStorePlan): string => formatProblems("stack.yaml", plan.findings.map(toProblem));

interface JobPod {
  containers: [{ command: string[]; args: string[]; env: { name: string; value?: string; valueFrom?: unknown }[]; image: string; securityContext: unknown; volumeMounts: { name: string; readOnly?: boolean }[] }];
  volumes: { name: string; persistentVolumeClaim?: { claimName: string; readOnly?: boolean } }[];
  [field: string]: unknown;
}
const podOf = (job: KubernetesObject): JobPod => (job.spec as { template: { spec: JobPod } }).template.spec;

describe("the model store's objects", () => {
  it("are a volume of the hot tier's folder for each server with workloads, that only its node and its claim can have", () => {
    const plan = planned({}, { chat: ["gpu-1"], search: ["gpu-1"] });
    expect(plan.objects.map(({ kind, metadata }) => `${kind} ${metadata.name}`.replace(/[0-9a-f]{8}$/, "#"))).toEqual([
      "ConfigMap model-layout-#", "PersistentVolume models-gpu-1", "PersistentVolume model-store-gpu-1", "PersistentVolumeClaim models-gpu-1", "PersistentVolumeClaim model-store-gpu-1", "Job layout-gpu-1-#",
    ]);
    expect(named(plan, "PersistentVolume", "models-gpu-1").spec).toEqual({
      // Two drives of 3,840 GB: 7,152 GiB.
      capacity: { storage: "7152Gi" },
      accessModes: ["ReadWriteOnce"],
      persistentVolumeReclaimPolicy: "Retain",
      storageClassName: "",
      volumeMode: "Filesystem",
      claimRef: { apiVersion: "v1", kind: "PersistentVolumeClaim", namespace: "inference", name: "models-gpu-1" },
      nodeAffinity: { required: { nodeSelectorTerms: [{ matchExpressions: [{ key: "kubernetes.io/hostname", operator: "In", values: ["gpu-1"] }] }] } },
      local: { path: "/srv/hot/models" },
    });
    expect(named(plan, "PersistentVolumeClaim", "models-gpu-1").spec).toEqual({ accessModes: ["ReadWriteOnce"], storageClassName: "", volumeName: "models-gpu-1", resources: { requests: { storage: "1Gi" } } });
    expect(plan.findings).toEqual([]);
  });

  it("lay out on each server what its own services read, each model once, with its pin", () => {
    const pin = "a".repeat(64);
    const plan = planned({ services: { chat: { model: "qwen2.5-7b", weights: { manifestSha256: pin } }, other: { model: "qwen2.5-7b" }, search: { model: "/own/embedder/" } } }, { chat: ["gpu-1"], other: ["gpu-1", "gpu-2"], search: ["gpu-2"] });
    const args = (server: string): string => podOf(named(plan, "Job", new RegExp(`^layout-${server}-`))).containers[0].args.join(" ");
    expect(args("gpu-1")).toMatch(new RegExp(` --model qwen2.5-7b=${pin}$`));
    expect(args("gpu-2")).toMatch(/ --model own\/embedder --model qwen2.5-7b$/);
  });

  it("lay out the further models of a Triton server too", () => {
    const plan = planned({ services: { vision: { model: "vit-l-16", engine: "triton", moreModels: { embedder: { model: "bert-large" } } } } });
    expect(podOf(named(plan, "Job", /^layout-gpu-1-/)).containers[0].args.slice(-4)).toEqual(["--model", "bert-large", "--model", "vit-l-16"]);
  });

  it("leave to the engines what comes from a hub, and make only the volume", () => {
    const plan = planned({ servers: 1, site: { internetAccess: true }, services: { chat: { model: "qwen2.5-7b", weights: { from: "hub" } } } });
    expect(plan.objects.map(({ kind }) => kind)).toEqual(["PersistentVolume", "PersistentVolumeClaim"]);
    expect(plan.findings).toEqual([]);
  });

  it("are none where nothing runs", () => {
    expect(planned({ services: {} }).objects).toEqual([]);
  });
});

describe("the layout's job", () => {
  it("meets the pod security level restricted, bounds its resources and gives way to requests", () => {
    const pod = podOf(named(planned({ servers: 1 }), "Job"));
    expect(pod).toMatchObject({ securityContext: { runAsNonRoot: true, runAsUser: 10001, fsGroup: 10001 }, automountServiceAccountToken: false, priorityClassName: "rackwright-batch", restartPolicy: "Never" });
    expect(pod.containers[0]).toMatchObject({
      image: "docker.io/rclone/rclone:1.75.1",
      securityContext: { readOnlyRootFilesystem: true, allowPrivilegeEscalation: false },
      resources: { requests: { cpu: "500m", memory: "512Mi" }, limits: { cpu: "8", memory: "4Gi" } },
      terminationMessagePolicy: "FallbackToLogsOnError",
    });
    expect(pod.containers[0].volumeMounts.find(({ name }) => name === "store")?.readOnly).toBe(true);
  });

  it("has another name when it does something else, and the same when it does not", () => {
    const name = (input: StoreInput): string => named(planned({ servers: 1, ...input }), "Job").metadata.name;
    expect(name({})).toBe(name({}));
    expect(name({ services: { chat: { model: "llama-3.1-8b" } } })).not.toBe(name({}));
    expect(name({ site: { mirror: { images: "registry.example.org" } } })).not.toBe(name({}));
  });

  it("is a new one where the hot tier is made of other drives, and that server's alone: a finished one would leave it empty", () => {
    const lost = generatedServer(1).tiers?.hot?.drives.at(-1) ?? "";
    const change: StoreInput["change"] = (servers) => {
      const { drives, tiers } = servers["gpu-1"] ?? {};
      Object.assign(drives ?? {}, { "nvme-SPARE_0001": drives?.[lost] });
      Object.assign(tiers?.hot ?? {}, { drives: tiers?.hot?.drives.map((id) => (id === lost ? "nvme-SPARE_0001" : id)) });
    };
    const services = { chat: { model: "qwen2.5-7b" }, search: { model: "./own/embedder" } };
    const names = (input: StoreInput): string[] => ["gpu-1", "gpu-2"].map((server) => named(planned({ services, ...input }), "Job", new RegExp(`^layout-${server}-`)).metadata.name);
    expect(lost).not.toBe("");
    expect(names({ change })[0]).not.toBe(names({})[0]);
    expect(names({ change })[1]).toBe(names({})[1]);
    expect(names({})).toEqual(names({}));
  });

  it("has a name that its pods' labels have room for, for the longest server's name", () => {
    const long = `gpu-${"x".repeat(48)}1`;
    const change = (servers: Record<string, unknown>): void => {
      servers[long] = servers["gpu-1"];
      delete servers["gpu-1"];
    };
    expect(named(planned({ servers: 1, change }), "Job").metadata.name.length).toBeLessThanOrEqual(63);
  });

  it("waits long enough for its models at 50 MB/s", () => {
    const job = named(planned({ servers: 1, services: { chat: { model: "qwen2.5-7b" } } }, undefined, 150), "Job");
    expect(job.metadata.annotations).toEqual({ "pulumi.com/timeoutSeconds": "3600" });
  });

  it("tolerates what its server repels, so that a tainted server gets its models", () => {
    const change: StoreInput["change"] = (servers) => Object.assign(servers["gpu-1"] ?? {}, { taints: [{ key: "example.org/reserved", value: "yes", effect: "NoSchedule" }] });
    expect(podOf(named(planned({ servers: 1, change }), "Job")).tolerations).toContainEqual({ key: "example.org/reserved", operator: "Equal", value: "yes", effect: "NoSchedule" });
  });
});

describe("the store that weights come from", () => {
  const objectStore = { endpoint: "https://s3.example.org:9000", bucket: "weights" };

  it("is the folder models on the cold tier, or on the warm one, where the environment names none", () => {
    expect(named(planned({ servers: 1 }), "PersistentVolume", "model-store-gpu-1").spec).toMatchObject({ local: { path: "/srv/warm/models" }, accessModes: ["ReadOnlyMany"] });
  });

  it("is the object store where there is one, with keys from the Secret only", () => {
    const plan = planned({ servers: 1, site: { objectStore } });
    const [container] = podOf(named(plan, "Job")).containers;
    expect(container.args.slice(0, 2)).toEqual(["--source", "store:weights/models"]);
    expect(container.env.filter(({ name }) => /KEY/.test(name))).toEqual([
      { name: "RCLONE_CONFIG_STORE_ACCESS_KEY_ID", valueFrom: { secretKeyRef: { name: "model-store", key: "accessKeyId" } } },
      { name: "RCLONE_CONFIG_STORE_SECRET_ACCESS_KEY", valueFrom: { secretKeyRef: { name: "model-store", key: "secretAccessKey" } } },
    ]);
    expect(plan.objects.some(({ metadata }) => metadata.name === "model-store-gpu-1")).toBe(false);
  });

  it("is open to the layout's pods alone: the address and port of the endpoint, private networks for a name", () => {
    const egress = (endpoint: string): unknown => named(planned({ servers: 1, site: { objectStore: { ...objectStore, endpoint } } }), "NetworkPolicy").spec;
    expect(egress("http://192.0.2.7:9000")).toEqual({
      podSelector: { matchLabels: { "app.kubernetes.io/name": "model-layout" } },
      policyTypes: ["Egress"],
      egress: [{ to: [{ ipBlock: { cidr: "192.0.2.7/32" } }], ports: [{ protocol: "TCP", port: 9000 }] }],
    });
    expect(egress("https://s3.example.org")).toMatchObject({ egress: [{ to: ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"].map((cidr) => ({ ipBlock: { cidr } })), ports: [{ protocol: "TCP", port: 443 }] }] });
    expect(networksOf("[2001:db8::7]")).toEqual(["2001:db8::7/128"]);
    expect(planned({ servers: 1 }).objects.some(({ kind }) => kind === "NetworkPolicy")).toBe(false);
  });

  it("is one read-only NFS volume for all servers, which the node mounts", () => {
    const plan = planned({ site: { modelStore: { kind: "nfs", server: "192.0.2.8", path: "/export/models" } } });
    expect(named(plan, "PersistentVolume", "model-store").spec).toMatchObject({ nfs: { server: "192.0.2.8", path: "/export/models", readOnly: true }, accessModes: ["ReadOnlyMany"], claimRef: { namespace: "inference", name: "model-store" } });
    for (const server of ["gpu-1", "gpu-2"]) {
      expect(podOf(named(plan, "Job", new RegExp(`^layout-${server}-`))).volumes).toContainEqual({ name: "store", persistentVolumeClaim: { claimName: "model-store", readOnly: true } });
    }
  });
});

describe("what cannot be laid out", () => {
  it.each<[string, StoreInput, RegExp, number?]>([
    ["a server without a hot tier", { servers: 1, change: (servers) => delete servers["gpu-1"]?.tiers?.hot }, /servers\.gpu-1\.tiers\.hot is missing/],
    ["no tier that holds weights for good", { servers: 1, change: (servers) => delete servers["gpu-1"]?.tiers?.warm }, /servers\.gpu-1\.tiers has no cold or warm tier.*chat, search come from nowhere/],
    ["an object store that is not there", { site: { modelStore: { kind: "object-store" } } }, /site\.modelStore\.kind is object-store, but the site has none/],
    ["a store on the hot tier", { servers: 1, site: { modelStore: { kind: "directory", path: "/srv/hot/weights" } } }, /site\.modelStore\.path is on the hot tier of gpu-1/],
    ["a hub without internet", { services: { chat: { model: "qwen2.5-7b", weights: { from: "hub" } } } }, /services\.chat\.weights\.from is hub, but the site has no internet access/],
    ["a model folder that climbs", { services: { chat: { model: "/../secrets" } } }, /services\.chat\.model is not a folder below the model store/],
    ["two pins of one folder", { services: { a: { model: "qwen2.5-7b", weights: { manifestSha256: "a".repeat(64) } }, b: { model: "qwen2.5-7b", weights: { manifestSha256: "b".repeat(64) } } } }, /services\.b\.weights\.manifestSha256 differs from the one that services\.a pins/],
    ["more weights than the hot tier holds", { servers: 1 }, /servers\.gpu-1\.tiers\.hot holds 7680 GB, but the weights of the services on the server need 8000 GB: own\/embedder 4000 GB, qwen2\.5-7b 4000 GB/, 4000],
  ])("is told in the plan: %s", (_what, input, message, weightsGB) => {
    expect(told(planned(input, undefined, weightsGB))).toMatch(message);
  });
});

describe("folders on the tiers", () => {
  const folders = (input: StoreInput, step: string): string[] => {
    const environment = storeEnvironment({ services, ...input });
    const { args } = planServer({ ...environment, monitoring: { ...environment.monitoring, enabled: false } }, "gpu-1").steps.find(({ name }) => name === step) ?? { args: [] };
    return args.flatMap((word, index) => (word === "--folder" ? [args[index + 1] ?? ""] : []));
  };

  it("are models on the hot tier and on the tier of the source, where there are services", () => {
    expect(folders({}, "gpu-1-hot")).toEqual(["models"]);
    expect(folders({}, "gpu-1-warm")).toEqual(["models"]);
    expect(folders({ services: {} }, "gpu-1-hot")).toEqual([]);
    expect(folders({ site: { objectStore: { endpoint: "https://s3.example.org", bucket: "weights" } } }, "gpu-1-warm")).toEqual([]);
    expect(folders({ site: { modelStore: { kind: "directory", path: "/srv/warm/ai/weights" } } }, "gpu-1-warm")).toEqual(["ai/weights"]);
  });
});

describe("the planner, for any environment", () => {
  it("plans the same twice, as plain data, each object once, every reference to one that is there, and no secret", () => {
    fc.assert(
      fc.property(validEnvironment, (input) => {
        const result = parseEnvironment(input);
        if (!result.ok) return;
        const plan = planModelStore(result.environment, workloadsOn(result.environment));
        expect(planModelStore(result.environment, workloadsOn(result.environment))).toEqual(plan);
        expect(JSON.parse(JSON.stringify(plan.objects))).toEqual(plan.objects);
        const keys = plan.objects.map(({ kind, metadata }) => `${kind}/${metadata.name}`);
        expect(new Set(keys).size).toBe(keys.length);
        for (const object of plan.objects.filter(({ kind }) => kind === "Job")) {
          for (const { persistentVolumeClaim } of podOf(object).volumes) {
            if (persistentVolumeClaim !== undefined) expect(keys).toContain(`PersistentVolumeClaim/${persistentVolumeClaim.claimName}`);
          }
        }
        for (const object of plan.objects.filter(({ kind }) => kind === "PersistentVolumeClaim")) expect(keys).toContain(`PersistentVolume/${object.metadata.name}`);
        expect(plan.objects.some(({ kind }) => kind === "Secret")).toBe(false);
        // Whoever runs a service has its model, or the plan says why not.
        const servers = Object.keys(result.environment.services).length === 0 ? [] : Object.keys(result.environment.servers);
        for (const server of servers) expect(plan.servers.some((layout) => layout.server === server && layout.job !== undefined) || plan.findings.length > 0).toBe(true);
      }),
      { numRuns: 60 },
    );
  });
});
