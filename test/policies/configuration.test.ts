import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { PolicyPack, type PolicySubject } from "../../engine/policy-pack";
import { projectSettings } from "../../engine/program";
import type { PropertyMap } from "../../engine/values";
import { policyPackDir, projectRoot } from "../../cli/project";
import { SERVER, SITE, STORAGE_TIER } from "../../policies/specs";
import { broken } from "./analyze";
import { judgedOnOneDay } from "./day";
import { serverSpec, siteSpec, tierSpec } from "./fixtures";

const subject = (type: string, name: string, spec: object): PolicySubject => {
  const properties = JSON.parse(JSON.stringify(spec)) as PropertyMap;
  return { state: { urn: `urn:pulumi:test::rackwright::${type}::${name}`, type, custom: false, inputs: properties, outputs: {}, dependencies: [], propertyDependencies: {} }, properties, ignoreChanges: [], aliases: [] };
};

/** GeForce cards (advisory); supplies one watt too weak at 15 % overhead, checkpoints on one drive, and an alert later than the guide's (mandatory). */
const geforce = subject(SERVER, "gpu-01", broken(serverSpec(), (spec) => {
  Object.assign(spec.gpus ?? {}, { model: "rtx-4090", nvlink: "none" });
  delete spec.gpus?.mig;
  delete spec.maxPowerWatts;
}));
const weak = subject(SERVER, "gpu-01", broken(serverSpec(), (spec) => (spec.maxPowerWatts = 1638)));
const single = subject(STORAGE_TIER, "gpu-01-warm", broken(tierSpec("warm"), (spec) => (spec.level = "single")));
const late = subject(SITE, "happy", broken(siteSpec(), ({ monitoring }) => (monitoring.alerts.networkLatencyMilliseconds = 20)));

const open: (() => void)[] = [];
afterAll(() => open.forEach((close) => close()));

/** The pack as a plan starts it, with a site's configuration. */
async function pack(config: Record<string, unknown>): Promise<(subject: PolicySubject) => Promise<string[]>> {
  const started = PolicyPack.start({
    dir: policyPackDir, config: { ...judgedOnOneDay, ...config }, project: "rackwright", stack: "test", preview: true, nodePath: process.execPath, nodeArgs: projectSettings(projectRoot).nodeArgs,
    engineAddress: "127.0.0.1:1", stackConfig: {}, onOutput: () => undefined,
  });
  open.push(started.close);
  const ready = await started.ready;
  return async (about) => (await ready.analyze(about)).map(({ level, policyName }) => `${level} ${policyName}`).sort();
}

describe("the pack's standard configuration", () => {
  let bare: Awaited<ReturnType<typeof pack>>;
  beforeAll(async () => {
    bare = await pack({});
  });

  it("leaves each rule at its own level where nothing is said", async () => {
    expect(await bare(geforce)).toEqual(["advisory gpu-with-ecc"]);
    expect(await bare(weak)).toEqual(["mandatory server-power"]);
    expect(await bare(single)).toEqual(["mandatory warm-tier-survives-a-drive"]);
    expect(await bare(late)).toEqual(["mandatory alerts-no-weaker"]);
  });

  it("raises one rule, lowers another and turns a third off, by name alone and with settings", async () => {
    const ask = await pack({ "gpu-with-ecc": "mandatory", "server-power": { enforcementLevel: "advisory" }, "warm-tier-survives-a-drive": "disabled" });
    expect(await ask(geforce)).toEqual(["mandatory gpu-with-ecc"]);
    expect(await ask(weak)).toEqual(["advisory server-power"]);
    expect(await ask(single)).toEqual([]);
    expect(await ask(late)).toEqual(["mandatory alerts-no-weaker"]);
  });

  it("turns all rules at once, but those that are named", async () => {
    const ask = await pack({ all: "advisory", "warm-tier-survives-a-drive": "mandatory" });
    expect(await ask(geforce)).toEqual(["advisory gpu-with-ecc"]);
    expect(await ask(weak)).toEqual(["advisory server-power"]);
    expect(await ask(single)).toEqual(["mandatory warm-tier-survives-a-drive"]);
    const strict = await pack({ all: "mandatory" });
    expect(await strict(geforce)).toEqual(["mandatory gpu-with-ecc"]);
    const silent = await pack({ all: "disabled", "server-power": "advisory" });
    expect(await silent(geforce)).toEqual([]);
    expect(await silent(weak)).toEqual(["advisory server-power"]);
  });

  it("gives rules other limits, with or without another level", async () => {
    const ask = await pack({ "server-power": { overheadPercent: 10 }, "warm-tier-survives-a-drive": { levels: ["single"] }, "alerts-no-weaker": { enforcementLevel: "advisory", networkLatencyMilliseconds: 10 } });
    expect(await ask(weak)).toEqual([]);
    expect(await ask(single)).toEqual([]);
    expect(await ask(late)).toEqual(["advisory alerts-no-weaker"]);
  });

  it("names every fault of a configuration, and starts no pack with it", async () => {
    await expect(pack({ "gpu-with-ec": "mandatory", "server-power": "sometimes" })).rejects.toThrow(/gpu-with-ec: there is no such policy[\s\S]*server-power: expected one of advisory, mandatory/);
  });
});
