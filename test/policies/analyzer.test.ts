import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { rules } from "../../policies/all";
import { SERVER, STORAGE_TIER } from "../../policies/specs";
import { broken } from "./analyze";
import { happyResources, serverSpec, tierSpec } from "./fixtures";
import { PackServer } from "./pack-server";

let pack: PackServer;
beforeAll(async () => {
  pack = await PackServer.start();
});
afterAll(() => pack.stop());
beforeEach(() => pack.configure({}));

const gpu01 = (change: (spec: ReturnType<typeof serverSpec>) => void) => ({ type: SERVER, name: "gpu-01", spec: broken(serverSpec(), change) });

describe("the pack in Pulumi's analyzer server", () => {
  it("offers every rule with its level, steps and settings", async () => {
    const info = await pack.info();
    expect(info.getName()).toBe("rackwright");
    expect(info.getVersion()).toBe("0.1.0");
    expect(info.getPoliciesList().map((policy) => [policy.getName(), policy.getRemediationSteps(), Object.keys(policy.getConfigschema()?.getProperties()?.toJavaScript() ?? {}).sort()])).toEqual(
      rules.map((rule) => [rule.name, rule.remediationSteps, Object.keys(rule.settings).sort()]),
    );
  });

  it("finds nothing in the happy environment", async () => {
    for (const resource of happyResources()) expect(await pack.analyze(resource)).toEqual([]);
  });

  it("reports what the rules report, at their levels", async () => {
    const findings = await pack.analyze(gpu01((spec) => void Object.assign(spec, { pcieGeneration: 3, gpus: { ...spec.gpus, model: "rtx-4090", count: 8 } })));
    expect(findings.map(({ rule, level }) => `${level} ${rule}`).sort()).toEqual([
      "advisory gpu-slot-generation",
      "advisory gpu-with-ecc",
      "mandatory mig-the-gpu-has",
      "mandatory nvlink-the-gpu-has",
      "mandatory pcie-generation-for-gpus",
      "mandatory pcie-lanes",
      "mandatory server-power",
    ]);
    expect(findings.find(({ rule }) => rule === "pcie-generation-for-gpus")?.message).toContain("servers.gpu-01.pcieGeneration: 8 GPUs on PCIe 3.0. Allowed: PCIe 4.0 or newer from 8 GPUs on. Remedy: ");
  });

  it("keeps the rule's own level for a value that is not known in preview", async () => {
    const findings = await pack.analyze(gpu01((spec) => Object.assign(spec, { hostKey: "04da6b54-80e4-46f7-96ec-b56ff0331ba9" })));
    expect(findings).toEqual([{ rule: "host-keys-pinned", level: "mandatory", message: expect.stringContaining("gpu-01: the rule cannot be checked: string value at .hostKey") as string }]);
  });

  it("takes a level and a setting from the pack's configuration", async () => {
    const resource = { type: STORAGE_TIER, name: "gpu-01-warm", spec: tierSpec("warm") };
    await pack.configure({ "warm-tier-survives-a-drive": { enforcementLevel: "advisory", levels: ["raid6"] } });
    expect(await pack.analyze(resource)).toEqual([{ rule: "warm-tier-survives-a-drive", level: "advisory", message: expect.stringContaining("Allowed: raid6.") as string }]);
  });

  it("ignores resources of other types", async () => {
    expect(await pack.analyze({ type: "pulumi:pulumi:Stack", name: "rackwright-test", spec: {} })).toEqual([]);
  });
});
