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

/** Tag of all our boards: each has a menu with the others. */
const tag = "rackwright";

export function serverVariable(servers: readonly string[]): Variable {
  return { name: "server", series: "rackwright:server:info", label: "server", first: servers.length > showAllUpTo ? servers[0] : undefined };
}

/** Lays a board out: rows in order, panels from left to right. Rows without panels are left out. */
export function layOut({ uid, title, description, variables = [], rows }: BoardSpec): DashboardModel {
  const { dashboard } = grafana();
  const board = new dashboard.DashboardBuilder(title)
    .uid(uid)
    .description(description)
    .tags([tag])
    .readonly()
    .timezone("browser")
    .refresh("1m")
    .time({ from: "now-6h", to: "now" })
    .tooltip(dashboard.DashboardCursorSync.Crosshair)
    .link(new dashboard.DashboardLinkBuilder("Boards").type(dashboard.DashboardLinkType.Dashboards).tags([tag]).asDropdown(true).keepTime(true).includeVars(true).tooltip("The other boards of this site"));
  for (const variable of variables) board.withVariable(choice(variable));
  for (const row of rows.filter(({ panels }) => panels.length > 0)) {
    board.withRow(new dashboard.RowBuilder(row.title));
    for (const panel of row.panels) board.withPanel(panel);
  }
  return numbered(board.build());
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

/** Panels need ids of their own, or Grafana gives them new ones at each start and links to panels break. */
function numbered(board: DashboardModel): DashboardModel {
  return { ...board, panels: (board.panels ?? []).map((panel, index) => ({ ...panel, id: index + 1 })) };
}
