import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parse, stringify } from "yaml";
import { planCluster } from "../../components/cluster/plan";
import type { KubernetesObject } from "../../components/cluster/object";
import { planWorkloads } from "../../components/inference";
import { planModelStore } from "../../components/inference/model-store";
import { planInferenceService } from "../../components/inference/service-plan";
import { prometheusConfig } from "../../components/monitoring/prometheus-config";
import type { ControlPlane } from "../../rehearsal/control-plane/control-plane";
import { findGo } from "../../rehearsal/control-plane/go";
import { nodeShape } from "../../rehearsal/control-plane/nodes";
import { Part } from "../../rehearsal/control-plane/part";
import { programs } from "../../rehearsal/control-plane/programs";
import { controlPlane, controlPlaneTimeout } from "../support/control-plane";
import { objectsOn, within } from "../support/objects";
import { monitoredSite, objectsOf } from "./environments";

const start = controlPlane();
let plane: ControlPlane;
const { pathOf, apply } = objectsOn(() => plane);
const until = within(40);
const environment = monitoredSite();
const workloads = planWorkloads(environment);

const secret = (namespace: string, name: string): KubernetesObject => ({ apiVersion: "v1", kind: "Secret", metadata: { name, namespace }, type: "Opaque" });

beforeAll(async () => {
  plane = await start();
  await plane.addNode(...Object.keys(environment.servers).map((name) => nodeShape(environment, name)));
  const cluster = planCluster(environment, workloads);
  const services = Object.values(workloads.services).flatMap((service) => planInferenceService(environment, service));
  const secrets = [secret("inference", "inference-api-key"), secret("monitoring", "alertmanager"), secret("monitoring", "grafana")];
  for (const object of [...cluster.nodes, ...cluster.objects, ...secrets, ...objectsOf(environment), ...planModelStore(environment, workloads).objects, ...services.filter(({ kind }) => kind !== "Ingress")]) await apply(object);
}, controlPlaneTimeout);

interface Pod {
  metadata: { name: string; labels?: Record<string, string> };
  spec: { nodeName?: string };
  status?: { phase?: string };
}

const podsIn = async (namespace: string): Promise<Pod[]> => (await plane.call<{ items: Pod[] }>("GET", `/api/v1/namespaces/${namespace}/pods`))?.items ?? [];

describe("monitoring on the real API server", () => {
  it("is admitted under its pod security levels and placed beside its measurements, with exporters on every server", async () => {
    const where = (pods: readonly Pod[]): string[] => pods.map(({ metadata, spec }) => `${metadata.labels?.["app.kubernetes.io/name"] ?? ""} on ${spec.nodeName ?? "none"}`).sort();
    const settled = async (namespace: string, count: number): Promise<string[]> =>
      until(`${count} pods in ${namespace}`, async () => {
        const pods = await podsIn(namespace);
        return pods.length === count && pods.every(({ status }) => status?.phase === "Running") ? where(pods) : undefined;
      });
    expect(await settled("exporters", 8)).toEqual([
      "dcgm-exporter on gpu-01", "dcgm-exporter on gpu-02", "node-exporter on ctrl-01", "node-exporter on gpu-01", "node-exporter on gpu-02",
      "smokeping-prober on ctrl-01", "smokeping-prober on gpu-01", "smokeping-prober on gpu-02",
    ]);
    expect((await settled("monitoring", 5)).filter((place) => /alertmanager|grafana|prometheus/.test(place))).toEqual(["alertmanager on gpu-01", "grafana on gpu-01", "prometheus on gpu-01"]);
  }, 60_000);
});

