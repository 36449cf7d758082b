import { describe, expect, it } from "vitest";
import { alertsNoWeaker } from "../../policies/operations/alerts-no-weaker";
import { alertsReachSomebody } from "../../policies/operations/alerts-reach-somebody";
import { hubWeightsNeedInternet } from "../../policies/operations/hub-weights-need-internet";
import { monitoringEnabled } from "../../policies/operations/monitoring-enabled";
import { pricesWithinBudget } from "../../policies/operations/prices-within-budget";
import { trainingImagesFromTheMirror } from "../../policies/operations/training-images-from-the-mirror";
import { imagesPinned } from "../../policies/security/images-pinned";
import { noPublicEndpoint } from "../../policies/security/no-public-endpoint";
import { noTimeSlicingWhereRegulated } from "../../policies/security/no-time-slicing-where-regulated";
import { regulatedDataStaysOnSite } from "../../policies/security/regulated-data-stays-on-site";
import { secretsInSecrets } from "../../policies/security/secrets-in-secrets";
import { POD_OWNERS, type ContainerSpec, type PodOwnerSpec, type SiteSpec } from "../../policies/specs";
import { threeTiers } from "../../policies/storage/three-tiers";
import { analyze, broken, expectViolations } from "./analyze";
import { podOwnerSpec, siteSpec } from "./fixtures";

const site = (change: (spec: SiteSpec) => void) => broken(siteSpec(), change);

describe("alerts-no-weaker", () => {
  it.each([["gpuUtilizationPercent", 15, 14.9, "15 % or more"], ["memoryFragmentationPercent", 30, 30.1, "30 % or less"], ["networkLatencyMilliseconds", 5, 5.1, "5 ms or less"]] as const)("refuses %s past the guide's %d", (key, guide, weaker, allowed) => {
    const at = (value: number) => site(({ monitoring }) => (monitoring.alerts[key] = value));
    expect(analyze(alertsNoWeaker, at(guide))).toEqual([]);
    expectViolations(analyze(alertsNoWeaker, at(weaker)), { at: `monitoring.alerts.${key}`, says: [String(weaker)], allowed });
    expect(analyze(alertsNoWeaker, broken(at(weaker), ({ monitoring }) => (monitoring.enabled = false)))).toEqual([]);
  });
});

describe("monitoring-enabled", () => {
  it("objects where there are GPUs and names their servers", () => {
    const off = site(({ monitoring }) => (monitoring.enabled = false));
    expectViolations(analyze(monitoringEnabled, off), { at: "monitoring.enabled", says: ["gpu-01 and gpu-02"], allowed: "true" });
    expect(analyze(monitoringEnabled, broken(off, (spec) => (spec.servers = {})))).toEqual([]);
    expectViolations(analyze(monitoringEnabled, broken(off, ({ servers }) => delete servers["gpu-02"])), { at: "monitoring.enabled", says: [/of gpu-01$/], allowed: "true" });
  });
});

describe("alerts-reach-somebody", () => {
  const silent = site(({ monitoring }) => (monitoring.receivers = {}));
  const lab = broken(silent, (spec) => {
    spec.site.dataClass = "general";
    delete spec.servers["gpu-02"];
    spec.services = {};
  });

  it("refuses nobody, and people who are told of critical alerts only", () => {
    expectViolations(analyze(alertsReachSomebody, silent), { at: "monitoring.receivers", says: ["nobody"], allowed: "one receiver or more" });
    const deaf = site(({ monitoring }) => Object.values(monitoring.receivers).forEach((each) => (each.minimumSeverity = "critical")));
    expectViolations(analyze(alertsReachSomebody, deaf), { at: "monitoring.receivers", says: ["critical alerts only"], allowed: "a receiver with minimumSeverity warning or info" });
  });

  it("asks it of each kind of production, and of the rest where the site wants", () => {
    expect(analyze(alertsReachSomebody, lab)).toEqual([]);
    expect(analyze(alertsReachSomebody, lab, { config: { everywhere: true } })).toHaveLength(1);
    expect(analyze(alertsReachSomebody, broken(lab, (spec) => (spec.site.dataClass = "finance")))).toHaveLength(1);
    expect(analyze(alertsReachSomebody, broken(lab, (spec) => (spec.servers = siteSpec().servers)))).toHaveLength(1);
    expect(analyze(alertsReachSomebody, broken(lab, (spec) => (spec.services = siteSpec().services)))).toHaveLength(1);
    expect(analyze(alertsReachSomebody, broken(lab, (spec) => {
      spec.services = siteSpec().services;
      for (const service of Object.values(spec.services)) service.standbyReplicas = 0;
    }))).toEqual([]);
    expect(analyze(alertsReachSomebody, broken(silent, ({ monitoring }) => (monitoring.enabled = false)))).toEqual([]);
  });
});

