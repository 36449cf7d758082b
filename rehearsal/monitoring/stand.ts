import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { parse, stringify } from "yaml";
import type { Environment } from "../../components/environment/schema";
import { smokepingFlags } from "../../components/monitoring/exporters/smokeping-prober";
import { probeTargets } from "../../components/monitoring/prometheus-config";
import { prometheusFlags } from "../../components/monitoring/prometheus";
import { freePorts } from "../control-plane/control-plane";
import { Part } from "../control-plane/part";
import { latencyPair, makeLatencyNetwork, type LatencyNetwork } from "./latency";
import type { GeneratedFiles } from "./generated";
import { Namespaces } from "./namespaces";
import { NodeExporter } from "./node-exporter";
import { formatDuration, paced, pacedConfig, pacedPings, paceOf, parseDuration, scrapesInRange, type Divided, type Pace } from "./pace";
import { startProbe, startProber, type Probe } from "./probe";
import { PrometheusApi, untilReady } from "./prometheus-api";
import { reroutedConfig } from "./reroute";
import type { Routes, Source } from "./routes";
import type { SiteState } from "./state";
import { Switchboard, type Answerer } from "./switchboard";
import { samplesAt, textAt } from "./texts";

const readyWithinSeconds = 30;
/** What Prometheus does by itself, unless a flag says otherwise. */
const defaults = { lookback: "5m", resend: "1m" } as const;

export interface StandOptions {
  environment: Environment;
  files: GeneratedFiles;
  routes: Routes;
  /** Changed by faults while it runs. */
  state: { now: SiteState };
  pace: number;
  workDir: string;
  /** Prometheus itself. */
  prometheus: string;
  kubeconfigFile?: string;
  signal?: AbortSignal | undefined;
}

/** A site's monitoring as it runs: its own programs where they can be had, emulated exporters elsewhere. */
export interface Stand {
  prometheus: PrometheusApi;
  pace: Pace;
  /** What it has to scrape. */
  targets: number;
  /** Durations that were divided by the pace. */
  divided: readonly Divided[];
  /** Server whose node_exporter is a real process. */
  realNode: string;
  nodeExporter: NodeExporter;
  /** Undefined with the reason where the site has no two servers whose latency could be shown. */
  latency: LatencyNetwork | undefined;
  noLatency: string | undefined;
  probe: Probe | undefined;
  /** Exporters of a server that stop answering; their addresses refuse connections. */
  silence: (server: string) => void;
  speakAgain: (server: string) => void;
  stop: () => Promise<void>;
}

const seconds = (): number => Date.now() / 1000;

