import { describe, expect, test } from "vitest";
import { planWorkloads } from "../../components/inference";
import { boards, boardUids, queriesOf, type Board } from "../../components/monitoring/dashboards";
import { metrics, recorded, type Metric } from "../../components/monitoring/metrics";
import { ruleGroups } from "../../components/monitoring/rules";
import type { Environment } from "../../components/environment";
import { cpuServer, site, stack, stackNames } from "../cluster/environments";

interface Panel {
  id: number;
  type: string;
  title: string;
  description?: string;
  datasource?: unknown;
  gridPos: { x: number; y: number; w: number; h: number };
  targets?: { refId: string; expr: string; datasource: unknown }[];
  options?: { content?: string };
  fieldConfig?: { defaults: { unit?: string; thresholds?: { steps: { value: number | null; color: string }[] }; custom?: { thresholdsStyle?: { mode: string } } } };
}
interface Model {
  uid: string;
  panels: Panel[];
  templating: { list?: { name: string; query: { query: string }; allValue: string; current: { text: string[] } }[] };
}

const boardsOf = (environment: Environment): Board[] => boards(environment, planWorkloads(environment));
const modelOf = ({ model }: Board): Model => model as unknown as Model;
const named = (made: readonly Board[], uid: string): Model => {
  const found = made.find((board) => board.uid === uid);
  if (found === undefined) throw new Error(`there is no board ${uid}`);
  return modelOf(found);
};
const panelsOf = (board: Board): Panel[] => modelOf(board).panels.filter(({ type }) => type !== "row");

/** With every engine's row, a meter, RDMA, training and racks: what the shipped environments have between them. */
const environments: Record<string, Environment> = {
  ...Object.fromEntries(stackNames.map((name) => [name, stack(name)])),
  metered: stack("sme-production", (input) => {
    input.monitoring = { ...input.monitoring, meter: { address: "10.20.0.250", metric: "site_watts" } };
  }),
  "no GPUs": site((input) => {
    input.servers = { "node-01": cpuServer("10.0.0.1", { roles: ["worker", "control-plane"] }) };
    input.cluster = { distribution: "k3s", controlPlane: ["node-01"] };
  }),
  "no cluster": stack("dev-test", (input) => {
    input.cluster = { distribution: "none" };
    input.services = {};
  }),
};
const each = Object.entries(environments).map(([name, environment]) => ({ name, environment, made: boardsOf(environment) }));

