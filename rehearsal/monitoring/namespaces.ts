import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { run, tryRun, RehearsalError } from "../process";

const prefix = "rackwright";
/** Where `ip netns exec` finds files that a namespace has instead of those in /etc. */
const filesFolder = "/etc/netns";

/** Network namespaces of one rehearsal. They have nothing to do with this machine's own network. */
export class Namespaces {
  private readonly names: string[] = [];
  private readonly removeAtExit = (): void => {
    for (const name of this.names) {
      spawnSync("ip", ["netns", "del", name], { stdio: "ignore" });
      rmSync(join(filesFolder, name), { recursive: true, force: true });
    }
  };

  constructor() {
    process.once("exit", this.removeAtExit);
  }

  /**
   * @param option of `rehearse`, for the message
   * @throws RehearsalError (unreachable) where this user may not make any
   */
  static async check(option: string): Promise<void> {
    if (process.getuid?.() !== 0) throw new RehearsalError(`\`rehearse ${option}\` makes network namespaces, which takes root: run it with sudo.`, "unreachable");
    const { code, stderr } = await tryRun("ip", ["netns", "list"]);
    if (code !== 0) throw new RehearsalError(`\`ip netns list\` fails, and \`rehearse ${option}\` needs network namespaces: ${stderr.trim()}`, "unreachable");
  }

  /** Removes what rehearsals left that were killed. */
  static async removeLeftOver(): Promise<void> {
    const listed = await run("ip", ["netns", "list"]);
    for (const [, name = "", process = ""] of listed.matchAll(new RegExp(`^(${prefix}-(\\d+)-\\S+)`, "gm"))) {
      if (existsSync(`/proc/${process}`)) continue;
      await tryRun("ip", ["netns", "del", name]);
      rmSync(join(filesFolder, name), { recursive: true, force: true });
    }
  }

  /**
   * A namespace with a loopback device.
   * @param hosts names that are known in it, with their addresses
   */
  async add(purpose: string, hosts: Readonly<Record<string, string>> = {}): Promise<string> {
    const name = `${prefix}-${process.pid}-${purpose}`;
    await run("ip", ["netns", "add", name]);
    this.names.push(name);
    await run("ip", ["-n", name, "link", "set", "lo", "up"]);
    if (Object.keys(hosts).length > 0) {
      mkdirSync(join(filesFolder, name), { recursive: true });
      writeFileSync(join(filesFolder, name, "hosts"), ["127.0.0.1 localhost", ...Object.entries(hosts).map(([host, address]) => `${address} ${host}`), ""].join("\n"));
    }
    return name;
  }

  remove(): void {
    process.off("exit", this.removeAtExit);
    this.removeAtExit();
    this.names.length = 0;
  }
}

/** Arguments for {@link run}: an address that is one host's alone, of either family. */
export function hostAddress(address: string): string[] {
  return address.includes(":") ? [`${address}/128`, "nodad"] : [`${address}/32`];
}
