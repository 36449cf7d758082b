import { describe, expect, it } from "vitest";
import { parseEnvironment } from "../../components/environment";
import { prometheusConfig } from "../../components/monitoring/prometheus-config";
import { loadEnvironment } from "../../cli/project";
import { withWebhooks } from "../../rehearsal/monitoring/alerts";
import type { PodObject } from "../../rehearsal/monitoring/cluster-state";
import { reroutedConfig } from "../../rehearsal/monitoring/reroute";
import { clusterRoutes, hostRoutes } from "../../rehearsal/monitoring/routes";

interface Job {
  job_name: string;
  static_configs?: { targets: string[] }[];
}

const jobsOf = (config: Readonly<Record<string, unknown>>): Job[] => config["scrape_configs"] as Job[];
const { environment } = loadEnvironment("sme-production");

describe("the configuration in a rehearsal", () => {
  it.each(["cluster", "hosts"] as const)("of a site on %s goes through the proxy and is otherwise as generated", (place) => {
    const generated = prometheusConfig(environment, place);
    const rerouted = reroutedConfig(generated, { proxyUrl: "http://127.0.0.1:1", kubeconfigFile: "/kubeconfig" });
    expect(jobsOf(rerouted).every((job) => (job as unknown as { proxy_url: string }).proxy_url === "http://127.0.0.1:1")).toBe(true);
    const back = JSON.parse(JSON.stringify(rerouted, (key, value: unknown) => (key === "proxy_url" || key === "kubeconfig_file" ? undefined : value))) as unknown;
    expect(back).toEqual(JSON.parse(JSON.stringify(generated)));
  });

  it("tells discovery where the API server is, wherever there is discovery", () => {
    const text = JSON.stringify(reroutedConfig(prometheusConfig(environment, "cluster"), { proxyUrl: "http://127.0.0.1:1", kubeconfigFile: "/kubeconfig" }));
    expect(text.match(/"kubeconfig_file":"\/kubeconfig"/g)?.length).toBe(text.match(/"role":"pod"/g)?.length);
    expect(text).toContain('"kubeconfig_file"');
  });
});

describe("who answers for an address", () => {
  it("is known for every target of a site without a cluster", () => {
    const parsed = parseEnvironment({
      site: { name: "bare" },
      servers: Object.fromEntries(Object.entries(environment.servers).map(([name, { address, hostKey, cpu, memoryGiB, pcieGeneration, gpus, drives, tiers, nics }]) => [name, { address, hostKey, cpu, memoryGiB, pcieGeneration, ...(gpus === undefined ? {} : { gpus }), drives, tiers, nics }])),
      cluster: { distribution: "none" },
      monitoring: { meter: { address: "192.0.2.50", metric: "feed_watts" } },
    });
    if (!parsed.ok) throw new Error(JSON.stringify(parsed.problems));
    const routes = hostRoutes(parsed.environment);
    const targets = jobsOf(prometheusConfig(parsed.environment, "hosts")).flatMap(({ static_configs = [] }) => static_configs.flatMap((each) => each.targets));
    expect(targets.length).toBeGreaterThan(10);
    expect(targets.filter((target) => !routes.has(target))).toEqual([]);
  });

  it("is known for every pod that is scraped, and for no other", () => {
    const pod = (namespace: string, name: string, ip: string, labels: Record<string, string>, annotations: Record<string, string>, ports: { name: string; containerPort: number }[]): PodObject => ({
      metadata: { namespace, name, uid: name, labels, annotations },
      spec: { nodeName: "gpu-01", containers: [{ name: "c", ports }] },
      status: { podIP: ip },
    });
    const routes = clusterRoutes(environment, [
      pod("exporters", "dcgm", "10.42.0.2", { "app.kubernetes.io/name": "dcgm-exporter" }, {}, [{ name: "metrics", containerPort: 9400 }]),
      pod("inference", "engine", "10.42.0.3", {}, { "prometheus.io/scrape": "true", "prometheus.io/port": "8000" }, [{ name: "http", containerPort: 8000 }, { name: "allocator", containerPort: 9401 }]),
      pod("inference", "worker", "10.42.0.4", {}, {}, [{ name: "http", containerPort: 8000 }]),
      pod("kube-system", "dns", "10.42.0.5", { "app.kubernetes.io/name": "dcgm-exporter" }, {}, [{ name: "metrics", containerPort: 9153 }]),
    ]);
    expect([...routes].filter(([address]) => address.startsWith("10.42."))).toEqual([
      ["10.42.0.2:9400", { job: "gpu", server: "gpu-01" }],
      ["10.42.0.3:8000", { job: "engine", namespace: "inference", pod: "engine" }],
      ["10.42.0.3:9401", { job: "allocator", namespace: "inference", pod: "engine" }],
    ]);
    const fixed = jobsOf(prometheusConfig(environment, "cluster")).filter(({ job_name }) => job_name !== "probe").flatMap(({ static_configs = [] }) => static_configs.flatMap((each) => each.targets));
    expect(fixed.filter((target) => !routes.has(target))).toEqual([]);
  });
});

describe("receivers in a rehearsal", () => {
  it("keep their names and severities, are all on this machine, and one is told of everything", () => {
    const { monitoring } = withWebhooks(environment, { url: (receiver) => `http://127.0.0.1:1/${receiver}` });
    expect(monitoring.receivers).toEqual({
      operations: { kind: "webhook", url: "http://127.0.0.1:1/operations", minimumSeverity: "warning" },
      "on-duty": { kind: "webhook", url: "http://127.0.0.1:1/on-duty", minimumSeverity: "critical" },
      rehearsal: { kind: "webhook", url: "http://127.0.0.1:1/rehearsal", minimumSeverity: "info" },
    });
    expect(monitoring.smtp).toBeUndefined();
  });
});
