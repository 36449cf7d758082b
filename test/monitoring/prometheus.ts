import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { stringify } from "yaml";
import { Part } from "../../rehearsal/control-plane/part";
import { pause, run } from "../../rehearsal/process";

export interface Series {
  metric: Record<string, string>;
  value: [number, string];
}

/** A running Prometheus over a recorded history. */
export interface Prometheus {
  url: string;
  folder: string;
  query: (expr: string) => Promise<Series[]>;
  stop: () => Promise<void>;
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().once("error", reject).listen(0, "127.0.0.1", () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });
}

interface Options {
  /** Seconds before now from which on recorded series get a history too. @default none: they begin now */
  recordedSeconds?: number;
}

interface RuleFile {
  groups: { name: string; rules: Record<string, unknown>[] }[];
}

/** Recordings by how deep they rest on each other: what the first level records, the second reads. */
function levels({ groups }: RuleFile): RuleFile[] {
  const recordings = groups.flatMap(({ rules }) => rules).filter(({ record }) => record !== undefined) as { record: string; expr: string }[];
  const names = new Set(recordings.map(({ record }) => record));
  const depth = (name: string): number => Math.max(0, ...recordings.filter(({ record }) => record === name).flatMap(({ expr }) => (expr.match(/rackwright:[a-z0-9_:]+/g) ?? []).filter((other) => names.has(other)).map((other) => 1 + depth(other))));
  const byDepth = Map.groupBy(recordings, ({ record }) => depth(record));
  return [...byDepth].sort(([a], [b]) => a - b).map(([level, rules]) => ({ groups: [{ name: `level ${level}`, rules }] }));
}

/** Starts Prometheus over the history, which ends now, with rules that it evaluates each second from now on. */
export async function startPrometheus(history: string, rules: RuleFile, { recordedSeconds }: Options = {}): Promise<Prometheus> {
  const folder = mkdtempSync(join(tmpdir(), "rackwright-prometheus-"));
  const data = join(folder, "data");
  mkdirSync(data);
  const rulesFile = join(folder, "rules.yml");
  const historyFile = join(folder, "history.txt");
  writeFileSync(historyFile, history);
  writeFileSync(rulesFile, stringify(rules));
  await run("promtool", ["tsdb", "create-blocks-from", "openmetrics", historyFile, data]);
  const url = `http://127.0.0.1:${await freePort()}`;
  const now = Math.floor(Date.now() / 1000);
  for (const [level, some] of (recordedSeconds === undefined ? [] : levels(rules)).entries()) {
    const file = join(folder, `level-${level}.yml`);
    writeFileSync(file, stringify(some));
    const asked = await launch(folder, url, []);
    await run("promtool", ["tsdb", "create-blocks-from", "rules", `--start=${now - (recordedSeconds ?? 0)}`, `--end=${now}`, "--eval-interval=60s", `--url=${url}`, `--output-dir=${data}`, file]);
    await asked.kill();
  }
  const part = await launch(folder, url, [rulesFile]);
  const stop = async (): Promise<void> => {
    await part.kill();
    rmSync(folder, { recursive: true, force: true });
  };
  return { url, folder, query: (expr) => query(url, expr), stop };
}

async function launch(folder: string, url: string, rule_files: string[]): Promise<Part> {
  const configuration = join(folder, "prometheus.yml");
  writeFileSync(configuration, stringify({ global: { evaluation_interval: "1s" }, rule_files }));
  const part = new Part("prometheus", "prometheus", [`--config.file=${configuration}`, `--storage.tsdb.path=${join(folder, "data")}`, "--storage.tsdb.retention.time=1y", `--web.listen-address=${url.slice("http://".length)}`], folder);
  for (let tries = 0; !(await fetch(`${url}/-/ready`).then(({ ok }) => ok, () => false)); tries++) {
    if (part.ended || tries > 300) {
      await part.kill();
      throw new Error(`Prometheus did not start:\n${part.lastLines()}`);
    }
    await pause(100);
  }
  return part;
}

async function query(url: string, expr: string): Promise<Series[]> {
  const response = await fetch(`${url}/api/v1/query`, { method: "POST", body: new URLSearchParams({ query: expr }) });
  const answer = (await response.json()) as { status: string; error?: string; data: { resultType: string; result: Series[] | [number, string] } };
  if (answer.status !== "success") throw new Error(`${expr}: ${answer.error}`);
  return answer.data.resultType === "vector" ? (answer.data.result as Series[]) : [{ metric: {}, value: answer.data.result as [number, string] }];
}
