import { mkdirSync } from "node:fs";
import { resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parseEnvironment, type EnvironmentInput } from "../../components/environment";
import type { Environment } from "../../components/environment/schema";
import { planSite } from "../../components/site/plan";
import { rehearseAlerts, rulesIn, withWebhooks } from "../../rehearsal/monitoring/alerts";
import { failedMember } from "../../rehearsal/monitoring/faults";
import { plannedFiles } from "../../rehearsal/monitoring/generated";
import { healthySite } from "../../rehearsal/monitoring/healthy";
import { manyFaults } from "../../rehearsal/monitoring/many-faults";
import { Namespaces } from "../../rehearsal/monitoring/namespaces";
import { Panels } from "../../rehearsal/monitoring/panels";
import { pacedQuery } from "../../rehearsal/monitoring/pace";
import { debianPrometheus, monitoringPrograms } from "../../rehearsal/monitoring/programs";
import { hostRoutes } from "../../rehearsal/monitoring/routes";
import { everything, Scenario, watchdog } from "../../rehearsal/monitoring/scenario";
import { startStand, type Stand } from "../../rehearsal/monitoring/stand";
import { Webhook } from "../../rehearsal/monitoring/webhook";
import { ensurePrograms } from "../../rehearsal/packages";
import { hostKey } from "../support/environments";
import { full } from "../support/full";

const workDir = resolve(__dirname, "../../.rackwright");
const isRoot = process.getuid?.() === 0;
if (!isRoot) process.stderr.write("test/monitoring/end-to-end.test.ts: left out, for network namespaces take root\n");
else if (!full) process.stderr.write("test/monitoring/end-to-end.test.ts: left out, for it takes minutes; RACKWRIGHT_FULL=1 runs it, as CI does\n");

const server = (name: string, address: string): EnvironmentInput["servers"][string] => ({
  address, hostKey: hostKey(name), cpu: { model: "epyc-7543" }, memoryGiB: 256, pcieGeneration: 4,
  gpus: { model: "a100-80gb-pcie", count: 4, nvlink: "bridge" },
  nics: { eno1: { speedGbps: 25 } },
  drives: { [`ata-${name}-a`]: { kind: "sata-ssd", capacityGB: 1000 }, [`ata-${name}-b`]: { kind: "sata-ssd", capacityGB: 1000 } },
  tiers: { warm: { level: "raid1", drives: [`ata-${name}-a`, `ata-${name}-b`] } },
});

/** A site without a cluster: the programs of its monitoring are services of its hosts, and its targets are written down. */
function bareSite(): Environment {
  const parsed = parseEnvironment({
    site: { name: "bare", objectStore: { endpoint: "https://store.bare.example", bucket: "bare" } },
    servers: { "gpu-01": server("gpu-01", "192.0.2.1"), "gpu-02": server("gpu-02", "192.0.2.2") },
    cluster: { distribution: "none" },
    monitoring: { retentionGiB: 10, meter: { address: "192.0.2.50", metric: "feed_watts" } },
  });
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.problems));
  return parsed.environment;
}

const noEngine = (): never => {
  throw new Error("a site without a cluster has nothing to bring up");
};