describe("prices-within-budget", () => {
  const budget = (min: number, max?: number) => site((spec) => (spec.site.budget = { min, ...(max === undefined ? {} : { max }) }));

  it("objects above and below, to the unit", () => {
    expect(analyze(pricesWithinBudget, budget(164000, 164000))).toEqual([]);
    expectViolations(analyze(pricesWithinBudget, budget(0, 163999)), { at: "site.budget.max", says: ["164000 USD"], allowed: "163999 USD or less" });
    expectViolations(analyze(pricesWithinBudget, budget(164001)), { at: "site.budget.min", says: ["164000 USD"], allowed: "164001 USD or more" });
  });

  it("asks no minimum of a list with gaps, and nothing without a budget", () => {
    expect(analyze(pricesWithinBudget, broken(budget(164001), ({ servers }) => delete servers["gpu-01"]?.price))).toEqual([]);
    expect(analyze(pricesWithinBudget, site((spec) => delete spec.site.budget))).toEqual([]);
    expect(analyze(pricesWithinBudget, broken(budget(1), (spec) => (spec.servers = {})))).toEqual([]);
  });

  it("adds up the prices that are stated, of one server too", () => {
    expectViolations(analyze(pricesWithinBudget, broken(budget(0, 83999), ({ servers }) => delete servers["gpu-01"]?.price)), { at: "site.budget.max", says: ["84000 USD"], allowed: "83999 USD or less" });
    expectViolations(analyze(pricesWithinBudget, broken(budget(80001), ({ servers }) => (delete servers["gpu-02"], delete servers["ctrl-01"]))), { at: "site.budget.min", says: ["80000 USD"], allowed: "80001 USD or more" });
  });
});

describe("training-images-from-the-mirror", () => {
  const from = (image: string) => site(({ training }) => Object.assign(training["finetune"] ?? {}, { image }));

  it("refuses an image from elsewhere, a registry of a like name among them", () => {
    for (const image of ["docker.io/lab/train:7", "registry.site:50001/train:7"]) expectViolations(analyze(trainingImagesFromTheMirror, from(image)), { at: "training.finetune.image", says: [image], allowed: "images below registry.site:5000/" });
    expect(analyze(trainingImagesFromTheMirror, broken(from("docker.io/train:7"), (spec) => (spec.site.internetAccess = true)))).toEqual([]);
  });
});

describe("hub-weights-need-internet", () => {
  const hub = site(({ services }) => Object.values(services).forEach(({ weights }) => (weights.from = "hub")));

  it("refuses a hub at a site without internet access", () => {
    expectViolations(analyze(hubWeightsNeedInternet, hub), { at: "services.assistant.weights.from", says: ["hub"], allowed: "store" });
    expect(analyze(hubWeightsNeedInternet, broken(hub, (spec) => (spec.site.internetAccess = true)))).toEqual([]);
  });
});

describe("regulated-data-stays-on-site", () => {
  it.each([["finance", 1], ["medical", 1], ["general", 0]] as const)("%s data with internet access: %i", (dataClass, count) => {
    const open = site((spec) => Object.assign(spec.site, { dataClass, internetAccess: true }));
    expect(analyze(regulatedDataStaysOnSite, open)).toHaveLength(count);
    if (count > 0) expectViolations(analyze(regulatedDataStaysOnSite, open), { at: "site.internetAccess", says: [dataClass], allowed: "false" });
  });
});

describe("no-time-slicing-where-regulated", () => {
  it.each([["medical", 2, 1], ["medical", 1, 0], ["general", 2, 0]] as const)("%s data, %i pods a GPU: %i", (dataClass, timeSlicing, count) => {
    const shared = site((spec) => {
      spec.site.dataClass = dataClass;
      spec.cluster.timeSlicing = timeSlicing;
    });
    expect(analyze(noTimeSlicingWhereRegulated, shared)).toHaveLength(count);
    if (count > 0) expectViolations(analyze(noTimeSlicingWhereRegulated, shared), { at: "cluster.timeSlicing", says: ["2 pods", "medical"], allowed: "1 pod a GPU, or MIG" });
  });
});

describe("no-public-endpoint", () => {
  const ends: [string, (spec: SiteSpec) => unknown][] = [
    ["site.objectStore.endpoint", (spec) => Object.assign(spec.site.objectStore ?? {}, { endpoint: "https://8.8.8.8" })],
    ["site.modelStore.server", (spec) => (spec.site.modelStore = { kind: "nfs", server: "8.8.8.8", path: "/models" })],
    ["ssh.bastion.address", (spec) => Object.assign(spec.ssh.bastion ?? {}, { address: "8.8.8.8" })],
    ["cluster.apiAddress", (spec) => (spec.cluster.apiAddress = "8.8.8.8")],
    ["recovery.standby.virtualAddress", (spec) => (spec.recovery.standby.virtualAddress = "8.8.8.8")],
    ["services.assistant.hostname", (spec) => Object.assign(spec.services["assistant"] ?? {}, { hostname: "8.8.8.8" })],
    ["monitoring.grafana.hostname", (spec) => (spec.monitoring.grafana.hostname = "8.8.8.8")],
    ["monitoring.receivers.operations.url", (spec) => Object.assign(spec.monitoring.receivers["operations"] ?? {}, { url: "https://8.8.8.8/hook" })],
  ];

  it.each(ends)("refuses a public %s, unless it is public on purpose", (at, change) => {
    const open = site((spec) => void change(spec));
    expectViolations(analyze(noPublicEndpoint, open), { at, says: ["8.8.8.8"], allowed: "addresses of a private network" });
    expect(analyze(noPublicEndpoint, open, { config: { allow: ["8.8.8.8"] } })).toEqual([]);
  });
});

