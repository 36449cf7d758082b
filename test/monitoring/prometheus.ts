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

/** Starts Prometheus over the history, which ends now, with rules that it evaluates each second from now on. */
export async function startPrometheus(history: string, rules: unknown): Promise<Prometheus> {
  const folder = mkdtempSync(join(tmpdir(), "rackwright-prometheus-"));
  const data = join(folder, "data");
  mkdirSync(data);
  const files = { history: join(folder, "history.txt"), rules: join(folder, "rules.yml"), configuration: join(folder, "prometheus.yml") };
  writeFileSync(files.history, history);
  writeFileSync(files.rules, stringify(rules));
  writeFileSync(files.configuration, stringify({ global: { evaluation_interval: "1s" }, rule_files: [files.rules] }));
  await run("promtool", ["tsdb", "create-blocks-from", "openmetrics", files.history, data]);
  const url = `http://127.0.0.1:${await freePort()}`;
  const part = new Part("prometheus", "prometheus", [`--config.file=${files.configuration}`, `--storage.tsdb.path=${data}`, "--storage.tsdb.retention.time=1y", `--web.listen-address=${url.slice("http://".length)}`], folder);
  const stop = async (): Promise<void> => {
    await part.kill();
    rmSync(folder, { recursive: true, force: true });
  };
  for (let tries = 0; ; tries++) {
    const ready = await fetch(`${url}/-/ready`).then(({ ok }) => ok, () => false);
    if (ready) break;
    if (part.ended || tries > 300) {
      const told = part.lastLines();
      await stop();
      throw new Error(`Prometheus did not start:\n${told}`);
    }
    await pause(100);
  }
  return { url, folder, query: (expr) => query(url, expr), stop };
}

async function query(url: string, expr: string): Promise<Series[]> {
  const response = await fetch(`${url}/api/v1/query`, { method: "POST", body: new URLSearchParams({ query: expr }) });
  const answer = (await response.json()) as { status: string; error?: string; data: { resultType: string; result: Series[] | [number, string] } };
  if (answer.status !== "success") throw new Error(`${expr}: ${answer.error}`);
  return answer.data.resultType === "vector" ? (answer.data.result as Series[]) : [{ metric: {}, value: answer.data.result as [number, string] }];
}