describe("monitoring that is taken out and put back", () => {
  const own = objectsOf(environment).filter(({ kind, metadata }) => metadata.namespace === "monitoring" || kind === "PersistentVolume");
  const claims = own.filter(({ kind }) => kind === "PersistentVolumeClaim");

  interface Claim {
    spec: { volumeName?: string };
    status?: { phase?: string };
  }

  const bound = (): Promise<string[]> =>
    until("bound claims", async () => {
      const found = await Promise.all(claims.map(async (claim) => plane.call<Claim>("GET", await pathOf(claim))));
      return found.every((claim) => claim?.status?.phase === "Bound") ? found.map((claim) => claim?.spec.volumeName ?? "") : undefined;
    });

  it("finds its folders again: the same volumes for the same claims, though both were deleted", async () => {
    const before = await bound();
    expect(before.sort()).toEqual(["measurements-alertmanager", "measurements-grafana", "measurements-prometheus"]);
    for (const object of [...own].reverse()) await plane.call("DELETE", await pathOf(object));
    await until("an end of all of them", async () => {
      const left = await Promise.all(own.map(async (object) => plane.call("GET", await pathOf(object))));
      return left.every((object) => object === undefined) ? true : undefined;
    });
    for (const object of own) await apply(object);
    expect((await bound()).sort()).toEqual(before);
    for (const claim of claims) {
      const volume = await plane.call<{ spec: { local: { path: string } } }>("GET", `/api/v1/persistentvolumes/${claim.metadata.name}`);
      expect(volume?.spec.local.path).toBe(`/srv/warm/monitoring/${claim.metadata.name.replace("measurements-", "")}`);
    }
  }, 120_000);
});

/** Debian's Prometheus has no discovery through Kubernetes: this is the release whose image is used, built from its module. */
describe("the real Prometheus, as its service account", () => {
  let folder: string;
  let prometheus: Part;
  let nowhere: Server;
  const port = 19_090 + (process.pid % 500);

  interface Target {
    labels: Record<string, string>;
    scrapePool: string;
  }

  const token = async (): Promise<string> => {
    const answer = await plane.call<{ status: { token: string } }>("POST", "/api/v1/namespaces/monitoring/serviceaccounts/prometheus/token", { apiVersion: "authentication.k8s.io/v1", kind: "TokenRequest", spec: {} });
    return answer?.status.token ?? "";
  };

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "prometheus-"));
    const program = await programs(["prometheus"]);
    nowhere = createServer((_, response) => response.writeHead(200, { "content-type": "text/plain" }).end("")).listen(0, "127.0.0.1");
    await new Promise((resolve) => nowhere.once("listening", resolve));
    const { port: nowherePort } = nowhere.address() as { port: number };
    const { clusters } = parse(plane.kubeconfig) as { clusters: { cluster: { "certificate-authority-data": string } }[] };
    writeFileSync(join(folder, "authority.pem"), Buffer.from(clusters[0]?.cluster["certificate-authority-data"] ?? "", "base64"));
    writeFileSync(join(folder, "token"), await token(), { mode: 0o600 });
    const config = prometheusConfig(environment, "cluster") as { alerting?: unknown; scrape_configs: { kubernetes_sd_configs?: object[]; relabel_configs?: object[] }[] };
    delete config.alerting;
    writeFileSync(join(folder, "rules.yml"), "groups: []\n");
    // Outside of the cluster it is told what a pod finds in its own folder; the pods themselves are not there to be scraped.
    for (const job of config.scrape_configs) {
      for (const discovery of job.kubernetes_sd_configs ?? []) Object.assign(discovery, { api_server: plane.url, authorization: { credentials_file: "token" }, tls_config: { ca_file: "authority.pem" } });
      job.relabel_configs = [...(job.relabel_configs ?? []), { target_label: "found_address", source_labels: ["__address__"] }, { target_label: "__address__", replacement: `127.0.0.1:${nowherePort}` }];
    }
    writeFileSync(join(folder, "prometheus.yml"), stringify(config));
    prometheus = new Part("prometheus", program.prometheus, [`--config.file=${join(folder, "prometheus.yml")}`, `--storage.tsdb.path=${join(folder, "data")}`, `--web.listen-address=127.0.0.1:${port}`], folder);
  }, controlPlaneTimeout);
  afterAll(async () => {
    await prometheus.kill();
    nowhere.close();
    rmSync(folder, { recursive: true, force: true });
  });

  const targets = async (pool: string, count: number): Promise<Record<string, string>[]> =>
    until(`${count} targets of ${pool}`, async () => {
      const answer = await fetch(`http://127.0.0.1:${port}/api/v1/targets?state=active`).catch(() => undefined);
      if (answer?.ok !== true) return undefined;
      const { data } = (await answer.json()) as { data: { activeTargets: Target[] } };
      const found = data.activeTargets.filter(({ scrapePool }) => scrapePool === pool).map(({ labels }) => labels);
      return found.length === count ? found : undefined;
    });

  it("finds every exporter through the API server and gives it the name of its server", async () => {
    expect((await targets("node", 3)).map(({ server }) => server).sort()).toEqual(["ctrl-01", "gpu-01", "gpu-02"]);
    expect((await targets("gpu", 2)).map(({ server }) => server).sort()).toEqual(["gpu-01", "gpu-02"]);
    expect((await targets("latency", 3)).map(({ server }) => server).sort()).toEqual(["ctrl-01", "gpu-01", "gpu-02"]);
  }, 60_000);

  it("finds each engine once, at its metrics' port, with the service, the role and the server that it belongs to", async () => {
    const [engine] = await targets("engine", 1);
    const [pod] = await podsIn("inference");
    expect(engine).toMatchObject({ job: "engine", service: "assistant", role: "active", namespace: "inference", pod: pod?.metadata.name, server: pod?.spec.nodeName });
    expect(engine?.["found_address"]).toMatch(/:8000$/);
  }, 60_000);

  it("finds the allocator's metrics in the same pods", async () => {
    const [allocator] = await targets("allocator", 1);
    expect(allocator).toMatchObject({ job: "allocator", service: "assistant", role: "active" });
    expect(allocator?.["found_address"]).toMatch(/:9401$/);
  }, 60_000);

  it("may look at pods where it scrapes, and at nothing else", async () => {
    const may = async (verb: string, resource: string, namespace: string): Promise<boolean> => {
      const answer = await plane.call<{ status: { allowed: boolean } }>("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", {
        apiVersion: "authorization.k8s.io/v1", kind: "SubjectAccessReview", spec: { user: "system:serviceaccount:monitoring:prometheus", resourceAttributes: { verb, resource, namespace } },
      });
      return answer?.status.allowed === true;
    };
    expect([await may("list", "pods", "exporters"), await may("watch", "pods", "inference")]).toEqual([true, true]);
    for (const [verb, resource, namespace] of [["list", "pods", "training"], ["list", "pods", "kube-system"], ["get", "secrets", "inference"], ["get", "secrets", "monitoring"], ["delete", "pods", "inference"], ["create", "pods", "exporters"]] as const) {
      expect(await may(verb, resource, namespace), `${verb} ${resource} in ${namespace}`).toBe(false);
    }
  });
});

