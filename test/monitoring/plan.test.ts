import { describe, expect, it } from "vitest";
import { images } from "../../components/catalog/images";
import { planWorkloads } from "../../components/inference";
import { monitoringFindings } from "../../components/monitoring/plan";
import { ruleGroups } from "../../components/monitoring/rules";
import { explaining } from "../../components/monitoring/alertmanager-config";
import { prometheusMemoryMiB } from "../../components/monitoring/prometheus";
import { planSite } from "../../components/site/plan";
import { cpuServer, stack, stackNames } from "../cluster/environments";
import { monitoredSite, objectOf, objectsOf, podOf } from "./environments";

const findingsOf = (change: Parameters<typeof monitoredSite>[0]): string[] => monitoringFindings(monitoredSite(change)).map(({ keys, message }) => `${keys.join(".")} ${message}`);
const namesOf = (objects: ReturnType<typeof objectsOf>, kind: string): string[] => objects.filter((object) => object.kind === kind).map(({ metadata }) => metadata.name).sort();

describe("monitoring of a cluster", () => {
  const objects = objectsOf(monitoredSite());

  it("is Prometheus, Alertmanager, Grafana and the exporters", () => {
    expect(namesOf(objects, "Deployment")).toEqual(["alertmanager", "blackbox-exporter", "grafana", "kube-state-metrics", "prometheus"]);
    expect(namesOf(objects, "DaemonSet")).toEqual(["dcgm-exporter", "node-exporter", "smokeping-prober"]);
  });

  it("runs beside its measurements, which are on a warm tier and stay when claims and volumes go", () => {
    for (const name of ["prometheus", "alertmanager", "grafana"]) {
      expect(objectOf(objects, "PersistentVolume", `measurements-${name}`)["spec"]).toMatchObject({
        persistentVolumeReclaimPolicy: "Retain",
        claimRef: { namespace: "monitoring", name: `measurements-${name}` },
        local: { path: `/srv/warm/monitoring/${name}` },
        nodeAffinity: { required: { nodeSelectorTerms: [{ matchExpressions: [{ key: "kubernetes.io/hostname", operator: "In", values: ["gpu-01"] }] }] } },
      });
      expect(objectOf(objects, "Deployment", name)["spec"]).toMatchObject({ replicas: 1, strategy: { type: "Recreate" }, template: { spec: { affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [{ matchExpressions: [{ values: ["gpu-01"] }] }] } } } } } });
    }
  });

  it("keeps what the environment says, and has room for it", () => {
    expect(podOf(objectOf(objects, "Deployment", "prometheus")).spec.containers[0]?.args).toContain("--storage.tsdb.retention.size=102400MB");
    expect(objectOf(objects, "PersistentVolume", "measurements-prometheus")["spec"]).toMatchObject({ capacity: { storage: "120Gi" } });
  });

  it("takes the stated server", () => {
    const other = objectsOf(monitoredSite(({ monitoring }) => { if (monitoring) monitoring.server = "gpu-02"; }));
    expect(objectOf(other, "PersistentVolume", "measurements-prometheus").metadata.labels).toMatchObject({ "rackwright.dev/server": "gpu-02" });
  });

  it("takes images from the site's registry, all of them of the one table", () => {
    const used = objects.filter(({ kind }) => ["Deployment", "DaemonSet", "CronJob"].includes(kind)).flatMap((object) => podOf(object).spec.containers.map(({ image }) => image));
    const known = Object.values(images).map(({ repository, tag }) => `registry.example.org/copies/${repository}:${tag}`);
    expect(used.filter((image) => !known.includes(image))).toEqual([]);
    expect(used.length).toBe(8);
  });

  it("leaves out what has nothing to measure", () => {
    const single = objectsOf(monitoredSite((input) => {
      input.servers = { "ctrl-01": cpuServer("192.0.2.11", { roles: ["control-plane"], drives: { "ata-WARM_A": { kind: "sata-ssd", capacityGB: 1920 } }, tiers: { warm: { level: "single", drives: ["ata-WARM_A"] } } }) };
      input.services = {};
      input.cluster = { distribution: "existing" };
      input.monitoring = { grafana: { enabled: false } };
    }));
    expect(namesOf(single, "DaemonSet")).toEqual(["node-exporter"]);
    expect(namesOf(single, "Deployment")).toEqual(["alertmanager", "kube-state-metrics", "prometheus"]);
    expect(objectsOf(monitoredSite((input) => { input.monitoring = { enabled: false }; }))).toEqual([]);
    expect(objectsOf(monitoredSite((input) => { input.services = {}; input.cluster = { distribution: "none" }; input.servers["ctrl-01"] = cpuServer("192.0.2.11"); }))).toEqual([]);
  });

  it("makes new pods when a file changes that a program reads once", () => {
    const changed = objectsOf(monitoredSite(({ monitoring }) => { if (monitoring) monitoring.alerts = { gpuUtilizationPercent: 20 }; }));
    const hash = (all: typeof objects, name: string): unknown => podOf(objectOf(all, "Deployment", name)).metadata.annotations?.["rackwright.dev/config"];
    expect(hash(changed, "prometheus")).not.toBe(hash(objects, "prometheus"));
    expect(hash(changed, "alertmanager")).toBe(hash(objects, "alertmanager"));
  });

  it("asks no server for more than the planner has set aside for the cluster's own pods", () => {
    const requests = objects.filter(({ kind }) => kind === "Deployment" || kind === "DaemonSet").flatMap((object) => podOf(object).spec.containers.map(({ resources }) => resources.requests));
    const cpus = requests.reduce((sum, { cpu }) => sum + Number(cpu.replace("m", "")) / 1000, 0);
    const memoryGiB = requests.reduce((sum, { memory }) => sum + Number(memory.replace("Mi", "")) / 1024, 0);
    // With the two device plugins beside them: components/cluster/capacity.ts sets 1 CPU and 4 GiB aside.
    expect(cpus + 0.1).toBeLessThanOrEqual(1);
    expect(memoryGiB + 0.125).toBeLessThanOrEqual(4);
  });

  it("lets Prometheus grow with the rack", () => {
    const few = prometheusMemoryMiB(monitoredSite());
    const many = prometheusMemoryMiB(monitoredSite((input) => { for (let index = 0; index < 200; index++) input.servers[`more-${index}`] = cpuServer(`198.51.100.${index}`); }));
    expect([few, many > 5 * 1010]).toEqual([2048, true]);
  });
});