/** Names of series in a query: words that are followed by neither a bracket nor stand inside quotes, braces or `by (...)`. */
function seriesIn(expr: string): string[] {
  const bare = expr.replaceAll(/"[^"]*"/g, '""').replaceAll(/\{[^}]*\}/g, "").replaceAll(/\[[^\]]*\]/g, "").replaceAll(/\b(by|on|without|ignoring|group_left|group_right)\s*\([^)]*\)/g, " ");
  const words = [...bare.matchAll(/[a-zA-Z_:][a-zA-Z0-9_:]*(?!\s*\(|[a-zA-Z0-9_:])/g)].map(([word]) => word);
  return words.filter((word) => !["and", "or", "unless", "bool", "group_left", "by", "on", "e9", "e6", "offset"].includes(word));
}

const kinds: Record<string, Metric> = Object.assign({}, ...Object.values(metrics)) as Record<string, Metric>;
/** Prometheus makes these of what it scrapes and evaluates. */
const ofPrometheus = new Set(["up", "ALERTS"]);

function isKnown(series: string): boolean {
  const [, ofHistogram = ""] = /^(.+)_(?:bucket|sum|count)$/.exec(series) ?? [];
  return ofPrometheus.has(series) || Object.hasOwn(recorded, series) || (kinds[series] !== undefined && kinds[series].kind !== "histogram") || kinds[ofHistogram]?.kind === "histogram";
}

test("reading the series out of a query finds them all and nothing else", () => {
  expect(seriesIn('sum by (server) (rate(a_total{job="node", x=~"b|c"}[5m])) / on (server) group_left (rack) max by (server) (rackwright:b:c > bool 0) or vector(0)')).toEqual(["a_total", "rackwright:b:c"]);
  expect(seriesIn("histogram_quantile(0.5, sum by (le, service) (rate(vllm:x_bucket{}[5m]))) and d == 1")).toEqual(["vllm:x_bucket", "d"]);
  expect(isKnown("vllm:time_to_first_token_seconds_bucket")).toBe(true);
  expect(isKnown("vllm:time_to_first_token_seconds")).toBe(false);
  expect(isKnown("vllm:gpu_cache_usage_perc")).toBe(false);
});

describe.each(each)("the boards of $name", ({ environment, made }) => {
  test("ask for nothing that is not measured", () => {
    const unknown = made.flatMap((board) => queriesOf(board).flatMap(({ panel, expr }) => seriesIn(expr).filter((series) => !isKnown(series)).map((series) => `${board.uid}: ${panel}: ${series}`)));
    expect(unknown).toEqual([]);
    expect(made.flatMap(queriesOf).length).toBeGreaterThan(20);
  });

  test("ask for recorded series only where this environment records them", () => {
    const groups = ruleGroups(environment, planWorkloads(environment));
    const names = new Set(groups.flatMap(({ recordings }) => recordings.map(({ record }) => record)));
    const missing = made.flatMap((board) => queriesOf(board).flatMap(({ panel, expr }) => seriesIn(expr).filter((series) => series.startsWith("rackwright:") && !names.has(series)).map((series) => `${board.uid}: ${panel}: ${series}`)));
    expect(missing).toEqual([]);
  });

  test("name no alert that this environment does not have", () => {
    const alerts = new Set(ruleGroups(environment, planWorkloads(environment)).flatMap(({ alerts: some }) => some.map(({ name }) => name)));
    const told = made.flatMap((board) => panelsOf(board).flatMap(({ title, description }) => [...(description ?? "").matchAll(/Alert: (\w+)/g)].map(([, alert = ""]) => ({ where: `${board.uid}: ${title}: ${alert}`, alert }))));
    expect(told.filter(({ alert }) => !alerts.has(alert)).map(({ where }) => where)).toEqual([]);
    expect(told.length).toBeGreaterThan(3);
  });

  test("say of every panel what it is and in which unit", () => {
    const faults = made.flatMap((board) => panelsOf(board).flatMap(({ title, type, description = "", fieldConfig }) => [
      ...(description.length < 12 ? [`${board.uid}: ${title} has no description`] : []),
      ...(type !== "text" && (fieldConfig?.defaults.unit ?? "") === "" ? [`${board.uid}: ${title} has no unit`] : []),
    ]));
    expect(faults).toEqual([]);
  });

  test("read from the provisioned data source, in panels and in each query", () => {
    const source = { type: "prometheus", uid: "prometheus" };
    for (const panel of made.flatMap(panelsOf).filter(({ type }) => type !== "text")) {
      expect(panel.datasource, panel.title).toEqual(source);
      for (const target of panel.targets ?? []) expect(target.datasource, panel.title).toEqual(source);
      expect(new Set(panel.targets?.map(({ refId }) => refId)).size, panel.title).toBe(panel.targets?.length);
    }
  });

  test("lay panels out without one on another", () => {
    for (const { panels } of made.map(modelOf)) {
      const taken = new Set<string>();
      for (const { gridPos: { x, y, w, h }, title } of panels) {
        expect(x + w, title).toBeLessThanOrEqual(24);
        for (let column = x; column < x + w; column++) {
          for (let row = y; row < y + h; row++) {
            const place = `${column},${row}`;
            expect(taken.has(place), `${title} at ${place}`).toBe(false);
            taken.add(place);
          }
        }
      }
      expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
    }
  });

  test("use only variables that they have", () => {
    for (const board of made) {
      const { panels, templating: { list = [] } } = modelOf(board);
      const used = new Set(panels.flatMap(({ targets = [] }) => targets.flatMap(({ expr }) => [...expr.matchAll(/\$(\w+)/g)].map(([, name = ""]) => name))));
      expect([...used].sort(), board.uid).toEqual(list.map(({ name }) => name).sort());
      for (const { query, allValue } of list) {
        expect(query.query).toMatch(/^label_values\([a-zA-Z_:]+, \w+\)$/);
        expect(isKnown(/\(([\w:]+),/.exec(query.query)?.[1] ?? "")).toBe(true);
        expect(allValue).toBe(".*");
      }
      for (const { expr } of queriesOf(board)) expect(expr).not.toContain("$");
    }
  });

  test("lead only to boards that there are", () => {
    const leads = made.flatMap(({ model }) => [...JSON.stringify(model).matchAll(/\/d\/([\w-]+)/g)].map(([, uid = ""]) => uid));
    expect(leads.filter((uid) => !made.some((board) => board.uid === uid))).toEqual([]);
  });

  test("fit into ConfigMaps", () => {
    const sizes = made.map(({ model }) => JSON.stringify(model).length);
    expect(Math.max(...sizes)).toBeLessThan(200_000);
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThan(900_000);
  });

  test("begin with the guide's four measurements, each with its line where the guide has one", () => {
    const { panels } = named(made, boardUids.site);
    const row = panels.slice(1, 5);
    expect(panels[0]).toMatchObject({ type: "row", title: "The four measurements", gridPos: { y: 0 } });
    expect(row.map(({ title }) => title)).toEqual(["GPU utilisation", "Memory fragmentation", "Network latency", "Model load time"]);
    expect(new Set(row.map(({ gridPos }) => gridPos.y))).toEqual(new Set([1]));
    const hasServices = Object.keys(environment.services).length > 0;
    const hasGpus = Object.values(environment.servers).some(({ gpus }) => gpus !== undefined);
    const line = (index: number): number | undefined => {
      const { thresholds, custom } = row[index]?.fieldConfig?.defaults ?? {};
      return custom?.thresholdsStyle?.mode === "dashed" ? (thresholds?.steps.find(({ value }) => value !== null)?.value ?? undefined) : undefined;
    };
    expect(line(0)).toBe(hasGpus ? 15 : undefined);
    expect(line(2)).toBe(Object.keys(environment.servers).length > 1 ? 0.005 : undefined);
    expect(row[3]?.type).toBe(hasServices ? "bargauge" : "text");
  });
});

describe("which boards an environment has", () => {
  const uids = (name: string): string[] => each.find((one) => one.name === name)?.made.map(({ uid }) => uid) ?? [];

  test("all of them where there is all of it", () => {
    expect(uids("large-cluster")).toEqual(Object.values(boardUids));
  });

  test("none of training without training jobs", () => {
    expect(uids("sme-production")).toEqual(Object.values(boardUids).filter((uid) => uid !== boardUids.training));
  });

  test("none of GPUs, tiers and services where there are none", () => {
    expect(uids("no GPUs")).toEqual([boardUids.site, boardUids.server, boardUids.power]);
  });

  test("none of services without a cluster, but of GPUs and tiers", () => {
    expect(uids("no cluster")).toEqual([boardUids.site, boardUids.server, boardUids.gpu, boardUids.storage, boardUids.power]);
  });

  test("files are named after what they show", () => {
    expect(each.find(({ name }) => name === "large-cluster")?.made.map(({ file }) => file)).toEqual(["site.json", "server.json", "gpu.json", "storage.json", "inference.json", "training.json", "power.json"]);
  });
});

describe("what the environment says is on its boards", () => {
  const limits = (environment: Environment, uid: string, title: string): (number | null)[] => {
    const panel = named(boardsOf(environment), uid).panels.find((one) => one.title === title);
    return panel?.fieldConfig?.defaults.thresholds?.steps.map(({ value }) => value) ?? [];
  };
  const changed = stack("sme-production", (input) => {
    input.monitoring = { ...input.monitoring, alerts: { gpuUtilizationPercent: 22, memoryFragmentationPercent: 41, networkLatencyMilliseconds: 3 } };
  });

  test("the three thresholds", () => {
    expect(limits(changed, boardUids.site, "GPU utilisation")).toEqual([null, 22]);
    expect(limits(changed, boardUids.site, "Memory fragmentation")).toEqual([null, 0.41]);
    expect(limits(changed, boardUids.site, "Network latency")).toEqual([null, 0.003]);
  });

  test("what the room can feed", () => {
    expect(limits(changed, boardUids.power, "Draw")).toEqual([null, 8000]);
  });

  test("a PUE that is measured, and one that is only planned", () => {
    const pue = (name: string): Panel | undefined => named(each.find((one) => one.name === name)?.made ?? [], boardUids.power).panels.find(({ title }) => title === "PUE");
    expect(pue("metered")).toMatchObject({ type: "timeseries", targets: [{ expr: "rackwright:site_pue:ratio" }] });
    expect(pue("sme-production")).toMatchObject({ type: "text", options: { content: expect.stringContaining("Planned: **1.5**") as string } });
  });

  test("one server has no way to another, and the board says so", () => {
    const latency = named(each.find(({ name }) => name === "dev-test")?.made ?? [], boardUids.site).panels.find(({ title }) => title === "Network latency");
    expect(latency).toMatchObject({ type: "text", options: { content: expect.stringContaining("one server") as string } });
  });

  test("a large site begins with one server instead of all", () => {
    const first = (name: string, uid: string): unknown => named(each.find((one) => one.name === name)?.made ?? [], uid).templating.list?.[0];
    expect(first("sme-production", boardUids.server)).toMatchObject({ query: { query: "label_values(rackwright:server:info, server)" }, current: { text: ["All"] } });
    expect(first("large-cluster", boardUids.server)).toMatchObject({ current: { text: ["gpu-01"] } });
  });

  test("a board of GPUs offers the servers that have some", () => {
    const many = stack("large-cluster", (input) => {
      const { "gpu-01": first, "ctrl-01": control, ...others } = input.servers;
      if (first === undefined || control === undefined) throw new Error("the environment has other servers now");
      input.servers = { "ctrl-01": control, ...others, "gpu-01": first, "gpu-09": { ...first, address: "10.30.0.99", rack: undefined, drives: {}, tiers: {} } };
    });
    expect(named(boardsOf(many), boardUids.gpu).templating.list?.[0]).toMatchObject({ query: { query: "label_values(DCGM_FI_DEV_FB_USED, server)" }, current: { text: ["gpu-02"] } });
  });
});