/** Definitions of the operator's own release, from its Go module. */
describe("the objects for a Prometheus operator", () => {
  beforeAll(async () => {
    const go = await findGo({});
    const found = JSON.parse(execFileSync(go, ["mod", "download", "-json", "github.com/prometheus-operator/prometheus-operator"], { cwd: join(__dirname, "operator"), encoding: "utf8", env: { ...process.env, GOFLAGS: "-mod=mod", GOWORK: "off" } })) as { Dir: string };
    for (const kind of ["podmonitors", "probes", "prometheusrules", "scrapeconfigs"]) {
      await apply(parse(readFileSync(join(found.Dir, `example/prometheus-operator-crd/monitoring.coreos.com_${kind}.yaml`), "utf8")) as KubernetesObject);
    }
  }, controlPlaneTimeout);

  it("are taken with strict validation by its own definitions", async () => {
    const objects = objectsOf(monitoredSite(({ monitoring }) => { if (monitoring) Object.assign(monitoring, { mode: "operator", operator: { labels: { release: "prom" } } }); }));
    const own = objects.filter(({ apiVersion }) => apiVersion.startsWith("monitoring.coreos.com/"));
    expect(own.length).toBeGreaterThanOrEqual(9);
    for (const object of objects) await apply(object, "&dryRun=All");
  }, 60_000);

  it("would be refused with a field that the operator does not know", async () => {
    const [monitor] = objectsOf(monitoredSite(({ monitoring }) => { if (monitoring) monitoring.mode = "operator"; })).filter(({ kind }) => kind === "PodMonitor");
    if (monitor === undefined) throw new Error("there is no PodMonitor");
    await expect(apply({ ...monitor, spec: { ...(monitor["spec"] as object), pod_metrics: [] } }, "&dryRun=All")).rejects.toThrow(/pod_metrics/);
  });
});
