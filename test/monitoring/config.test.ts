import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { stringify } from "yaml";
import type { Environment } from "../../components/environment";
import { planWorkloads } from "../../components/inference";
import { alertmanagerConfig } from "../../components/monitoring/alertmanager-config";
import { prometheusFiles } from "../../components/monitoring/prometheus";
import { blackboxConfig, probeTargets, prometheusConfig } from "../../components/monitoring/prometheus-config";
import { latencyPeers } from "../../components/monitoring/peers";
import { monitoringServer } from "../../components/monitoring/server";
import { programs } from "../../rehearsal/control-plane/programs";
import { cpuServer, stack, stackNames } from "../cluster/environments";
import { controlPlaneTimeout } from "../support/control-plane";
import { monitoredSite } from "./environments";

let folder: string;
let promtool: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "monitoring-config-"));
  ({ promtool } = await programs(["prometheus"], { onProgress: (line) => process.stderr.write(`   ${line}\n`) }));
}, controlPlaneTimeout);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface ScrapeConfig {
  job_name: string;
  honor_labels?: boolean;
  static_configs?: { targets: string[]; labels?: Record<string, string> }[];
}

const scrapes = (environment: Environment, place: "cluster" | "hosts"): ScrapeConfig[] => prometheusConfig(environment, place)["scrape_configs"] as ScrapeConfig[];
const environments = { lab: monitoredSite(), ...Object.fromEntries(stackNames.map((name) => [name, stack(name)])) };

describe("Prometheus' configuration", () => {
  it.each(Object.keys(environments))("of %s is one that Prometheus 3.15.1 takes, with its rules, in a cluster and on hosts", (name) => {
    const environment = environments[name as keyof typeof environments];
    for (const place of ["cluster", "hosts"] as const) {
      for (const [file, text] of Object.entries(prometheusFiles(environment, planWorkloads(environment), place))) writeFileSync(join(folder, file), text);
      expect(execFileSync(promtool, ["check", "config", join(folder, "prometheus.yml")], { encoding: "utf8" })).toContain("is valid prometheus config file syntax");
    }
  });

  it("has a job for each kind of exporter, once", () => {
    expect(scrapes(environments.lab, "cluster").map(({ job_name }) => job_name)).toEqual(["prometheus", "alertmanager", "node", "gpu", "latency", "kube-state-metrics", "engine", "allocator", "probe", "meter"]);
    expect(scrapes(environments.lab, "hosts").map(({ job_name }) => job_name)).toEqual(["prometheus", "alertmanager", "node", "gpu", "latency", "probe", "meter"]);
  });

  it("finds the servers of a site without a cluster by their addresses, and names them", () => {
    const gpu = scrapes(environments.lab, "hosts").find(({ job_name }) => job_name === "gpu");
    expect(gpu).toEqual({ job_name: "gpu", honor_labels: true, static_configs: [{ targets: ["192.0.2.21:9400"], labels: { server: "gpu-01" } }, { targets: ["192.0.2.22:9400"], labels: { server: "gpu-02" } }] });
  });

  it("writes IPv6 addresses in brackets", () => {
    const environment = monitoredSite(({ servers }) => { servers["gpu-02"] = cpuServer("2001:db8::22"); });
    expect(JSON.stringify(scrapes(environment, "hosts"))).toContain("[2001:db8::22]:9100");
  });

  it("keeps the labels with which an exporter says whose pod it speaks of", () => {
    const honest = scrapes(environments.lab, "cluster").filter(({ honor_labels }) => honor_labels === true);
    expect(honest.map(({ job_name }) => job_name)).toEqual(["gpu", "kube-state-metrics"]);
  });

  it("looks at every certificate that clients meet", () => {
    expect(probeTargets(environments.lab)).toEqual([
      { target: "192.0.2.11:6443", module: "tls" },
      { target: "assistant.example.org:443", module: "tls" },
      { target: "grafana.example.org:443", module: "tls" },
    ]);
    expect(probeTargets(stack("edge")).map(({ target }) => target)).toContain("s3.plant.example:443");
    expect(probeTargets(monitoredSite((input) => { input.cluster = { distribution: "none" }; input.services = {}; input.servers["ctrl-01"] = cpuServer("192.0.2.11"); }))).toEqual([]);
  });
});