describe.runIf(isRoot && full)("alerts of a site without a cluster, with Debian's Prometheus and Alertmanager", () => {
  let webhook: Webhook;
  let stand: Stand;
  let scenario: Scenario;
  const site = bareSite();
  const { workloads } = planSite(site);

  beforeAll(async () => {
    mkdirSync(workDir, { recursive: true });
    await ensurePrograms("A test of alerts", [...monitoringPrograms, debianPrometheus], (line) => process.stderr.write(`   ${line}\n`));
    await Namespaces.removeLeftOver();
    webhook = await Webhook.listen();
    const environment = withWebhooks(site, webhook);
    const state = { now: healthySite(environment, workloads, undefined, Date.now() / 1000) };
    const files = plannedFiles(environment, workloads);
    stand = await startStand({ environment, files, routes: hostRoutes(environment), state, pace: 60, workDir, prometheus: debianPrometheus.program });
    scenario = new Scenario(stand, webhook, state, rulesIn(files.rules));
  }, 180_000);

  afterAll(async () => {
    await stand.stop();
    await webhook.close();
  });

  it("fires nothing but the watchdog while all is well", { timeout: 90_000 }, async () => {
    const { notification } = await scenario.told({ alert: watchdog, labels: {} }, 0);
    expect(notification.groupLabels).toEqual({ alertname: watchdog });
    await expect.poll(() => stand.prometheus.value("sum(up)"), { timeout: 30_000 }).toBe(stand.targets);
    await scenario.calm();
    expect(webhook.fired(everything, 0)).toEqual([watchdog]);
  });

  it("tells of a latency of 6 ms, not of one of 3 ms", { timeout: 120_000 }, async () => {
    const { latency } = stand;
    if (latency === undefined) throw new Error("the site has no two servers");
    const since = Date.now();
    await latency.setDelay(3);
    await scenario.pause(15_000);
    expect(webhook.fired(everything, since)).not.toContain("NetworkLatencyHigh");
    await latency.setDelay(6);
    const { alert } = await scenario.told({ alert: "NetworkLatencyHigh", labels: { source: "gpu-01", destination: "gpu-02" } }, since);
    expect(alert.labels["severity"]).toBe("warning");
    expect(alert.annotations["runbook_url"]).toBe("docs/alerts.md#networklatencyhigh");
    expect(alert.annotations["action"]).toContain("RDMA");
    const over = Date.now();
    await latency.setDelay(0);
    await scenario.resolved({ alert: "NetworkLatencyHigh", labels: { source: "gpu-01" } }, over);
  });

  it("tells of a failed member of an array, and when it works again", { timeout: 120_000 }, async () => {
    const fault = failedMember(scenario.state.now);
    if (fault === undefined) throw new Error("the site has no array");
    expect(await scenario.alone(fault)).toMatch(/^ArrayDegraded after \d+\.\d s \(for 5m: 5 s at pace 60\), "The array .* of gpu-01 is degraded"; resolved \d+\.\d s after$/);
  });

  it("has data for every query of every board that needs no fault", { timeout: 60_000 }, async () => {
    const panels = new Panels(site, workloads);
    const fault = manyFaults(scenario.state.now, new Set(["GpuXid", "GpuThermalThrottling"]));
    expect(fault.map(({ alert }) => alert)).toEqual(["GpuXid", "GpuThermalThrottling"]);
    const since = Date.now();
    for (const { inject } of fault) scenario.change(inject);
    for (const each of fault) await scenario.told(each, since);
    await panels.ask(stand.prometheus, (expr) => pacedQuery(expr, stand.pace));
    expect(panels.verdict()).toMatch(/^\d+ queries of \d+ boards$/);
    scenario.restore();
  });
});

describe.runIf(isRoot && full)("the whole rehearsal of a site without a cluster", () => {
  it("is good, and names what stood in", { timeout: 600_000 }, async () => {
    const verdict = await rehearseAlerts(bareSite(), { name: "bare", workDir, pace: 60, engine: noEngine, onProgress: (line) => process.stderr.write(`   ${line}\n`) });
    expect(verdict.checks.filter(({ ok }) => !ok)).toEqual([]);
    expect(verdict.notMade).toEqual([]);
    expect(verdict.notes).toContain("Not shown at this site: fragmentation: no service that holds GPUs runs on torch.");
    expect(verdict.standIns.map(({ what }) => what)).toContain("Debian's Prometheus");
  });
});

describe("a rehearsal of alerts", () => {
  it("says what it cannot do before it starts anything", async () => {
    const off = { ...bareSite(), monitoring: { ...bareSite().monitoring, enabled: false } };
    await expect(rehearseAlerts(off, { name: "bare", workDir, pace: 60, engine: noEngine })).rejects.toThrow("bare has no monitoring: monitoring.enabled is false.");
  });
});
