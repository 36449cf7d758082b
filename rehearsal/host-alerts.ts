import { spawn } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parse, stringify } from "yaml";
import type { Environment } from "../components/environment/schema";
import { planWorkloads } from "../components/inference/placement/plan-workloads";
import { jobs, ports } from "../components/monitoring/names";
import { prometheusFlags } from "../components/monitoring/prometheus";
import { freePorts } from "./control-plane/control-plane";
import { Part } from "./control-plane/part";
import { withWebhooks } from "./monitoring/alerts";
import { plannedFiles } from "./monitoring/generated";
import { formatDuration, paceOf, paced, pacedConfig, parseDuration, scrapesInRange } from "./monitoring/pace";
import { PrometheusApi, untilReady } from "./monitoring/prometheus-api";
import { everything } from "./monitoring/scenario";
import { Webhook } from "./monitoring/webhook";
import type { EmulatedServer } from "./server";
import { must } from "./verdict";

/** Everything that Prometheus and Alertmanager wait for is divided by this; what the servers do themselves is not. */
const pace = 20;
const readyWithinSeconds = 30;
/** The servers' timer looks each minute. */
const waitSeconds = 150;
const lookEveryMilliseconds = 250;

type Data = Record<string, unknown>;

/** An array that is to be seen broken. */
export interface BrokenArray {
  server: string;
  tier: string;
  /** As an array's state is called in the metrics. */
  state: "degraded" | "failed";
  /** When it was broken, in milliseconds of Unix time. */
  since: number;
}

/** The real Prometheus and Alertmanager with the generated rules, watching the emulated servers' node_exporters. */
export class HostAlerts {
  private constructor(
    private readonly webhook: Webhook,
    private readonly prometheus: PrometheusApi,
    private readonly closers: (() => Promise<void> | void)[],
  ) {}

  /** @param folder for configuration and data; it is the caller's to remove */
  static async start(given: Environment, servers: readonly EmulatedServer[], folder: string, signal?: AbortSignal): Promise<HostAlerts> {
    mkdirSync(folder, { recursive: true });
    const closers: (() => Promise<void> | void)[] = [];
    try {
      const webhook = await Webhook.listen();
      closers.push(() => webhook.close());
      const environment = withWebhooks(given, webhook);
      const files = plannedFiles(environment, planWorkloads(environment));
      const { prometheus: prometheusPort, alertmanager: alertmanagerPort, exporters } = await portsFor(servers);
      for (const server of servers) closers.push(forward(server, exporters.get(server.name) ?? 0));

      const speed = paceOf(pace, `${environment.monitoring.scrapeIntervalSeconds}s`);
      const write = (name: string, data: Data): void => writeFileSync(join(folder, name), stringify(data, { lineWidth: 0 }));
      write("alertmanager.yml", pacedConfig(parse(files.alertmanager) as Data, speed).config);
      write("rules.yml", pacedConfig(parse(files.rules) as Data, speed).config);
      write("prometheus.yml", onlyNodes(pacedConfig(parse(files.prometheus) as Data, speed).config, exporters, alertmanagerPort));

      const alertmanager = new Part("alertmanager", "prometheus-alertmanager", [`--config.file=${join(folder, "alertmanager.yml")}`, `--storage.path=${join(folder, "alertmanager")}`, "--cluster.listen-address=", `--web.listen-address=127.0.0.1:${alertmanagerPort}`], folder);
      closers.push(() => alertmanager.kill());
      const lookback = formatDuration(Math.max(parseDuration("5m") / pace, scrapesInRange * speed.scrapeMilliseconds));
      const prometheus = new Part("prometheus", "prometheus", [`--config.file=${join(folder, "prometheus.yml")}`, ...prometheusFlags(environment, join(folder, "prometheus")), `--web.listen-address=127.0.0.1:${prometheusPort}`, `--query.lookback-delta=${lookback}`, `--rules.alert.resend-delay=${paced("1m", speed)}`], folder);
      closers.push(() => prometheus.kill());
      const api = new PrometheusApi(`http://127.0.0.1:${prometheusPort}`);
      await untilReady(prometheus, () => api.ready(), readyWithinSeconds, signal);
      return new HostAlerts(webhook, api, closers);
    } catch (error) {
      await closeAll(closers);
      throw error;
    }
  }

