import { chmodSync, copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { isIPv4 } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { BalancedService, BalancerPlan, Target } from "../../components/recovery/standby/plan";
import { Part } from "../control-plane/part";
import { Namespaces } from "../monitoring/namespaces";
import type { NeededProgram } from "../packages";
import { pause, RehearsalError } from "../process";
import { AddressWatch } from "./address-watch";
import { BalancerHost } from "./balancer-host";
import type { ClientLine, ClientTask } from "./client";
import type { EngineLine, EngineTask } from "./engine";
import { Lines } from "./lines";
import { clientHost, SiteNetwork } from "./network";
import type { RelayTask } from "./relay";

/** Programs of the distribution that a rehearsal of faults runs. */
export const standPrograms: readonly NeededProgram[] = [
  { program: "haproxy", package: "haproxy" },
  { program: "keepalived", package: "keepalived" },
  { program: "ping", package: "iputils-ping" },
  { program: "ip", package: "iproute2" },
  { program: "ss", package: "iproute2" },
  { program: "sysctl", package: "procps" },
  { program: "tc", package: "iproute2" },
];

const requestMilliseconds = 50;
const folderPrefix = "rackwright-recovery-";
const startWithinSeconds = 60;
/** Without an error for so long, a fault is over. */
const overMilliseconds = 2500;

export interface StandOptions {
  /** Sockets behind which engines answer that are somewhere else, by server. @default none */
  engines?: ReadonlyMap<string, string>;
  /** From one request of the client to the next. @default 50 */
  everyMilliseconds?: number;
}

interface Engine {
  target: Target;
  part: Part;
  lines: Lines<EngineLine>;
}

/** A service with its standby and its balancers, as it runs: hosts are network namespaces, engines stand-ins. */
export class Stand {
  readonly answers: Lines<ClientLine>;
  readonly watch: AddressWatch;
  private readonly down = new Set<string>();
  private readonly engines = new Map<string, Engine>();
  /** What engines wrote that are no more. */
  private readonly past: Lines<EngineLine>[] = [];

  private constructor(
    readonly service: BalancedService,
    readonly plan: BalancerPlan,
    readonly network: SiteNetwork,
    private readonly folder: string,
    private readonly anchors: ReadonlyMap<string, Part>,
    private readonly balancers: ReadonlyMap<string, BalancerHost>,
    private readonly client: Part,
    private readonly close: () => void,
    private readonly elsewhere: ReadonlyMap<string, string>,
    private readonly everyMilliseconds: number,
  ) {
    this.answers = new Lines(client.logFile);
    const pids = (): Map<string, number> => new Map([...balancers.keys()].filter((name) => !this.down.has(name)).map((name) => [name, anchors.get(name)?.pid ?? 0]));
    this.watch = new AddressWatch(plan.virtualAddress, pids);
  }

  /**
   * Starts the balancers of a plan and engines where its targets are, and a client that sends requests all the time.
   * @throws RehearsalError where it cannot run here, or the site does not answer.
   */
  static async start(plan: BalancerPlan, service: BalancedService, signal?: AbortSignal, { engines = new Map(), everyMilliseconds = requestMilliseconds }: StandOptions = {}): Promise<Stand> {
    if (![plan.virtualAddress, ...plan.balancers.map(({ address }) => address), ...service.targets.map(({ address }) => address)].every((address) => isIPv4(address))) {
      throw new RehearsalError("A rehearsal of faults needs IPv4 addresses in the environment: of the balancers, of the replicas' servers and recovery.standby.virtualAddress.");
    }
    await Namespaces.removeLeftOver();
    removeLeftOverFolders();
    const folder = mkdtempSync(join(tmpdir(), `${folderPrefix}${process.pid}-`));
    // Health checks run as another user.
    chmodSync(folder, 0o755);
    const namespaces = new Namespaces();
    const parts: Part[] = [];
    const hosts: BalancerHost[] = [];
    const clean = (): void => {
      namespaces.remove();
      rmSync(folder, { recursive: true, force: true });
    };
    process.once("exit", clean);
    const close = (): void => {
      process.off("exit", clean);
      clean();
    };
    try {
      const addresses = Object.fromEntries([...plan.balancers, ...service.targets].map(({ server, address }) => [server, address]));
      const witnesses = [...new Set(plan.balancers.flatMap((balancer) => balancer.witnesses))].filter((address) => !Object.values(addresses).includes(address));
      const others = Object.fromEntries(witnesses.map((address, index) => [`other-${index}`, address]));
      const network = await SiteNetwork.make(namespaces, { ...addresses, ...others, [clientHost.name]: clientHost.address });
      const healthScript = join(folder, "standby-health.sh");
      copyFileSync(join(__dirname, "../../components/servers/scripts/standby-health.sh"), healthScript);
      chmodSync(healthScript, 0o755);
      const start = (host: string, name: string, command: readonly string[]): Part => {
        const part = new Part(name, "ip", ["netns", "exec", network.namespaceOf(host), ...command], folder);
        parts.push(part);
        return part;
      };
      const anchors = new Map(plan.balancers.map(({ server }) => [server, start(server, `anchor-${server}`, ["sleep", "infinity"])]));
      for (const own of plan.balancers) {
        const ownFolder = join(folder, own.server);
        mkdirSync(ownFolder);
        chmodSync(ownFolder, 0o755);
        const host = new BalancerHost({ plan, own, network, folder: ownFolder, healthScript });
        await host.check();
        hosts.push(host);
      }
      const task: ClientTask = { address: plan.virtualAddress, port: plan.port, host: service.hosts[0] ?? service.name, path: `${service.publicPaths[0] ?? ""}/completions`, everyMilliseconds };
      writeFileSync(join(folder, "client.json"), JSON.stringify(task));
      const client = start(clientHost.name, "client", program("client.ts", join(folder, "client.json")));
      const stand = new Stand(service, plan, network, folder, anchors, new Map(hosts.map((host) => [host.name, host])), client, close, engines, everyMilliseconds);
      try {
        for (const target of service.targets) stand.startEngine(target.server);
        for (const host of hosts) host.start();
        await stand.settle(signal);
      } catch (error) {
        await stand.stop();
        throw error;
      }
      return stand;
    } catch (error) {
      for (const part of parts) await part.kill();
      close();
      throw error;
    }
  }

  /** Server that holds the address now. */
  get holder(): string | undefined {
    return this.watch.holders[0];
  }

  targetOn(server: string): Target {
    const target = this.service.targets.find((each) => each.server === server);
    if (target === undefined) throw new RehearsalError(`${this.service.name} has no replica on ${server}.`);
    return target;
  }

  /** Where a balancer's keepalived says which process it is. */
  keepalivedPidFile(server: string): string {
    return join(this.folder, server, BalancerHost.pidFile);
  }

  isBalancer(server: string): boolean {
    return this.balancers.has(server);
  }

  /** What all engines were given, those that are no more as well. */
  engineLines(): EngineLine[] {
    return [...this.past, ...[...this.engines.values()].map(({ lines }) => lines)].flatMap((lines) => lines.read());
  }

  startEngine(server: string): void {
    if (this.engines.has(server)) return;
    const target = this.targetOn(server);
    const socket = this.elsewhere.get(server);
    const own: EngineTask = { name: target.name, address: target.address, port: target.port, healthPath: this.service.healthPath };
    const relay = (path: string): RelayTask => ({ listen: { host: target.address, port: target.port }, connect: { path } });
    const name = `engine-${server}-${this.past.length}`;
    writeFileSync(join(this.folder, `${name}.json`), JSON.stringify(socket === undefined ? own : relay(socket)));
    const part = new Part(name, "ip", ["netns", "exec", this.network.namespaceOf(server), ...program(socket === undefined ? "engine.ts" : "relay.ts", join(this.folder, `${name}.json`))], this.folder);
    this.engines.set(server, { target, part, lines: new Lines(part.logFile) });
  }

  async killEngine(server: string): Promise<void> {
    const engine = this.engines.get(server);
    if (engine === undefined) return;
    this.engines.delete(server);
    this.past.push(engine.lines);
    await engine.part.kill();
  }

  /** Stops it as it is: the kernel goes on accepting connections for it. */
  hangEngine(server: string): void {
    this.engines.get(server)?.part.signal("SIGSTOP");
  }

  /** Everything on a server ends at once, and nothing comes from it. */
  async crash(server: string): Promise<void> {
    this.down.add(server);
    // Off the network first: a server without power sends no farewell.
    await this.network.cut(server);
    await Promise.all([this.killEngine(server), this.balancers.get(server)?.crash()]);
  }

  killKeepalived(server: string): void {
    this.balancers.get(server)?.killKeepalived();
  }

  /** A server that crashed boots; its engine is started by who runs it. */
  async boot(server: string): Promise<void> {
    if (!this.down.has(server)) return;
    await this.network.mend(server);
    this.down.delete(server);
    this.balancers.get(server)?.start();
  }

  /** Waits until an active replica answers through the first balancer, as before any fault. */
  async settle(signal?: AbortSignal): Promise<void> {
    const [first] = this.plan.balancers;
    const active = this.service.targets.filter(({ role }) => role === "active").map(({ name }) => name);
    await this.until(() => this.goodSince(Date.now() - 1000, (engine) => active.includes(engine)), "the active replica does not answer", signal);
    while (first !== undefined && this.holder !== first.server) {
      const holder = this.holder;
      if (holder !== undefined) await this.balancers.get(holder)?.yield();
      await this.until(() => this.holder !== undefined && this.holder !== holder, "nobody takes the address over", signal);
    }
    // The longest request takes two seconds: what is older belongs to a fault that is over.
    await this.until(() => this.quietFor(1000) && this.allEnded(Date.now() - 3000), "requests fail without a fault", signal);
  }

  /** Whether what was broken at that time is over for clients. */
  isOver(brokenAt: number): boolean {
    return Date.now() - brokenAt > overMilliseconds && this.quietFor(overMilliseconds) && this.allEnded(Date.now() - overMilliseconds);
  }

  /** Whether requests of the last milliseconds were answered, all of them. */
  quietFor(milliseconds: number): boolean {
    const since = Date.now() - milliseconds;
    const ended = this.answers.read().filter(({ ended: at }) => at >= since);
    return ended.length > milliseconds / this.everyMilliseconds / 2 && ended.every(({ error }) => error === undefined);
  }

  /** Whether every request that began before has ended, in whatever way. The client counts them. */
  allEnded(before: number): boolean {
    const ended = this.answers.read();
    const last = ended.reduce((most, { id, started }) => (started < before ? Math.max(most, Number(id)) : most), 0);
    return ended.filter(({ id }) => Number(id) <= last).length === last;
  }

  private goodSince(since: number, wanted: (engine: string) => boolean): boolean {
    return this.answers.read().some(({ ended, engine }) => ended >= since && engine !== undefined && wanted(engine));
  }

  private async until(condition: () => boolean, what: string, signal?: AbortSignal): Promise<void> {
    const end = Date.now() + startWithinSeconds * 1000;
    while (!condition()) {
      const dead = [this.client, ...[...this.engines.values()].map(({ part }) => part)].find((part) => part.ended);
      if (dead !== undefined) throw new RehearsalError(`${dead.name} ended:\n${dead.lastLines()}`);
      if (Date.now() > end) throw new RehearsalError(`After ${startWithinSeconds} s ${what}; the last requests ended with ${JSON.stringify(this.answers.read().slice(-3))}, the address is held by ${this.watch.holders.join(", ") || "nobody"}.`);
      await pause(100, signal);
    }
  }

  async stop(): Promise<void> {
    this.watch.stop();
    await this.client.kill();
    for (const { part } of this.engines.values()) await part.kill();
    await Promise.all([...this.balancers.values()].map((host) => host.stop()));
    for (const part of this.anchors.values()) await part.kill();
    this.close();
  }
}

/** Command line of a program of this folder that is told what to do by a file. */
export function program(file: string, task: string): string[] {
  return [process.execPath, "--require", require.resolve("tsx/cjs"), join(__dirname, file), task];
}

/** Of rehearsals that were killed. Their processes end with them, and their namespaces are removed by who makes some. */
function removeLeftOverFolders(): void {
  for (const name of readdirSync(tmpdir())) {
    const [, owner] = new RegExp(`^${folderPrefix}(\\d+)-`).exec(name) ?? [];
    if (owner !== undefined && !existsSync(`/proc/${owner}`)) rmSync(join(tmpdir(), name), { recursive: true, force: true });
  }
}
