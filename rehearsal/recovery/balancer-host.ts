import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { haproxyConfig } from "../../components/recovery/standby/haproxy";
import { interfaceMark, keepalivedConfig, virtualPrefix } from "../../components/recovery/standby/keepalived";
import type { Balancer } from "../../components/recovery/standby/balancers";
import type { BalancerPlan } from "../../components/recovery/standby/plan";
import { Part } from "../control-plane/part";
import { pause, RehearsalError, run } from "../process";
import { hostInterface, type SiteNetwork } from "./network";

/** `RestartSec` of the two drop-ins. */
const restartMilliseconds = { haproxy: 1000, keepalived: 2000 } as const;

export interface BalancerHostOptions {
  plan: BalancerPlan;
  own: Balancer;
  network: SiteNetwork;
  /** Of this balancer alone. Readable by the user that health checks run as. */
  folder: string;
  /** Where keepalived's health check is. */
  healthScript: string;
}

/**
 * The generated configuration with what stands at a place of this machine: sockets are files, which namespaces share. HAProxy keeps
 * its user, for a process that changes it outlives the one that started it.
 */
export function configurations({ plan, own, folder, healthScript }: Pick<BalancerHostOptions, "plan" | "own" | "folder" | "healthScript">): { haproxy: string; keepalived: string } {
  return {
    haproxy: haproxyConfig(plan).replace("/run/haproxy/admin.sock", join(folder, "admin.sock")).replace(/^ {2}(user|group) haproxy\n/gm, ""),
    keepalived: keepalivedConfig(plan, own, healthScript).replaceAll(interfaceMark, hostInterface),
  };
}

/**
 * One balancer: the real HAProxy and the real keepalived with the generated configuration, in a network namespace. What systemd
 * does by the step's drop-in is done here: what ends is started again, and the address taken off before.
 */
export class BalancerHost {
  static readonly pidFile = "keepalived.pid";
  private haproxy: Part | undefined;
  private keepalived: Part | undefined;
  private running = false;

  constructor(private readonly options: BalancerHostOptions) {
    const { haproxy, keepalived } = configurations(options);
    writeFileSync(this.file("haproxy.cfg"), haproxy);
    writeFileSync(this.file("keepalived.conf"), keepalived);
  }

  get name(): string {
    return this.options.own.server;
  }

  /** @throws RehearsalError with what the program says of the generated configuration */
  async check(): Promise<void> {
    await this.inNamespace("haproxy", "-c", "-q", "-f", this.file("haproxy.cfg"));
    // keepalived 2.2 ends itself in the middle of a test where scripts run as another user than root.
    writeFileSync(this.file("keepalived.test"), readFileSync(this.file("keepalived.conf"), "utf8").replace(/script_user .*/, "script_user root"));
    await this.inNamespace("keepalived", "--config-test", "--use-file", this.file("keepalived.test"));
  }

  start(): void {
    this.running = true;
    this.startHaproxy();
    this.startKeepalived();
  }

  /** As a power cut ends it. */
  async crash(): Promise<void> {
    this.running = false;
    for (const pid of this.vrrpProcesses()) end(pid);
    await Promise.all([this.haproxy?.kill(), this.keepalived?.kill()]);
    await this.removeAddress();
  }

  /** keepalived and the process that does its work end at once; what the host's systemd does follows. */
  killKeepalived(): void {
    for (const pid of this.vrrpProcesses()) end(pid);
    this.keepalived?.killNow();
  }

  /** Gives the address to whoever waits for it, in an orderly way, and stands by again. */
  async yield(): Promise<void> {
    this.running = false;
    await this.keepalived?.end();
    this.running = true;
    this.startKeepalived();
  }

  async stop(): Promise<void> {
    this.running = false;
    await this.keepalived?.end();
    await this.haproxy?.kill();
  }

  private startHaproxy(): void {
    const part = this.part("haproxy", ["haproxy", "-db", "-f", this.file("haproxy.cfg")]);
    this.haproxy = part;
    void part.whenEnded().then(async () => {
      await pause(restartMilliseconds.haproxy);
      if (this.running && this.haproxy === part) this.startHaproxy();
    });
  }

  private startKeepalived(): void {
    const part = this.part("keepalived", ["keepalived", "--dont-fork", "--vrrp", "--log-console", "--log-detail", "--use-file", this.file("keepalived.conf"), "--pid", this.file(BalancerHost.pidFile), "--vrrp_pid", this.file("vrrp.pid")]);
    this.keepalived = part;
    void part.whenEnded().then(async () => {
      const wanted = (): boolean => this.running && this.keepalived === part;
      if (!wanted()) return;
      await this.removeAddress();
      await pause(restartMilliseconds.keepalived);
      if (wanted()) this.startKeepalived();
    });
  }

  private removeAddress(): Promise<void> {
    return this.options.network.removeAddress(this.name, virtualPrefix(this.options.plan.virtualAddress));
  }

  private vrrpProcesses(): number[] {
    const pid = this.keepalived?.pid ?? 0;
    try {
      return readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim().split(" ").filter((word) => word !== "").map(Number);
    } catch {
      return [];
    }
  }

  private part(name: string, command: readonly string[]): Part {
    return new Part(name, "ip", ["netns", "exec", this.options.network.namespaceOf(this.name), ...command], this.options.folder);
  }

  private async inNamespace(...command: string[]): Promise<void> {
    try {
      await run("ip", ["netns", "exec", this.options.network.namespaceOf(this.name), ...command]);
    } catch (error) {
      throw new RehearsalError(`${this.name}: the generated configuration is not accepted: ${error instanceof Error ? error.message : String(error)}`);
    }
  }

  private file(name: string): string {
    return join(this.options.folder, name);
  }
}

function end(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It has ended by itself.
  }
}