describe("what monitoring may do and reach", () => {
  const objects = objectsOf(monitoredSite());

  it("lets nothing but two programs talk to the API server, and those only look", () => {
    const withToken = objects.filter(({ kind }) => ["Deployment", "DaemonSet"].includes(kind)).filter((object) => podOf(object).spec.automountServiceAccountToken === true).map(({ metadata }) => metadata.name);
    expect(withToken.sort()).toEqual(["kube-state-metrics", "prometheus"]);
    const rules = objects.filter(({ kind }) => kind === "Role" || kind === "ClusterRole").flatMap((role) => role["rules"] as { resources: string[]; verbs: string[] }[]);
    expect(new Set(rules.flatMap(({ verbs }) => verbs))).toEqual(new Set(["get", "list", "watch"]));
    expect(rules.flatMap(({ resources }) => resources)).not.toContain("secrets");
    expect(objects.filter(({ kind }) => kind === "Role").map(({ metadata }) => metadata.namespace).sort()).toEqual(["exporters", "inference"]);
  });

  it("has no secret in any object: they are mounted from Secrets that the component makes", () => {
    expect(objects.filter(({ kind }) => kind === "Secret")).toEqual([]);
    const text = JSON.stringify(objects);
    for (const file of ["smtp-password", "chat-url", "admin-password"]) expect(text).toContain(file);
    expect(text).not.toMatch(/password["']?:\s*["'][^"'$/]/i);
  });

  it("opens each program to those that ask it, and lets each reach what it asks", () => {
    const policy = (name: string): { ingress: { from?: unknown[]; ports: { port: number }[] }[]; egress: { to?: { ipBlock?: { cidr: string }; podSelector?: unknown }[]; ports: { port: number }[] }[] } => objectOf(objects, "NetworkPolicy", name)["spec"] as never;
    expect(policy("alertmanager").egress).toEqual([
      { to: [{ ipBlock: { cidr: "192.0.2.6/32" } }], ports: [{ protocol: "TCP", port: 8080 }] },
      { to: ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"].map((cidr) => ({ ipBlock: { cidr } })), ports: [{ protocol: "TCP", port: 587 }] },
      { to: ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"].map((cidr) => ({ ipBlock: { cidr } })), ports: [{ protocol: "TCP", port: 443 }] },
    ]);
    // No rule without an address: nothing leaves the site.
    for (const name of namesOf(objects, "NetworkPolicy")) for (const { to } of policy(name).egress) expect(to, name).not.toBeUndefined();
    expect(policy("grafana").egress).toHaveLength(1);
    expect(policy("prometheus").egress.find(({ ports }) => ports.some(({ port }) => port === 9374))?.to).toEqual(["192.0.2.11/32", "192.0.2.21/32", "192.0.2.22/32"].map((cidr) => ({ ipBlock: { cidr } })));
    expect(policy("dcgm-exporter").egress).toEqual([]);
    expect(policy("dcgm-exporter").ingress[0]?.from).toEqual([{ namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": "monitoring" } }, podSelector: { matchLabels: { "app.kubernetes.io/name": "prometheus" } } }]);
  });

  it("reports to nobody: Grafana asks for no updates, news, plug-ins or pictures", () => {
    const variables = Object.fromEntries((podOf(objectOf(objects, "Deployment", "grafana")).spec.containers[0]?.env ?? []).map(({ name, value }) => [name, value]));
    expect(variables).toMatchObject({ GF_ANALYTICS_REPORTING_ENABLED: "false", GF_ANALYTICS_CHECK_FOR_UPDATES: "false", GF_ANALYTICS_CHECK_FOR_PLUGIN_UPDATES: "false", GF_NEWS_NEWS_FEED_ENABLED: "false", GF_SECURITY_DISABLE_GRAVATAR: "true", GF_PLUGINS_PREINSTALL_DISABLED: "true" });
  });
});

describe("a site with a Prometheus operator of its own", () => {
  const environment = monitoredSite(({ monitoring }) => { if (monitoring) Object.assign(monitoring, { mode: "operator", operator: { namespace: "observability", labels: { release: "prom" } } }); });
  const objects = objectsOf(environment);

  it("gets monitors, rules and boards instead of programs", () => {
    expect(namesOf(objects, "Deployment")).toEqual(["blackbox-exporter", "kube-state-metrics"]);
    expect(namesOf(objects, "PodMonitor")).toEqual(["rackwright-allocator", "rackwright-engine", "rackwright-gpu", "rackwright-kube-state-metrics", "rackwright-latency", "rackwright-node"]);
    expect(namesOf(objects, "PrometheusRule")).toEqual(["rackwright"]);
    expect(namesOf(objects, "Probe")).toEqual(["rackwright-probe"]);
    expect(namesOf(objects, "ScrapeConfig")).toEqual(["rackwright-meter"]);
    for (const { kind, metadata } of objects.filter(({ apiVersion }) => apiVersion.startsWith("monitoring.coreos.com/"))) expect([kind, metadata.labels?.["release"]]).toEqual([kind, "prom"]);
    const boardMaps = objects.filter(({ metadata }) => metadata.labels?.["grafana_dashboard"] === "1");
    expect(boardMaps.length).toBeGreaterThan(3);
    expect(objects.filter(({ metadata }) => metadata.namespace === "monitoring")).toEqual([]);
  });

  it("leaves the port of a node_exporter to the one that is there", () => {
    const args = podOf(objectOf(objects, "DaemonSet", "node-exporter")).spec.containers[0]?.args;
    expect(args).toContain("--web.listen-address=$(HOST_ADDRESS):19100");
  });

  it("asks for no warm tier, for it keeps nothing", () => {
    expect(findingsOf((input) => { for (const server of Object.values(input.servers)) { delete server.tiers; delete server.drives; } input.services = {}; input.monitoring = { mode: "operator" }; })).toEqual([]);
  });
});

describe("monitoring that cannot work as written", () => {
  it.each<[string, Parameters<typeof monitoredSite>[0], string[]]>([
    ["no place for measurements", (input) => { for (const server of Object.values(input.servers)) delete server.tiers; input.services = {}; }, ["monitoring has no server to keep its measurements on: none has a warm or a cold tier"]],
    ["a server that is not there", ({ monitoring }) => { if (monitoring) monitoring.server = "gpu-09"; }, ["monitoring.server is not a server of this environment"]],
    ["a server without a tier", ({ monitoring }) => { if (monitoring) monitoring.server = "ctrl-01"; }, ["monitoring.server has no warm and no cold tier to keep the measurements on"]],
    ["more than the tier holds", ({ monitoring }) => { if (monitoring) monitoring.retentionGiB = 1600; }, ["monitoring.retentionGiB and what Prometheus needs beside it are 1920 GiB, but the warm tier of gpu-01 holds 1788 GiB"]],
    ["mail without a server", ({ monitoring }) => { if (monitoring) delete monitoring.smtp; }, ["monitoring.receivers.mail is reached by e-mail, but the site has no mail server"]],
  ])("%s", (_, change, expected) => {
    expect(findingsOf(change)).toEqual(expected);
  });

  it("is said before anything is created, with everything else that is wrong", () => {
    const { findings } = planSite(monitoredSite(({ monitoring }) => { if (monitoring) { monitoring.server = "gpu-09"; delete monitoring.smtp; } }));
    expect(findings.map(({ keys }) => keys.join("."))).toEqual(expect.arrayContaining(["monitoring.server", "monitoring.receivers.mail"]));
  });
});

describe("the shipped environments", () => {
  it.each(stackNames)("%s has monitoring that works as written", (name) => {
    const environment = stack(name);
    expect(monitoringFindings(environment)).toEqual([]);
    // Alerts that silence others of their server must be ones that there are.
    const alerts = ruleGroups(environment, planWorkloads(environment)).flatMap((group) => group.alerts.map((alert) => alert.name));
    expect(alerts).toEqual(expect.arrayContaining([...explaining]));
  });
});