/** The happy object with its engine's container changed. */
const pod = (change: Partial<ContainerSpec>): PodOwnerSpec => broken(podOwnerSpec(), ({ spec }) => void Object.assign(spec.template?.spec.containers[0] ?? {}, change));
const named = { name: "engine" };

describe("images-pinned", () => {
  it.each([["vllm", "no version"], ["registry:5000/vllm", "no version"], ["vllm:latest", "the tag latest"]])("refuses %s", (image, says) => {
    expectViolations(analyze(imagesPinned, pod({ image }), named), { at: "engine.engine.image", says: [image, says], allowed: "a tag other than latest, or a digest" });
  });

  it("asks for digests and registries where the site does", () => {
    expectViolations(analyze(imagesPinned, podOwnerSpec(), { ...named, config: { byDigest: true } }), { at: "engine.layout.image", says: ["the tag 1.75.1"], allowed: "a digest (@sha256:)" });
    expect(analyze(imagesPinned, podOwnerSpec(), { config: { registries: ["registry.site:5000"] } })).toEqual([]);
    expectViolations(analyze(imagesPinned, pod({ image: "docker.io/vllm:1" }), { ...named, config: { registries: ["registry.site:5000"] } }), { at: "engine.engine.image", says: ["docker.io"], allowed: "images below registry.site:5000" });
  });

  it.each(POD_OWNERS)("looks into %s", (type) => {
    expect(analyze(imagesPinned, podOwnerSpec(type), { type, config: { byDigest: true } }).length).toBeGreaterThan(0);
  });
});

describe("secrets-in-secrets", () => {
  it.each(["API_KEY", "DB_PASSWORD", "HfToken", "AWS_SECRET_ACCESS_KEY", "AWS_ACCESS_KEY_ID", "GPG_PASSPHRASE", "CLIENT_SECRET", "SSH_PRIVATE_KEY"])("refuses a value in the variable %s, and does not print it", (name) => {
    const messages = analyze(secretsInSecrets, pod({ env: [{ name, value: "hunter2" }] }), named);
    expectViolations(messages, { at: `engine.engine.env.${name}`, says: ["environment"], allowed: "valueFrom.secretKeyRef, or a mounted file" });
    expect(messages.join()).not.toContain("hunter2");
  });

  it("refuses one in an argument, and does not print it", () => {
    const messages = analyze(secretsInSecrets, pod({ command: ["vllm"], args: ["--port=1", "--api-key=hunter2"] }), named);
    expectViolations(messages, { at: "engine.engine.args.2", says: ["--api-key"], allowed: "a mounted file or a variable from a Secret" });
    expect(messages.join()).not.toContain("hunter2");
  });

  it("accepts references, empty values and other names", () => {
    expect(analyze(secretsInSecrets, pod({ env: [{ name: "API_KEY", value: "$(KEY)" }, { name: "TOKEN", value: "" }, { name: "MAX_TOKENS", value: "7" }], args: ["--api-key=$(KEY)"] }))).toEqual([]);
  });
});

describe("three-tiers", () => {
  it.each(["hot", "warm", "cold"] as const)("objects where no server has a %s tier", (tier) => {
    const without = site((spec) => {
      delete spec.site.objectStore;
      for (const server of Object.values(spec.servers)) Reflect.deleteProperty(server.tiers, tier);
    });
    expectViolations(analyze(threeTiers, without), { at: "servers", says: [tier], allowed: "hot, warm, and cold or site.objectStore" });
    expect(analyze(threeTiers, broken(without, (spec) => (spec.servers = {})))).toEqual([]);
    expect(analyze(threeTiers, broken(without, ({ servers }) => Object.values(servers).forEach((server) => delete server.gpus)))).toEqual([]);
    expect(analyze(threeTiers, broken(without, ({ servers }) => delete servers["ctrl-01"]))).toHaveLength(1);
  });

  it.each([["hot", 1], ["warm", 1], ["cold", 0]] as const)("takes an object store for no other tier than the cold one: without %s %i", (tier, count) => {
    const stored = site((spec) => Object.values(spec.servers).forEach(({ tiers }) => Reflect.deleteProperty(tiers, tier)));
    expect(stored.site.objectStore).toBeDefined();
    expect(analyze(threeTiers, stored)).toHaveLength(count);
  });
});
