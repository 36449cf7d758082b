import * as pulumi from "@pulumi/pulumi";
import { describe, expect, it } from "vitest";
import type { Environment } from "../../components/environment";
import { planWorkloads } from "../../components/inference";
import { Monitoring } from "../../components/monitoring";
import type { Credentials } from "../../components/servers";
import { kubernetes } from "../../components/cluster/sdk";
import { record, Secret, type Recording, type RecordOptions } from "../servers/recorder";
import { monitoredSite } from "./environments";

const all: Credentials = { grafanaAdminPassword: pulumi.secret("GRAFANA-PASSWORD"), smtpPassword: pulumi.secret("MAIL-PASSWORD"), alertChatUrl: pulumi.secret("CHAT-URL") };

function run(environment: Environment, credentials: Credentials = all, options: RecordOptions = {}): Promise<Recording> {
  return record(() => {
    const provider = new (kubernetes().Provider)("cluster", { kubeconfig: "KUBECONFIG" });
    new Monitoring("monitoring", { environment, plan: planWorkloads(environment), credentials, cluster: { provider, ready: [] } });
  }, options);
}

describe("the monitoring component", () => {
  it("says what it is without a secret: who is told, where measurements are kept, which alerts there are", async () => {
    const { resources } = await run(monitoredSite());
    const own = resources.find(({ type }) => type === "rackwright:monitoring:Monitoring")?.inputs as { keptOn: object; receivers: object[]; alerts: object[] };
    expect(own.keptOn).toEqual({ server: "gpu-01", tier: "warm", retentionGiB: 100 });
    expect(own.receivers).toContainEqual({ name: "chat", kind: "chat", minimumSeverity: "critical" });
    expect(own.alerts).toContainEqual({ name: "GpuUtilizationLow", severity: "warning", forSeconds: expect.any(Number) as number });
  });

  it("puts passwords and the chat's address into Secrets, encrypted in the state", async () => {
    const { resources } = await run(monitoredSite());
    const secrets = resources.filter(({ type }) => type === "kubernetes:core/v1:Secret");
    expect(secrets.map(({ name }) => name).sort()).toEqual(["secret-monitoring-alertmanager", "secret-monitoring-grafana"]);
    expect(secrets.every(({ inputs }) => inputs["stringData"] instanceof Secret)).toBe(true);
    for (const { inputs } of resources) {
      const plain = Object.fromEntries(Object.entries(inputs).filter(([, value]) => !(value instanceof Secret)));
      expect(JSON.stringify(plain)).not.toMatch(/GRAFANA-PASSWORD|MAIL-PASSWORD|CHAT-URL/);
    }
  });

  it("makes only the Secrets that are needed", async () => {
    const { resources } = await run(monitoredSite((input) => { input.monitoring = { receivers: { hook: { kind: "webhook", url: "http://192.0.2.6/alerts" } }, grafana: { enabled: false } }; }));
    expect(resources.filter(({ type }) => type === "kubernetes:core/v1:Secret")).toEqual([]);
    const operated = await run(monitoredSite(({ monitoring }) => { if (monitoring) monitoring.mode = "operator"; }));
    expect(operated.resources.filter(({ type }) => type === "kubernetes:core/v1:Secret")).toEqual([]);
  });

  it("starts pods once everything that they use is there", async () => {
    const { resources } = await run(monitoredSite());
    const at = (name: string): number => resources.findIndex((resource) => resource.name === name);
    const first = Math.min(...resources.map(({ type }, index) => (/Deployment|DaemonSet/.test(type) ? index : Infinity)));
    for (const name of ["secret-monitoring-grafana", "configmap-monitoring-prometheus", "persistentvolumeclaim-monitoring-measurements-prometheus", "networkpolicy-monitoring-prometheus"]) expect([name, at(name) >= 0 && at(name) < first]).toEqual([name, true]);
  });

  it("previews without secrets, and does not start without them", async () => {
    const { resources } = await run(monitoredSite(), {}, { preview: true });
    expect(resources.map(({ name }) => name)).toContain("secret-monitoring-grafana");
    await expect(run(monitoredSite(), {}, { preview: false })).rejects.toThrow(/rackwright:smtpPassword is missing/);
  });
});