  /** When each array's state is in the metrics, in milliseconds of Unix time. To be called when it breaks: it looks until all are seen. */
  async seen(arrays: readonly BrokenArray[]): Promise<number[]> {
    return Promise.all(
      arrays.map(async ({ server, tier, state, since }) => {
        const query = `rackwright_array_state{server="${server}",tier="${tier}",state="${state}"} == 1`;
        while (Date.now() < since + waitSeconds * 1000) {
          if ((await this.prometheus.query(query)).length > 0) return Date.now();
          await new Promise((resolve) => setTimeout(resolve, lookEveryMilliseconds));
        }
        return Number.NaN;
      }),
    );
  }

  /** How long it took from each array's fault to somebody's being told of it. @throws Mismatch where nobody was */
  async told(arrays: readonly BrokenArray[], seen: readonly number[]): Promise<string> {
    const told = arrays.map(async ({ server, tier, state, since }, index) => {
      const alert = state === "failed" ? "ArrayFailed" : "ArrayDegraded";
      const arrived = await this.webhook.wait({ receiver: everything, alert, labels: { server, tier }, status: "firing", since }, Math.max(0, since + waitSeconds * 1000 - Date.now()));
      must(arrived !== undefined, `nobody was told within ${waitSeconds} s that the ${tier} array of ${server} is ${state}`);
      const metrics = ((seen[index] ?? Number.NaN) - since) / 1000;
      const webhook = (arrived.notification.at - since) / 1000;
      // What passes between the two is divided by the pace.
      return `${server} ${tier} ${state}: in the metrics after ${metrics.toFixed(0)} s, ${alert} at the webhook after ${webhook.toFixed(0)} s (${(metrics + (webhook - metrics) * pace).toFixed(0)} s undivided)`;
    });
    return `${(await Promise.all(told)).join("; ")}. Prometheus' and Alertmanager's waits are divided by ${pace}, the servers' are not`;
  }

  async close(): Promise<void> {
    await closeAll(this.closers);
  }
}

async function closeAll(closers: (() => Promise<void> | void)[]): Promise<void> {
  for (const close of closers.splice(0).reverse()) await close();
}

async function portsFor(servers: readonly EmulatedServer[]): Promise<{ prometheus: number; alertmanager: number; exporters: Map<string, number> }> {
  const [prometheus = 0, alertmanager = 0, ...rest] = await freePorts(2 + servers.length);
  return { prometheus, alertmanager, exporters: new Map(servers.map(({ name }, index) => [name, rest[index] ?? 0])) };
}

/** Brings a server's node_exporter to a port of this machine. Ends with this process, or when told. */
function forward({ ssh }: EmulatedServer, port: number): () => void {
  const child = spawn("setpriv", ["--pdeathsig", "KILL", "ssh", "-o", "ControlPath=none", "-N", "-L", `127.0.0.1:${port}:127.0.0.1:${ports.nodeExporter}`, ...ssh.arguments()], { stdio: "ignore", detached: true });
  return () => {
    child.kill("SIGKILL");
  };
}

/** The generated configuration with what there is here: the servers' node_exporters at their ports, asked for little, for emulation is slow. */
function onlyNodes(config: Data, exporters: ReadonlyMap<string, number>, alertmanagerPort: number): Data {
  const listOf = (value: unknown): Data[] => (Array.isArray(value) ? (value as Data[]) : []);
  const targets = (job: Data): Data[] => listOf(job["static_configs"]).map((each) => ({ ...each, targets: [`127.0.0.1:${exporters.get(serverOf(each)) ?? 0}`] }));
  return {
    ...config,
    alerting: { alertmanagers: [{ static_configs: [{ targets: [`127.0.0.1:${alertmanagerPort}`] }] }] },
    scrape_configs: listOf(config["scrape_configs"]).filter((job) => job["job_name"] === jobs.node).map((job) => ({ ...job, static_configs: targets(job), params: { "collect[]": ["textfile", "mdadm", "filesystem"] }, scrape_interval: "2s", scrape_timeout: "2s" })),
  };
}

const serverOf = (target: Data): string => (target["labels"] as { server?: string } | undefined)?.server ?? "";
