import type { Environment } from "../../environment/schema";
import type { WorkloadPlan } from "../../inference";
import { dataSource } from "./panels";
import { grafana, type DashboardModel, type PanelBuilder } from "./sdk";

/** What a board is made from. */
export interface BoardInput {
  environment: Environment;
  workloads: WorkloadPlan;
}

/** Panels under one heading. */
export interface Row {
  title: string;
  panels: readonly PanelBuilder[];
}

/** A choice at the head of a board, of the values that a label has now. */
export interface Variable {
  name: "server" | "service" | "job";
  /** Series and label that the values are read from. */
  series: string;
  label: string;
  /** Shown at first. Absent: all of them. */
  first?: string | undefined;
}

export interface BoardSpec {
  uid: string;
  title: string;
  description: string;
  variables?: readonly Variable[];
  rows: readonly Row[];
}

/** What a variable stands for when all is chosen. It matches series without the label as well. */
export const anyValue = ".*";

/** Boards for at most this many servers show all of them at first; larger sites begin with one. */
const showAllUpTo = 4;

/** Uids, by which boards refer to each other and people keep links. */
export const boardUids = {
  site: "rackwright-site",
  server: "rackwright-server",
  gpu: "rackwright-gpu",
  storage: "rackwright-storage",
  inference: "rackwright-inference",
  training: "rackwright-training",
  power: "rackwright-power",
} as const;

/** Width of a board. */
const columns = 24;

/** Tag of all our boards: each has a menu with the others. */
const tag = "rackwright";

/** A choice of servers: of those that have the given series, which `servers` are. */
export function serverVariable(series: string, servers: readonly string[]): Variable {
  return { name: "server", series, label: "server", first: servers.length > showAllUpTo ? servers[0] : undefined };
}

/** Lays a board out: rows in order, panels from left to right. Rows without panels are left out. */
export function layOut({ uid, title, description, variables = [], rows }: BoardSpec): DashboardModel {
  const { dashboard } = grafana();
  const menu = new dashboard.DashboardLinkBuilder("Boards").type(dashboard.DashboardLinkType.Dashboards).tags([tag]).asDropdown(true).keepTime(true).includeVars(true).tooltip("The other boards of this site");
  return {
    ...dashboard.defaultDashboard(),
    uid,
    title,
    description,
    tags: [tag],
    editable: false,
    refresh: "1m",
    time: { from: "now-6h", to: "now" },
    graphTooltip: dashboard.DashboardCursorSync.Crosshair,
    links: [menu.build()],
    templating: { list: variables.map((variable) => choice(variable).build()) },
    panels: placed(rows.filter(({ panels }) => panels.length > 0)),
  };
}

/** Panels with their places, and ids of their own: Grafana would give them new ones at each start, and links to panels would break. */
function placed(rows: readonly Row[]): NonNullable<DashboardModel["panels"]> {
  const { RowBuilder } = grafana().dashboard;
  const panels: NonNullable<DashboardModel["panels"]> = [];
  let y = 0;
  for (const row of rows) {
    panels.push(new RowBuilder(row.title).id(panels.length + 1).gridPos({ x: 0, y, w: columns, h: 1 }).build());
    y += 1;
    let x = 0;
    let highest = 0;
    for (const panel of row.panels.map((builder) => builder.build())) {
      const { w, h } = panel.gridPos ?? { w: columns, h: 1 };
      if (x + w > columns) {
        y += highest;
        x = 0;
        highest = 0;
      }
      panels.push({ ...panel, id: panels.length + 1, gridPos: { x, y, w, h } });
      x += w;
      highest = Math.max(highest, h);
    }
    y += highest;
  }
  return panels;
}

function choice({ name, series, label, first }: Variable) {
  const { dashboard } = grafana();
  const current = first === undefined ? { selected: true, text: ["All"], value: ["$__all"] } : { selected: true, text: [first], value: [first] };
  return new dashboard.QueryVariableBuilder(name)
    .label(`${name.charAt(0).toUpperCase()}${name.slice(1)}`)
    .datasource(dataSource)
    .query({ query: `label_values(${series}, ${label})`, refId: name })
    .refresh(dashboard.VariableRefresh.OnTimeRangeChanged)
    .sort(dashboard.VariableSort.AlphabeticalAsc)
    .multi(true)
    .includeAll(true)
    .allValue(anyValue)
    .current(current);
}
