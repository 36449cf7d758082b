import { renameSync, writeFileSync } from "node:fs";
import { isIP } from "node:net";
import { join } from "node:path";
import type { Environment } from "../../components/environment/schema";
import { Part } from "../control-plane/part";
import { RehearsalError, run, tryRun } from "../process";
import { hostAddress, type Namespaces } from "./namespaces";

/** How packets are made late. */
export type DelayKind = "netem" | "delay-line";

/** One server with a real prober, another with a network that can be made slow, and the rest of the site. */
export interface LatencyNetwork {
  source: string;
  destination: string;
  /** Namespace of the source. */
  namespace: string;
  kind: DelayKind;
  /** Makes the round trip to the destination longer by this. */
  setDelay: (milliseconds: number) => Promise<void>;
  stop: () => Promise<void>;
}

/** Two servers whose latency can be shown, or why there are none. */
export function latencyPair({ servers }: Environment): { source: string; destination: string } | string {
  const [source, destination] = Object.keys(servers);
  if (source === undefined || destination === undefined) return "the site has one server";
  const named = Object.entries(servers).find(([, { address }]) => isIP(address) === 0);
  if (named !== undefined) return `${named[0]} has a name instead of an address`;
  return { source, destination };
}

/**
 * Makes a network of namespaces in which every server's address answers: source and destination in one each, all others in
 * a third, which joins them. The delay is the kernel's own (`tc qdisc … netem`), or where it has none, a program's.
 */
export async function makeLatencyNetwork(environment: Environment, { source, destination }: { source: string; destination: string }, namespaces: Namespaces, folder: string): Promise<LatencyNetwork> {
  const addressOf = (server: string): string => environment.servers[server]?.address ?? "";
  const [from, to, rest] = [await namespaces.add("source"), await namespaces.add("destination"), await namespaces.add("rest")];
  const ip = (namespace: string, ...args: string[]): Promise<string> => run("ip", ["-n", namespace, ...args]);
  await ip(rest, "link", "add", "bridge", "type", "bridge");
  await ip(rest, "link", "set", "bridge", "up");
  for (const [server, { address }] of Object.entries(environment.servers)) {
    if (server !== source && server !== destination) await ip(rest, "addr", "add", ...hostAddress(address), "dev", "bridge");
  }
  const everybody = async (namespace: string, device: string): Promise<void> => {
    await ip(namespace, "route", "add", "default", "dev", device);
    await ip(namespace, "-6", "route", "add", "default", "dev", device);
  };
  const joinIn = async (namespace: string, server: string, port: string): Promise<void> => {
    await ip(rest, "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", namespace);
    await ip(rest, "link", "set", port, "up");
    await ip(namespace, "addr", "add", ...hostAddress(addressOf(server)), "dev", "eth0");
    await ip(namespace, "link", "set", "eth0", "up");
    await everybody(namespace, "eth0");
  };
  await joinIn(from, source, "to-source");
  await joinIn(to, destination, "to-dest");
  await everybody(rest, "bridge");
  await ip(rest, "link", "set", "to-source", "master", "bridge");
  const common = { source, destination, namespace: from };
  const netem = await tryRun("tc", ["-n", to, "qdisc", "add", "dev", "eth0", "root", "netem", "delay", "0ms"]);
  if (netem.code === 0) {
    await ip(rest, "link", "set", "to-dest", "master", "bridge");
    const setDelay = async (milliseconds: number): Promise<void> => {
      await run("tc", ["-n", to, "qdisc", "replace", "dev", "eth0", "root", "netem", "delay", `${milliseconds}ms`]);
    };
    return { ...common, kind: "netem", setDelay, stop: () => Promise.resolve() };
  }
  await ip(rest, "link", "add", "line-in", "type", "veth", "peer", "name", "line-out");
  for (const device of ["line-in", "line-out"]) await ip(rest, "link", "set", device, "up");
  await ip(rest, "link", "set", "line-in", "master", "bridge");
  const file = join(folder, "delay-milliseconds");
  // Never half of a number: what is being written has another name.
  const write = (milliseconds: number): void => {
    writeFileSync(`${file}.new`, `${milliseconds}\n`);
    renameSync(`${file}.new`, file);
  };
  write(0);
  const line = new Part("delay-line", "ip", ["netns", "exec", rest, "python3", join(__dirname, "delay-line.py"), "line-out", "to-dest", file], folder);
  return {
    ...common,
    kind: "delay-line",
    setDelay: (milliseconds) => {
      if (line.ended) return Promise.reject(new RehearsalError(`The delay line ended:\n${line.lastLines()}`));
      // Half of it in each direction.
      write(milliseconds / 2);
      return Promise.resolve();
    },
    stop: () => line.kill(),
  };
}
