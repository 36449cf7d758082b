import { beforeAll, describe, expect, test } from "vitest";
import { planWorkloads } from "../../components/inference";
import { boards } from "../../components/monitoring/dashboards";
import { schemaFaults } from "../../rehearsal/monitoring/grafana-schema";
import { stack, stackNames } from "../cluster/environments";

const buildTimeout = 10 * 60_000;
const check = (files: Readonly<Record<string, unknown>>): Promise<string[]> => schemaFaults(files, { onProgress: (line) => process.stderr.write(`   ${line}\n`) });

describe("Grafana's own schema", () => {
  beforeAll(async () => {
    await check({});
  }, buildTimeout);

  test("takes every board of every shipped environment", async () => {
    const files = Object.fromEntries(stackNames.flatMap((name) => {
      const environment = stack(name);
      return boards(environment, planWorkloads(environment)).map(({ file, model }) => [`${name}-${file}`, model] as const);
    }));
    expect(Object.keys(files)).toHaveLength(6 * 6 + 1);
    expect(await check(files)).toEqual([]);
  });

  /** A board of an environment with one thing in it changed. */
  const spoilt = (change: (panel: Record<string, unknown>) => void): Record<string, unknown> => {
    const environment = stack("dev-test");
    const model = structuredClone(boards(environment, planWorkloads(environment))[0]?.model ?? {}) as { panels: Record<string, unknown>[] };
    const panel = model.panels.find(({ type }) => type === "timeseries");
    if (panel === undefined) throw new Error("the board has no course over time");
    change(panel);
    return model;
  };
  const faultOf = async (change: (panel: Record<string, unknown>) => void): Promise<string[]> => check({ "spoilt.json": spoilt(change) });

  test("refuses a field that there is not, with its path", async () => {
    expect(await faultOf((panel) => (panel["desciption"] = "x"))).toEqual(["spoilt.json: panels[1].Panel: unexpected field 'desciption'"]);
  });

  test("refuses a field of a panel's fields that there is not, which the SDK alone would take", async () => {
    expect(await faultOf((panel) => ((panel["fieldConfig"] as { defaults: Record<string, unknown> }).defaults["units"] = "s"))).toEqual(["spoilt.json: panels[1].fieldConfig.defaults.FieldConfig: unexpected field 'units'"]);
  });

  test("refuses a value of a wrong type, with its path", async () => {
    const [fault, ...more] = await faultOf((panel) => (panel["gridPos"] = { x: 0, y: 0, w: "6", h: 8 }));
    expect(fault).toMatch(/^spoilt\.json: panels\[1\]\.gridPos\.w: .*string/);
    expect(more).toEqual([]);
  });

  test("refuses a value that an enumeration does not have, with its path and what it has", async () => {
    expect(await faultOf((panel) => ((panel["options"] as { legend: Record<string, unknown> }).legend["placement"] = "left"))).toEqual(["spoilt.json: panels[1].options.legend.placement: must be one of bottom right, got left"]);
  });

  test("refuses an option of a panel's own kind that it does not have", async () => {
    expect(await faultOf((panel) => ((panel["options"] as Record<string, unknown>)["graphMode"] = "area"))).toEqual(["spoilt.json: panels[1].options.Options: unexpected field 'graphMode'"]);
  });

  test("refuses what it does not know and so could not check", async () => {
    expect(await faultOf((panel) => (panel["type"] = "piechart"))).toEqual([expect.stringMatching(/^spoilt\.json: panels\[1\]\.type: panels of type "piechart"/)]);
    expect(await faultOf((panel) => ((panel["targets"] as Record<string, unknown>[])[0] = { refId: "A", expr: "up" }))).toEqual(['spoilt.json: panels[1].targets[0].datasource.type: must be prometheus, got ""']);
  });

  test("tells all faults of a board, not the first", async () => {
    expect(await faultOf((panel) => Object.assign(panel, { wrong: 1, false: 2 }))).toHaveLength(2);
  });
});
