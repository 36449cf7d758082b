import fc from "fast-check";
import { stripVTControlCharacters, styleText } from "node:util";
import { describe, expect, it } from "vitest";
import type { EnvironmentPlan } from "../../cli/plan-environment";
import { renderLevels, siteLevels } from "../../cli/render/capacity";
import { renderPlan } from "../../cli/render/plan";
import type { Paper } from "../../cli/terminal";
import { displayWidth } from "../../cli/text";
import { parseEnvironment, type Environment, type EnvironmentInput } from "../../components/environment";
import { summariseMonitoring } from "../../components/monitoring/summary";
import { planServer } from "../../components/servers/plan";
import { planSite } from "../../components/site/plan";
import { generatedEnvironment } from "../support/environments";
import { plainPaper } from "../support/paper";

const ascii: Paper = { ...plainPaper, unicode: false };
const colour: Paper = { ...plainPaper, style: (style, text) => styleText(style, text, { validateStream: false }) };

type Change = (input: EnvironmentInput) => EnvironmentInput;

function environment(servers: number, change: Change = (input) => input): Environment {
  const input = generatedEnvironment(servers);
  const parsed = parseEnvironment(change({ ...input, cluster: { distribution: "existing" }, services: { assistant: { model: "qwen2.5-7b", engine: "vllm", contextTokens: 8192 } } }));
  if (!parsed.ok) throw new Error(JSON.stringify(parsed));
  return parsed.environment;
}

/** Plan of an environment without the engine's part, which the caller gives. */
function planOf(given: Environment, rest: Partial<EnvironmentPlan> = {}): EnvironmentPlan {
  const { workloads, findings } = planSite(given);
  if (findings.length > 0) throw new Error(JSON.stringify(findings));
  const monitoring = summariseMonitoring(given, workloads);
  return {
    environment: "lab", ok: true, site: given.site, workloads,
    servers: Object.entries(given.servers).map(([name, facts]) => ({ ...planServer(given, name), facts })),
    ...(monitoring === undefined ? {} : { monitoring }),
    changes: { create: 1 }, resources: [], rules: 66, checks: [], diagnostics: [], durationSeconds: 1,
    ...rest,
  };
}

const firstServer = (change: (server: EnvironmentInput["servers"][string]) => EnvironmentInput["servers"][string]): Change => (input) => ({
  ...input,
  servers: Object.fromEntries(Object.entries(input.servers).map(([name, server], index) => [name, index === 0 ? change(server) : server])),
});

const levels = (given: Environment): string[] => siteLevels(given, planOf(given)).map(({ where, what, taken, whole }) => `${where}: ${what} ${Math.round(taken)} of ${Math.round(whole)}`);

