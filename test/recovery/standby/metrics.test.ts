import { spawn, type ChildProcess } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { metrics } from "../../../components/monitoring/metrics";
import { jobs } from "../../../components/monitoring/names";
import { haproxyConfig, healthAddress } from "../../../components/recovery/standby/haproxy";
import type { BalancerPlan } from "../../../components/recovery/standby/plan";
import { balancersOf, bare } from "./environments";

const script = join(__dirname, "../../../components/servers/scripts/standby-metrics.sh");
const env = { ...process.env, PATH: `${process.env["PATH"] ?? ""}:/usr/sbin:/sbin` };

const listening = (server: Server): Promise<number> => new Promise((done) => server.listen(0, "127.0.0.1", () => done((server.address() as AddressInfo).port)));
async function freePort(): Promise<number> {
  const server = createServer();
  const port = await listening(server);
  await new Promise((done) => server.close(done));
  return port;
}
const ended = (child: ChildProcess): Promise<number | null> => new Promise((done) => child.on("exit", done));

/** An engine whose health may change. */
interface Engine {
  server: Server;
  port: number;
  healthy: boolean;
}

describe("a balancer's metrics", () => {
  let folder: string;
  let statistics: number;
  let haproxy: ChildProcess;
  let keepalived: ChildProcess;
  const engines: Engine[] = [];

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "rackwright-standby-metrics-"));
    for (let index = 0; index < 2; index++) {
      const engine: Engine = { healthy: true, port: 0, server: createServer((_, response) => response.writeHead(engine.healthy ? 200 : 503).end()) };
      engine.port = await listening(engine.server);
      engines.push(engine);
    }
    const plan = balancersOf(bare(2));
    const [service] = plan.services;
    if (service === undefined) throw new Error("no service");
    statistics = await freePort();
    const here: BalancerPlan = { ...plan, virtualAddress: "127.0.0.1", port: await freePort(), services: [{ ...service, targets: service.targets.map((target, index) => ({ ...target, address: "127.0.0.1", port: engines[index]?.port ?? 0 })) }] };
    const config = haproxyConfig(here).replace("/run/haproxy/admin.sock", join(folder, "admin.sock")).replace(/^ {2}(user|group) .*\n/gm, "").replace(`:${healthAddress.port}`, `:${statistics}`).replace(" transparent", "");
    writeFileSync(join(folder, "haproxy.cfg"), config);
    haproxy = spawn("haproxy", ["-db", "-f", join(folder, "haproxy.cfg")], { env, stdio: "ignore" });
    // What the script looks for is a process of that name.
    symlinkSync("/bin/sleep", join(folder, "keepalived"));
    keepalived = spawn(join(folder, "keepalived"), ["600"], { stdio: "ignore" });
    writeFileSync(join(folder, "keepalived.pid"), `${keepalived.pid ?? ""}\n`);
  });
  afterAll(async () => {
    for (const child of [haproxy, keepalived]) {
      const end = ended(child);
      if (child.exitCode === null && child.signalCode === null) {
        child.kill("SIGKILL");
        await end;
      }
    }
    for (const { server } of engines) server.close();
    rmSync(folder, { recursive: true, force: true });
  });

  async function collect(more: readonly string[] = []): Promise<{ code: number | null; samples: Record<string, number>; text: string }> {
    rmSync(join(folder, "rackwright-standby.prom"), { force: true });
    const code = await ended(spawn("bash", [script, "--folder", folder, "--virtual", "127.0.0.1/32", "--port", String(statistics), "--health", healthAddress.path, "--statistics", healthAddress.statistics, "--keepalived-pid", join(folder, "keepalived.pid"), ...more], { env, stdio: "ignore" }));
    const text = readFileSync(join(folder, "rackwright-standby.prom"), "utf8");
    const samples = Object.fromEntries([...text.matchAll(/^(rackwright_balancer_\S+\{.*\}) (\S+)$/gm)].map(([, name = "", value = ""]) => [name.replace("rackwright_balancer_", ""), Number(value)]));
    return { code, samples, text };
  }
  async function until(key: string, value: number): Promise<Record<string, number>> {
    for (let tries = 0; tries < 60; tries++) {
      const { samples } = await collect();
      if (samples[key] === value) return samples;
      await new Promise((wait) => setTimeout(wait, 100));
    }
    return (await collect()).samples;
  }

  const active = 'name="answers",replica="gpu-0001",kind="active"';
  const standby = 'name="answers",replica="gpu-0002",kind="standby"';

  it("say of a real HAProxy that it works, and what it thinks of each replica", async () => {
    await until('program_up{program="haproxy"}', 1);
    expect(await until(`replica_up{${active}}`, 1)).toEqual({
      'program_up{program="haproxy"}': 1,
      'program_up{program="keepalived"}': 1,
      'address_held{address="127.0.0.1"}': 1,
      [`replica_up{${active}}`]: 1,
      [`replica_up{${standby}}`]: 1,
      [`replica_failures_total{${active}}`]: 0,
      [`replica_failures_total{${standby}}`]: 0,
    });
  });

  it("are those that rules ask for, with their labels, and of their kind", async () => {
    const { text } = await collect();
    const known: Readonly<Record<string, { kind: string; labels: readonly string[] }>> = metrics[jobs.node];
    const wanted = Object.keys(known).filter((name) => name.startsWith("rackwright_balancer_"));
    expect([...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name, kind]) => [name, kind]).sort()).toEqual(wanted.map((name) => [name, known[name]?.kind]).sort());
    for (const [, name = "", labels = ""] of text.matchAll(/^(rackwright\S+)\{(.*)\} /gm)) expect([...labels.matchAll(/(\w+)=/g)].map(([, label]) => label)).toEqual(known[name]?.labels);
  });

  it("count a replica that was taken out, and stay so when it is back", async () => {
    const [engine] = engines;
    if (engine === undefined) throw new Error("no engine");
    engine.healthy = false;
    expect(await until(`replica_up{${active}}`, 0)).toMatchObject({ [`replica_up{${active}}`]: 0, [`replica_up{${standby}}`]: 1, [`replica_failures_total{${active}}`]: 1 });
    engine.healthy = true;
    expect(await until(`replica_up{${active}}`, 1)).toMatchObject({ [`replica_up{${active}}`]: 1, [`replica_failures_total{${active}}`]: 1 });
  });

  it("say that an address is not here, and that a process of another name is not keepalived", async () => {
    writeFileSync(join(folder, "other.pid"), String(process.pid));
    const { samples } = await collect(["--virtual", "192.0.2.50/32", "--keepalived-pid", join(folder, "other.pid")]);
    expect(samples).toMatchObject({ 'address_held{address="192.0.2.50"}': 0, 'program_up{program="keepalived"}': 0, 'program_up{program="haproxy"}': 1 });
  });

  it("say that an HAProxy that hangs does not work, leave out what it does not tell, and end in time", async () => {
    haproxy.kill("SIGSTOP");
    const started = Date.now();
    const { code, samples } = await collect();
    expect(Date.now() - started).toBeLessThan(8000);
    haproxy.kill("SIGCONT");
    expect([code, samples]).toEqual([0, { 'program_up{program="haproxy"}': 0, 'program_up{program="keepalived"}': 1, 'address_held{address="127.0.0.1"}': 1 }]);
  });

  it("say the same of one that is gone", async () => {
    const end = ended(haproxy);
    haproxy.kill("SIGKILL");
    await end;
    expect((await collect()).samples).toEqual({ 'program_up{program="haproxy"}': 0, 'program_up{program="keepalived"}': 1, 'address_held{address="127.0.0.1"}': 1 });
  });

  it("are refused where a flag is wrong or missing", async () => {
    expect(await ended(spawn("bash", [script, "--folder", folder], { env, stdio: "ignore" }))).toBe(2);
    expect(await ended(spawn("bash", [script, "--virtual", "; rm"], { env, stdio: "ignore" }))).toBe(2);
  });
});
