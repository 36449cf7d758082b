import { writeFileSync } from "node:fs";
import { isIP } from "node:net";
import { join } from "node:path";
import type { ProbeTarget } from "../../components/monitoring/prometheus-config";
import { Part } from "../control-plane/part";
import { run, tryRun } from "../process";
import type { HelperTask } from "./namespace-helper";
import { hostAddress, type Namespaces } from "./namespaces";

const ports = { blackbox: 9115, smokeping: 9374 } as const;
/** For names: a network for tests between networks (RFC 2544), inside of the namespace alone. */
const nameAddress = (index: number): string => `198.18.${Math.floor(index / 250)}.${1 + (index % 250)}`;

/** Starts a helper in a namespace: see namespace-helper.ts. */
export function startHelper(name: string, namespace: string, task: HelperTask, folder: string): Part {
  const file = join(folder, `${name}.json`);
  writeFileSync(file, JSON.stringify(task));
  return new Part(name, "ip", ["netns", "exec", namespace, process.execPath, "--require", require.resolve("tsx/cjs"), join(__dirname, "namespace-helper.ts"), file], folder);
}

/** The real blackbox exporter, with TLS servers at everything that it is told to look at. */
export interface Probe {
  /** Through which it is reached. */
  socket: string;
  /** Gives the TLS server of a target a certificate that ends after so many days. */
  setCertificate: (target: string, days: number) => Promise<void>;
  /** Takes the address of a target away, or gives it back. */
  setAnswering: (target: string, answers: boolean) => Promise<void>;
  stop: () => Promise<void>;
}

interface Listener {
  target: string;
  hostname: string;
  address: string;
  port: number;
  certificate: string;
  key: string;
}

function listenersOf(targets: readonly ProbeTarget[], folder: string): Listener[] {
  return targets.map(({ target }, index) => {
    const { hostname, port } = new URL(`tls://${target}`);
    const host = hostname.replace(/^\[|\]$/g, "");
    const address = isIP(host) === 0 ? nameAddress(index) : host;
    return { target, hostname: host, address, port: Number(port), certificate: join(folder, `tls-${index}.crt`), key: join(folder, `tls-${index}.key`) };
  });
}

async function makeCertificate({ hostname, certificate, key }: Listener, days: number): Promise<void> {
  const name = `${isIP(hostname) === 0 ? "DNS" : "IP"}:${hostname}`;
  await run("openssl", ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", String(days), "-subj", "/CN=rehearsal", "-addext", `subjectAltName=${name}`, "-keyout", key, "-out", certificate]);
}

const usualDays = 365;

/** Of the scrape's timeout, what the exporter leaves for its answer: its own half a second is all of a scrape's at a pace. */
const answerSeconds = 0.05;

export async function startProbe(targets: readonly ProbeTarget[], configuration: string, namespaces: Namespaces, folder: string): Promise<Probe> {
  const listeners = listenersOf(targets, folder);
  const names = listeners.filter(({ hostname }) => isIP(hostname) === 0);
  const namespace = await namespaces.add("probe", Object.fromEntries(names.map(({ hostname, address }) => [hostname, address])));
  for (const address of new Set(listeners.map((listener) => listener.address))) await run("ip", ["-n", namespace, "addr", "add", ...hostAddress(address), "dev", "lo"]);
  await Promise.all(listeners.map((listener) => makeCertificate(listener, usualDays)));
  const file = join(folder, "blackbox.yml");
  writeFileSync(file, configuration);
  const socket = join(folder, "blackbox.sock");
  const blackbox = new Part("blackbox-exporter", "ip", ["netns", "exec", namespace, "prometheus-blackbox-exporter", `--config.file=${file}`, `--timeout-offset=${answerSeconds}`, `--web.listen-address=127.0.0.1:${ports.blackbox}`], folder);
  const helper = startHelper("probe-helper", namespace, { forward: [{ port: ports.blackbox, socket }], tls: listeners }, folder);
  const listenerOf = (target: string): Listener => {
    const listener = listeners.find((each) => each.target === target);
    if (listener === undefined) throw new Error(`nothing is probed at ${target}`);
    return listener;
  };
  return {
    socket,
    setCertificate: async (target, days) => {
      await makeCertificate(listenerOf(target), days);
      helper.signal("SIGHUP");
    },
    setAnswering: async (target, answers) => {
      // Twice the same is no fault: what is taken back may have been so before.
      await tryRun("ip", ["-n", namespace, "addr", answers ? "replace" : "del", ...hostAddress(listenerOf(target).address), "dev", "lo"]);
    },
    stop: async () => {
      await Promise.all([helper.kill(), blackbox.kill()]);
    },
  };
}

/** The real smokeping_prober in a namespace. */
export interface Prober {
  socket: string;
  stop: () => Promise<void>;
}

export function startProber(namespace: string, configuration: string, flags: readonly string[], folder: string): Prober {
  const file = join(folder, "smokeping.yml");
  writeFileSync(file, configuration);
  const socket = join(folder, "smokeping.sock");
  // Waiting for a turn on a busy machine would count as latency.
  const prober = new Part("smokeping-prober", "ip", ["netns", "exec", namespace, "chrt", "--fifo", "1", "prometheus-smokeping-prober", `--config.file=${file}`, ...flags, `--web.listen-address=127.0.0.1:${ports.smokeping}`], folder);
  const helper = startHelper("prober-helper", namespace, { forward: [{ port: ports.smokeping, socket }], tls: [] }, folder);
  return {
    socket,
    stop: async () => {
      await Promise.all([helper.kill(), prober.kill()]);
    },
  };
}