describe("siteLevels", () => {
  it("counts the devices that pods take on each server, of all that it has", () => {
    const given = environment(2, (input) => ({ ...input, services: { assistant: { model: "qwen2.5-7b", contextTokens: 8192, replicas: 3 } }, training: { tuning: { launcher: "torchrun", command: ["python3", "train.py"], servers: ["gpu-0002"], gpusPerServer: 2 } } }));
    const devices = levels(given).filter((level) => level.includes("GPUs"));
    const taken = devices.map((level) => Number(/GPUs (\d+) of 4/.exec(level)?.[1]));
    expect(devices).toHaveLength(2);
    expect(taken.reduce((sum, each) => sum + each, 0)).toBe(5);
    expect(taken[1]).toBeGreaterThanOrEqual(2);
  });

  it("counts slices where GPUs are cut and shares where they are shared", () => {
    const cut = environment(1, firstServer((server) => ({ ...server, gpus: { model: "a100-80gb-pcie", count: 2, mig: "3g.40gb" } })));
    expect(levels(cut)).toContain("gpu-0001: slices 3g.40gb 1 of 4");
    const shared = environment(1, (input) => ({ ...input, cluster: { distribution: "existing", timeSlicing: 3 }, services: { assistant: { model: "qwen2.5-7b", contextTokens: 4096, concurrency: 1 } } }));
    expect(levels(shared)).toContain("gpu-0001: shares of GPUs, 3 each 1 of 12");
  });

  it("says nothing of devices where nothing is placed on any", () => {
    expect(levels(environment(1, (input) => ({ ...input, services: {} }))).filter((level) => level.includes("GPUs"))).toEqual([]);
  });

  it("adds up what the plan puts on a tier", () => {
    const given = environment(1, (input) => ({ ...input, monitoring: { retentionGiB: 100 } }));
    expect(levels(given).filter((level) => level.includes("tier"))).toEqual(["gpu-0001: hot tier, weights 15 of 7680", "gpu-0001: warm tier, measurements 107 of 3840"]);
  });

  it("sets what servers may draw against the racks' feeds and the site's", () => {
    const given = environment(3, (input) => ({
      ...firstServer((server) => ({ ...server, rack: { name: "a", unit: 1 } }))(input),
      site: { ...input.site, racks: { a: { powerLimitWatts: 2000 }, b: { powerLimitWatts: 3000 }, c: {} }, power: { pue: 1.5, limitWatts: 9000 } },
    }));
    // Four cards of 300 W and a CPU of 225 W, and 15 % for the rest of the server.
    const watts = Math.round((4 * 300 + 225) * 1.15);
    expect(levels(given).filter((level) => level.includes("power"))).toEqual([`a: power ${watts} of 2000`, "b: power 0 of 3000", `site: power with cooling, PUE 1.5 ${Math.round(watts * 3 * 1.5)} of 9000`]);
  });

  it("says nothing of power where no limit is stated", () => {
    expect(levels(environment(1)).filter((level) => level.includes("power"))).toEqual([]);
  });
});

describe("renderLevels", () => {
  const level = { taken: 8, whole: 8, unit: "devices", what: "GPUs", where: "gpu-01" } as const;

  it("draws what is alike in one line, each kind in its own unit", () => {
    expect(
      renderLevels(
        [
          level, { ...level, where: "gpu-02" }, { ...level, where: "gpu-03" }, { ...level, where: "gpu-04" }, { ...level, where: "gpu-05", taken: 2 },
          { taken: 496, whole: 30_720, unit: "gigabytes", what: "hot tier, weights", where: "gpu-01" },
          { taken: 6300, whole: 6000, unit: "watts", what: "power", where: "rack-a" },
        ],
        plainPaper,
      ),
    ).toBe(
      `  capacity taken
    ████████████████  8 of 8              gpu-01, gpu-02, gpu-03 and 1 alike
                                          each: GPUs
    ████░░░░░░░░░░░░  2 of 8              gpu-05: GPUs
    █░░░░░░░░░░░░░░░  496 GB of 30.72 TB  gpu-01: hot tier, weights
    ███████████████>  6.3 of 6 kW         rack-a: power
`,
    );
  });

  it("is empty where there is nothing to say", () => {
    expect(renderLevels([], plainPaper)).toBe("");
  });
});