/** Starts everything that watches a site. What was started is ended when it fails. */
export async function startStand(options: StandOptions): Promise<Stand> {
  mkdirSync(options.workDir, { recursive: true });
  const folder = mkdtempSync(join(resolve(options.workDir), "alerts-"));
  const closers: (() => Promise<void> | void)[] = [() => rmSync(folder, { recursive: true, force: true })];
  const removeAtExit = (): void => rmSync(folder, { recursive: true, force: true });
  process.once("exit", removeAtExit);
  const stop = async (): Promise<void> => {
    process.off("exit", removeAtExit);
    for (const close of closers.splice(0).reverse()) await close();
  };
  try {
    return { ...(await start(options, folder, (close) => closers.push(close))), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function start({ environment, files, routes, state, pace: factor, prometheus: program, kubeconfigFile, signal }: StandOptions, folder: string, onStop: (close: () => Promise<void> | void) => void): Promise<Omit<Stand, "stop">> {
  const pace = paceOf(factor, `${environment.monitoring.scrapeIntervalSeconds}s`);
  const [prometheusPort = 0, alertmanagerPort = 0, nodePort = 0] = await freePorts(3);
  const board = await Switchboard.listen();
  onStop(() => board.close());
  const namespaces = new Namespaces();
  onStop(() => namespaces.remove());

  const realNode = Object.keys(environment.servers)[0] ?? "";
  const nodeExporter = new NodeExporter(nodePort, folder, () => samplesAt({ job: "node", server: realNode }, state.now, seconds()));
  onStop(() => nodeExporter.stop());

  const pair = latencyPair(environment);
  const latency = typeof pair === "string" ? undefined : await makeLatencyNetwork(environment, pair, namespaces, folder);
  if (latency !== undefined) onStop(() => latency.stop());
  const prober = latency === undefined ? undefined : startProber(latency.namespace, pacedPings(files.smokeping[latency.source] ?? "", factor), smokepingFlags, folder);
  if (prober !== undefined) onStop(() => prober.stop());

  const targets = probeTargets(environment);
  const probe = targets.length === 0 ? undefined : await startProbe(targets, files.blackbox, namespaces, folder);
  if (probe !== undefined) onStop(() => probe.stop());

  const answererOf = (source: Source): Answerer => {
    if (source.job === "prometheus") return { kind: "port", port: prometheusPort };
    if (source.job === "alertmanager") return { kind: "port", port: alertmanagerPort };
    if (source.job === "blackbox" && probe !== undefined) return { kind: "socket", path: probe.socket };
    if (source.job === "node" && source.server === realNode) return { kind: "port", port: nodePort };
    if (source.job === "latency" && source.server === latency?.source && prober !== undefined) return { kind: "socket", path: prober.socket };
    return { kind: "text", text: () => textAt(source, state.now, seconds(), environment.monitoring.meter?.metric) };
  };
  for (const [address, source] of routes) board.set(address, answererOf(source));

  const alertmanagerConfig = pacedConfig(parse(files.alertmanager) as Record<string, unknown>, pace);
  const rules = pacedConfig(parse(files.rules) as Record<string, unknown>, pace);
  const config = pacedConfig(parse(files.prometheus) as Record<string, unknown>, pace);
  writeFileSync(join(folder, "alertmanager.yml"), stringify(alertmanagerConfig.config));
  writeFileSync(join(folder, "rules.yml"), stringify(rules.config, { lineWidth: 0 }));
  writeFileSync(join(folder, "prometheus.yml"), stringify(reroutedConfig(config.config, { proxyUrl: board.url, ...(kubeconfigFile === undefined ? {} : { kubeconfigFile }) }), { lineWidth: 0 }));

  const alertmanager = new Part("alertmanager", "prometheus-alertmanager", [`--config.file=${join(folder, "alertmanager.yml")}`, `--storage.path=${join(folder, "alertmanager-data")}`, "--cluster.listen-address=", `--web.listen-address=127.0.0.1:${alertmanagerPort}`], folder);
  onStop(() => alertmanager.kill());
  const lookback = formatDuration(Math.max(parseDuration(defaults.lookback) / factor, scrapesInRange * pace.scrapeMilliseconds));
  const prometheus = new Part(
    "prometheus",
    program,
    [`--config.file=${join(folder, "prometheus.yml")}`, ...prometheusFlags(environment, join(folder, "prometheus-data")), `--web.listen-address=127.0.0.1:${prometheusPort}`, ...(factor === 1 ? [] : [`--query.lookback-delta=${lookback}`, `--rules.alert.resend-delay=${paced(defaults.resend, pace)}`])],
    folder,
  );
  onStop(() => prometheus.kill());
  const api = new PrometheusApi(`http://127.0.0.1:${prometheusPort}`);
  await untilReady(prometheus, () => api.ready(), readyWithinSeconds, signal);
  await untilReady(alertmanager, async () => (await fetch(`http://127.0.0.1:${alertmanagerPort}/-/ready`).catch(() => undefined))?.ok === true, readyWithinSeconds, signal);

  const ofServer = (server: string): [string, Source][] => [...routes].filter(([, source]) => "server" in source && source.server === server);
  return {
    prometheus: api,
    // The blackbox exporter is asked for each of its own.
    targets: [...routes.values()].filter(({ job }) => job !== "blackbox").length + targets.length,
    pace,
    divided: [...config.divided, ...rules.divided, ...alertmanagerConfig.divided],
    realNode,
    nodeExporter,
    latency,
    noLatency: typeof pair === "string" ? pair : undefined,
    probe,
    silence: (server) => {
      for (const [address] of ofServer(server)) board.remove(address);
    },
    speakAgain: (server) => {
      for (const [address, source] of ofServer(server)) board.set(address, answererOf(source));
    },
  };
}
