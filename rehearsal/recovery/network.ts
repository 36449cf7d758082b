import { hostAddress, type Namespaces } from "../monitoring/namespaces";
import { run, tryRun } from "../process";

/** Of the client: a network for tests between networks (RFC 2544), inside of the namespaces alone. */
export const clientHost = { name: "client", address: "198.18.0.1" } as const;

/** The interface that every host has. */
export const hostInterface = "eth0";

/**
 * Few, so that a client uses a port again within a minute, as many clients behind one address do: what a balancer still has of an
 * old connection is then met by a new one.
 */
const clientPorts = "33000 35000";

const bridge = "switch";

/** A switch with a host at each port: network namespaces, which have nothing to do with this machine's own network. */
export class SiteNetwork {
  private constructor(
    private readonly middle: string,
    private readonly hosts: ReadonlyMap<string, { namespace: string; port: string }>,
  ) {}

  static async make(namespaces: Namespaces, addresses: Readonly<Record<string, string>>): Promise<SiteNetwork> {
    const middle = await namespaces.add(bridge);
    await run("ip", ["-n", middle, "link", "add", bridge, "type", "bridge"]);
    await run("ip", ["-n", middle, "link", "set", bridge, "up"]);
    const hosts = new Map<string, { namespace: string; port: string }>();
    for (const [name, address] of Object.entries(addresses)) {
      const namespace = await namespaces.add(name);
      const port = `port-${hosts.size}`;
      await run("ip", ["-n", middle, "link", "add", port, "type", "veth", "peer", "name", hostInterface, "netns", namespace]);
      await run("ip", ["-n", namespace, "addr", "add", ...hostAddress(address), "dev", hostInterface]);
      await run("ip", ["-n", namespace, "link", "set", hostInterface, "up"]);
      await run("ip", ["-n", namespace, ...(address.includes(":") ? ["-6"] : []), "route", "add", "default", "dev", hostInterface]);
      await run("ip", ["-n", middle, "link", "set", port, "up", "master", bridge]);
      hosts.set(name, { namespace, port });
    }
    await run("ip", ["netns", "exec", hosts.get(clientHost.name)?.namespace ?? "", "sysctl", "--quiet", "--write", `net.ipv4.ip_local_port_range=${clientPorts}`]);
    return new SiteNetwork(middle, hosts);
  }

  namespaceOf(host: string): string {
    return this.find(host).namespace;
  }

  /** Nothing passes in either direction, and the link stays up: a failure of the switch, not of the cable. */
  async cut(host: string): Promise<void> {
    await run("ip", ["-n", this.middle, "link", "set", this.find(host).port, "nomaster"]);
  }

  /** What the host sends is lost; what is sent to it arrives. */
  async cutOutgoing(host: string): Promise<void> {
    await run("tc", ["-n", this.find(host).namespace, "qdisc", "replace", "dev", hostInterface, "root", "blackhole"]);
  }

  async mend(host: string): Promise<void> {
    const { namespace, port } = this.find(host);
    // There is none where nothing was cut.
    await tryRun("tc", ["-n", namespace, "qdisc", "del", "dev", hostInterface, "root"]);
    await run("ip", ["-n", this.middle, "link", "set", port, "master", bridge]);
  }

  /** Takes an address off, where it is there. */
  async removeAddress(host: string, prefix: string): Promise<void> {
    await tryRun("ip", ["-n", this.find(host).namespace, "addr", "del", prefix, "dev", hostInterface]);
  }

  private find(host: string): { namespace: string; port: string } {
    const found = this.hosts.get(host);
    if (found === undefined) throw new Error(`the network has no host ${host}`);
    return found;
  }
}