describe("renderPlan", () => {
  it("shows servers, services with their memory, what is taken, and what does not hold", () => {
    const given = environment(2, (input) => ({ ...input, monitoring: { enabled: false } }));
    const checks = [{ policy: "gpu-with-ecc", level: "advisory" as const, severity: "low", resource: "gpu-0001", message: "servers.gpu-0001.gpus.model: has none." }];
    expect(renderPlan(planOf(given, { checks }), given, plainPaper, true)).toBe(
      `lab  2 servers, 8 GPUs: 1 to create
  gpu-0001, gpu-0002  AMD EPYC 7543, 256 GiB, 4x NVIDIA A100 80GB PCIe
    hot   /srv/hot   raid0 of 2 nvme      7.68 TB  lost with any one drive
    warm  /srv/warm  raid1 of 2 sata-ssd  3.84 TB  survives 1 drive
    driver 580.173.02, container toolkit 1.20.0
    note: NVIDIA's kernel modules are built on the server and are not signed:
          where Secure Boot is on, set software.driver.source to ubuntu.
  assistant  Qwen2.5 7B in bf16, vllm
    1 replica on gpu-0001: 1x NVIDIA A100 80GB PCIe
      ███████▓▓▒░░░░░░░░░░░░░░░░░░░░░░░░░░░···  79.1 GiB a GPU
      █ 14.2 weights  ▓ 3.5 cache  ▒ 2.3 overhead  ░ 52.8 free  · 6.3 left alone
    note: 1 GPU: 14.2 GiB of weights, 3.5 GiB of cache and 2.3 GiB of overhead
          fit
    note: weights are read in 16 parallel streams (Run:ai streamer): one reader
          does not keep the drives of a RAID 0 busy
  capacity taken
    ████░░░░░░░░░░░░  1 of 4            gpu-0001: GPUs
    ░░░░░░░░░░░░░░░░  0 of 4            gpu-0002: GPUs
    █░░░░░░░░░░░░░░░  15 GB of 7.68 TB  gpu-0001: hot tier, weights
  warning    gpu-with-ecc: servers.gpu-0001.gpus.model: has none.
  66 rules: 1 warning
`,
    );
  });

  const long = "a".repeat(52);
  const names = (prefix: string): fc.Arbitrary<string> => fc.integer({ min: 1, max: 52 }).map((length) => (prefix + long).slice(0, length + 1));
  const anyEnvironment = fc
    .record({ server: names("s"), rack: names("r"), service: names("i"), mount: fc.integer({ min: 1, max: 90 }), servers: fc.integer({ min: 1, max: 5 }), replicas: fc.integer({ min: 1, max: 4 }) })
    .map(({ server, rack, service, mount, servers, replicas }) =>
      environment(servers, (input) => ({
        ...input,
        site: { ...input.site, racks: { [rack]: { powerLimitWatts: 1000, heightUnits: 60 } }, power: { limitWatts: 123_456 } },
        monitoring: { receivers: { [rack]: { kind: "webhook", url: "https://alerts.example.org/hook" } } },
        servers: Object.fromEntries(
          Object.values(input.servers).map((each, index) => [
            `${server.slice(0, 51)}${index + 1}`,
            { ...each, memoryGiB: 256 + index, rack: { name: rack, unit: 1 + 2 * index }, tiers: { ...each.tiers, hot: { ...(each.tiers?.hot ?? { level: "raid0" as const, drives: [] }), mount: `/srv/${"m".repeat(mount)}` } } },
          ]),
        ),
        // A workload's name is the service's and the server's, 63 characters at most.
        services: { [service.slice(0, Math.max(1, 60 - server.length))]: { model: "qwen2.5-7b", contextTokens: 8192, replicas: Math.min(replicas, 4 * servers) } },
      })),
    );
  const anyText = fc.string({ unit: "grapheme", maxLength: 200 }).filter((text) => !/\p{C}/u.test(text));

  it("keeps within its columns whatever the names, in every kind of paper, and says the same in each", () => {
    fc.assert(
      fc.property(anyEnvironment, fc.integer({ min: 60, max: 100 }), anyText, (given, columns, message) => {
        const plan = planOf(given, { checks: [{ policy: "some-rule", level: "mandatory", severity: "high", resource: "x", message }], diagnostics: [{ severity: "error", message: `${message}\n  ${message}` }] as EnvironmentPlan["diagnostics"] });
        const plain = renderPlan(plan, given, { ...plainPaper, columns }, true);
        for (const line of plain.split("\n")) expect(displayWidth(line), line).toBeLessThanOrEqual(columns);
        expect(plain).not.toContain("\u001b");
        expect(stripVTControlCharacters(renderPlan(plan, given, { ...colour, columns }, true))).toBe(plain);
      }),
      { numRuns: 60 },
    );
  });

  it("draws with ASCII characters alone where there are no others", () => {
    const given = environment(3);
    expect(renderPlan(planOf(given), given, ascii, true)).toMatch(/^[\n\u0020-\u007e]+$/);
  });
});
