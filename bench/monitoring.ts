/**
 * What a large site's measurements cost: `npm run bench:monitoring [servers [minutes]]`. Every server has 8 GPUs. The real
 * Prometheus scrapes the generated configuration; one process serves what the exporters say from memory, so that the figures
 * are Prometheus' own. Takes the given minutes (3 by default) after the programs are built.
 */
import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type AddressInfo, type Server } from "node:net";
import { createServer as createHttpServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { stringify } from "yaml";
import { table } from "../cli/table";
import { parseEnvironment, type Environment } from "../components/environment";
import { planWorkloads } from "../components/inference/placement";
import { nodeExporterFlags } from "../components/monitoring/exporters/node-exporter";
import { prometheusConfig } from "../components/monitoring/prometheus-config";
import { prometheusRules, ruleGroups } from "../components/monitoring/rules";
import { Part } from "../rehearsal/control-plane/part";
import { programs } from "../rehearsal/control-plane/programs";
import { healthySite } from "../rehearsal/monitoring/healthy";
import { textAt } from "../rehearsal/monitoring/texts";
import { pause } from "../rehearsal/process";
import { largeSite } from "../test/inference/placement/sites";

const serviceEvery = 4;
const perServer = ["node", "gpu", "latency"] as const;

interface Scrape {
  job_name: string;
  static_configs?: { targets: string[]; labels?: Record<string, string> }[];
  [setting: string]: unknown;
}

async function freePort(): Promise<number> {
  const server: Server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** What a real node_exporter says of this machine, without what the emulated ones say themselves: a server has as much to tell. */
async function realNodeText(own: string): Promise<string> {
  const port = await freePort();
  const flags = nodeExporterFlags.filter((flag) => !flag.startsWith("--collector.textfile"));
  const child = spawn("prometheus-node-exporter", [...flags, `--web.listen-address=127.0.0.1:${port}`], { stdio: "ignore" });
  try {
    for (let left = 50; left > 0; left--) {
      const answer = await fetch(`http://127.0.0.1:${port}/metrics`).catch(() => undefined);
      if (answer?.ok === true) {
        const said = new Set(own.split("\n").map((line) => line.split(/[ {]/)[0]));
        return (await answer.text()).split("\n").filter((line) => line !== "" && !line.startsWith("#") && !said.has(line.split(/[ {]/)[0])).join("\n");
      }
      await pause(100);
    }
    throw new Error("node_exporter does not answer");
  } finally {
    child.kill();
  }
}

/** The texts of all exporters, by path. */
async function exporters(environment: Environment): Promise<Map<string, string>> {
  const now = Date.now() / 1000;
  const state = healthySite(environment, planWorkloads(environment), undefined, now);
  const [first = ""] = Object.keys(environment.servers);
  const real = await realNodeText(textAt({ job: "node", server: first }, state, now));
  const texts = new Map<string, string>();
  for (const server of Object.keys(environment.servers)) {
    for (const job of perServer) texts.set(`/${job}/${server}`, `${textAt({ job, server }, state, now)}${job === "node" ? `${real}\n` : ""}`);
  }
  return texts;
}

/** The generated configuration with every exporter at one address of this machine, told apart by its path. */
function rerouted(environment: Environment, port: number, own: number): Record<string, unknown> {
  const config = prometheusConfig(environment, "hosts") as { alerting?: unknown; scrape_configs: Scrape[] };
  delete config.alerting;
  const jobs = config.scrape_configs.flatMap((job): Scrape[] => {
    if (job.job_name === "prometheus") return [{ job_name: "prometheus", static_configs: [{ targets: [`127.0.0.1:${own}`] }] }];
    if (!(perServer as readonly string[]).includes(job.job_name)) return [];
    return [{ ...job, static_configs: (job.static_configs ?? []).map(({ labels = {} }) => ({ targets: [`127.0.0.1:${port}`], labels: { ...labels, __metrics_path__: `/${job.job_name}/${labels["server"] ?? ""}` } })) }];
  });
  return { ...config, scrape_configs: jobs };
}

async function main(): Promise<void> {
  const [servers = 200, minutes = 3] = process.argv.slice(2).map(Number);
  const parsed = parseEnvironment(largeSite(servers, Math.floor(servers / serviceEvery)));
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.problems.slice(0, 3)));
  const { environment } = parsed;
  const program = await programs(["prometheus"], { onProgress: (line) => process.stderr.write(`${line}\n`) });
  const folder = mkdtempSync(join(tmpdir(), "rackwright-bench-"));
  const texts = await exporters(environment);
  const speaker = createHttpServer((request, response) => response.writeHead(200, { "content-type": "text/plain; version=0.0.4" }).end(texts.get(request.url ?? "") ?? ""));
  await new Promise<void>((resolve) => speaker.listen(0, "127.0.0.1", resolve));
  const own = await freePort();
  writeFileSync(join(folder, "prometheus.yml"), stringify(rerouted(environment, (speaker.address() as AddressInfo).port, own)));
  writeFileSync(join(folder, "rules.yml"), stringify(prometheusRules(ruleGroups(environment, planWorkloads(environment))), { lineWidth: 0 }));
  execFileSync(program.promtool, ["check", "config", join(folder, "prometheus.yml")], { stdio: "ignore" });
  const prometheus = new Part("prometheus", program.prometheus, [`--config.file=${join(folder, "prometheus.yml")}`, `--storage.tsdb.path=${join(folder, "data")}`, `--web.listen-address=127.0.0.1:${own}`], folder);
  try {
    await pause(minutes * 60_000);
    const ask = async (expr: string): Promise<{ metric: Record<string, string>; value: number }[]> => {
      const answer = (await (await fetch(`http://127.0.0.1:${own}/api/v1/query?query=${encodeURIComponent(expr)}`)).json()) as { data: { result: { metric: Record<string, string>; value: [number, string] }[] } };
      return answer.data.result.map(({ metric, value }) => ({ metric, value: Number(value[1]) }));
    };
    const one = async (expr: string): Promise<number> => (await ask(expr))[0]?.value ?? NaN;
    const interval = environment.monitoring.scrapeIntervalSeconds;
    const byJob = await ask("sort_desc(sum by (job) (scrape_samples_post_metric_relabeling))");
    const row = (what: string, value: string): string[] => [what, value];
    process.stdout.write(
      table([
        ["site", `${servers} servers, ${servers * 8} GPUs, a scrape every ${interval} s, ${minutes} minutes`],
        row("series in memory", (await one("prometheus_tsdb_head_series")).toLocaleString("en")),
        ...byJob.map(({ metric, value }) => row(`samples a scrape, ${metric["job"] ?? ""}`, value.toLocaleString("en"))),
        row("samples a second", Math.round(await one("rate(prometheus_tsdb_head_samples_appended_total[1m])")).toLocaleString("en")),
        row("Prometheus, memory", `${Math.round((await one(`process_resident_memory_bytes{job="prometheus"}`)) / 2 ** 20)} MiB`),
        row("Prometheus, share of a core", `${Math.round(100 * (await one(`rate(process_cpu_seconds_total{job="prometheus"}[1m])`)))} %`),
        row("slowest scrape", `${(await one("max(scrape_duration_seconds)")).toFixed(2)} s`),
        row("targets that did not answer", String(await one("count(up == 0) or vector(0)"))),
        row("99 of 100 scrapes come after", `${(await one('max(prometheus_target_interval_length_seconds{quantile="0.99"})')).toFixed(1)} s`),
        row("all rules, of the interval", `${(await one("sum(prometheus_rule_group_last_duration_seconds)")).toFixed(2)} s of ${interval} s`),
        row("evaluations missed", String(await one("sum(prometheus_rule_group_iterations_missed_total)"))),
      ]),
    );
  } finally {
    await prometheus.kill();
    speaker.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
});