describe("Alertmanager's configuration", () => {
  it.each(Object.keys(environments))("of %s is one that Alertmanager 0.25 takes", (name) => {
    const file = join(folder, "alertmanager.yml");
    writeFileSync(file, stringify(alertmanagerConfig(environments[name as keyof typeof environments])));
    expect(execFileSync("amtool", ["check-config", file], { encoding: "utf8" })).toContain("SUCCESS");
  });

  it.each([
    ["an alert that always fires", { alertname: "Watchdog", severity: "info" }, "hook"],
    ["a warning", { alertname: "TierNearlyFull", severity: "warning", server: "gpu-01" }, "hook,mail"],
    ["what is critical", { alertname: "GpuXid", severity: "critical", server: "gpu-01" }, "hook,mail,chat"],
  ])("sends %s to those that want it", (_, labels, receivers) => {
    const file = join(folder, "routes.yml");
    writeFileSync(file, stringify(alertmanagerConfig(environments.lab)));
    const reached = execFileSync("amtool", ["config", "routes", "test", `--config.file=${file}`, ...Object.entries(labels).map(([key, value]) => `${key}=${value}`)], { encoding: "utf8", stdio: "pipe" });
    expect(reached.trim()).toBe(receivers);
  });

  it("sends nothing anywhere where there is no receiver", () => {
    const file = join(folder, "none.yml");
    writeFileSync(file, stringify(alertmanagerConfig(monitoredSite((input) => { input.monitoring = {}; }))));
    expect(execFileSync("amtool", ["config", "routes", "test", `--config.file=${file}`, "severity=critical"], { encoding: "utf8", stdio: "pipe" }).trim()).toBe("nobody");
  });

  it("holds no secret: passwords and the chat's address are files", () => {
    const text = stringify(alertmanagerConfig(environments.lab));
    expect(text).toContain("smtp_auth_password_file: /etc/rackwright/alertmanager/smtp-password");
    expect(text).toContain("api_url_file: /etc/rackwright/alertmanager/chat-url");
    expect(text).not.toMatch(/smtp_auth_password:|api_url:/);
  });
});

describe("the blackbox exporter's configuration", () => {
  it("is one that Debian's takes", () => {
    const file = join(folder, "blackbox.yml");
    writeFileSync(file, stringify(blackboxConfig()));
    expect(() => execFileSync("prometheus-blackbox-exporter", [`--config.file=${file}`, "--config.check"], { stdio: "pipe" })).not.toThrow();
  });
});

describe("which servers measure their way to each other", () => {
  const rack = (servers: number): Environment => monitoredSite((input) => { input.services = {}; input.cluster = { distribution: "existing" }; input.servers = Object.fromEntries(Object.entries(input.servers).slice(1, 2)); for (let index = 1; index < servers; index++) input.servers[`more-${index}`] = cpuServer(`198.51.100.${index}`); });

  it("is every pair of a small site", () => {
    const environment = rack(32);
    for (const name of Object.keys(environment.servers)) expect(new Set(latencyPeers(environment, name).map((peer) => peer.name))).toEqual(new Set(Object.keys(environment.servers).filter((other) => other !== name)));
  });

  it.each([33, 64, 100, 200])("is a bounded number on a site of %d, and every server is measured from several others", (count) => {
    const environment = rack(count);
    const reached = new Map<string, number>();
    for (const name of Object.keys(environment.servers)) {
      const peers = latencyPeers(environment, name).map((peer) => peer.name);
      expect(new Set(peers).size).toBe(peers.length);
      expect(peers).not.toContain(name);
      expect(peers.length).toBeLessThanOrEqual(2 * Math.ceil(Math.log2(count)));
      for (const peer of peers) reached.set(peer, (reached.get(peer) ?? 0) + 1);
    }
    expect(Math.min(...Object.keys(environment.servers).map((name) => reached.get(name) ?? 0))).toBeGreaterThanOrEqual(8);
  });

  it("is none on a single server", () => {
    expect(latencyPeers(rack(1), "gpu-01")).toEqual([]);
  });
});

describe("the server that keeps the measurements", () => {
  const hdd = (serial: string): Parameters<typeof cpuServer>[1] => ({ drives: { [`ata-COLD_${serial}`]: { kind: "hdd", capacityGB: 8000 } }, tiers: { cold: { level: "single", drives: [`ata-COLD_${serial}`] } } });

  it("is one with a warm tier before one with a cold, and a storage server before others", () => {
    expect(monitoringServer(monitoredSite())).toBe("gpu-01");
    expect(monitoringServer(monitoredSite(({ servers }) => { servers["store-01"] = cpuServer("192.0.2.31", { roles: ["storage"], ...hdd("S") }); }))).toBe("gpu-01");
    expect(monitoringServer(monitoredSite(({ servers }) => { servers["store-01"] = cpuServer("192.0.2.31", { roles: ["storage"], drives: { "ata-WARM_S": { kind: "sata-ssd", capacityGB: 1920 } }, tiers: { warm: { level: "single", drives: ["ata-WARM_S"] } } }); }))).toBe("store-01");
    expect(monitoringServer(monitoredSite((input) => { for (const server of Object.values(input.servers)) delete server.tiers; Object.assign(input.servers, { "b-01": cpuServer("192.0.2.31", hdd("B")), "store-01": cpuServer("192.0.2.32", { roles: ["storage"], ...hdd("S") }) }); }))).toBe("store-01");
    expect(monitoringServer(monitoredSite(({ servers }) => { Object.assign(servers, { "a-01": cpuServer("192.0.2.31", hdd("S")) }); }))).toBe("gpu-01");
  });

  it("is none where nothing survives", () => {
    expect(monitoringServer(monitoredSite((input) => { for (const server of Object.values(input.servers)) delete server.tiers; }))).toBeUndefined();
  });
});
