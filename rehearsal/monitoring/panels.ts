import type { Environment } from "../../components/environment/schema";
import type { WorkloadPlan } from "../../components/inference";
import { boards, queriesOf } from "../../components/monitoring/dashboards";
import { must } from "../verdict";
import type { PrometheusApi } from "./prometheus-api";

interface Asked {
  board: string;
  panel: string;
  expr: string;
}

/** Every query of every board, asked of a running Prometheus. */
export class Panels {
  private readonly boards: number;
  private readonly all: readonly Asked[];
  private open: { query: Asked; reason: string }[];

  constructor(environment: Environment, workloads: WorkloadPlan) {
    const made = boards(environment, workloads);
    this.boards = made.length;
    this.all = made.flatMap((board) => queriesOf(board).map((query) => ({ board: board.title, ...query })));
    this.open = this.all.map((query) => ({ query, reason: "not asked" }));
  }

  /** Asks those that had no data so far: what counts faults has none before there are any. How many still have none. */
  async ask(prometheus: Pick<PrometheusApi, "query">, rewrite: (expr: string) => string): Promise<number> {
    const still: typeof this.open = [];
    for (const { query } of this.open) {
      try {
        if ((await prometheus.query(rewrite(query.expr))).length === 0) still.push({ query, reason: `no data for ${query.expr}` });
      } catch (error) {
        still.push({ query, reason: error instanceof Error ? error.message : String(error) });
      }
    }
    this.open = still;
    return still.length;
  }

  /** @throws Mismatch naming board and panel of each query that never had data, or does not parse */
  verdict(): string {
    must(this.open.length === 0, `${this.open.length} of ${this.all.length} queries:\n${this.open.map(({ query: { board, panel }, reason }) => `${board}, ${panel}: ${reason}`).join("\n")}`);
    return `${this.all.length} queries of ${this.boards} boards`;
  }
}
