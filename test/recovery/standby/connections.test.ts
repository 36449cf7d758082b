import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { release } from "node:os";
import { afterEach, describe, expect, it } from "vitest";
import { forgetConnections, keepalivedConfig } from "../../../components/recovery/standby/keepalived";
import { balancersOf, shipped } from "./environments";

/** Sockets on an address, as the kernel has them. */
const statesOn = (address: string): string[] =>
  spawnSync("ss", ["-tanH", "src", address], { encoding: "utf8" })
    .stdout.split("\n")
    .flatMap((line) => line.split(/\s+/)[0] || [])
    .sort();

const linuxMajor = Number(release().split(".")[0]);
const reason = process.getuid?.() !== 0 ? "it takes root" : linuxMajor < 6 ? "kernels before Linux 6.0 keep ended connections" : undefined;

describe("connections of an address that a balancer loses", () => {
  const servers: Server[] = [];
  const clients: Socket[] = [];
  afterEach(() => {
    for (const client of clients.splice(0)) client.destroy();
    for (const server of servers.splice(0)) server.close();
  });

  it("end whenever it is no longer the holder, and not when it becomes one: new clients may be there already", () => {
    const plan = balancersOf(shipped("sme-production"));
    for (const own of plan.balancers) {
      const command = forgetConnections(plan);
      expect(keepalivedConfig(plan, own).match(/notify\w* .*/g)).toEqual(["backup", "fault", "stop"].map((event) => `notify_${event} "${command}" root`));
      expect(command).toMatch(/ state connected src 10\.20\.0\.50:8080$/);
    }
    expect(forgetConnections({ virtualAddress: "fd00::50", port: 8080 })).toMatch(/ src \[fd00::50\]:8080$/);
  });

  /** A server with one connection that lives, and one that it ended itself, which its kernel remembers for a minute. */
  async function busy(address: string): Promise<{ port: number; living: Socket }> {
    const server = createServer((socket) => {
      socket.on("error", () => undefined);
      socket.on("data", () => socket.end());
    }).listen(0, address);
    servers.push(server);
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    const [living, ended] = await Promise.all(
      [0, 1].map(async () => {
        const client = connect(port, address);
        clients.push(client);
        await once(client, "connect");
        return client;
      }),
    );
    if (living === undefined || ended === undefined) throw new Error("unreachable");
    ended.resume().write("end");
    await once(ended, "close");
    await expect.poll(() => statesOn(address)).toEqual(["ESTAB", "LISTEN", "TIME-WAIT"]);
    return { port, living };
  }

  it.skipIf(reason !== undefined)(`are gone from the kernel, ended ones as well; other addresses and who listens stay${reason === undefined ? "" : ` (skipped: ${reason})`}`, async () => {
    const lost = await busy("127.0.0.50");
    const kept = await busy("127.0.0.51");
    const [program = "", ...flags] = forgetConnections({ virtualAddress: "127.0.0.50", port: lost.port }).split(" ");
    const told = once(lost.living, "error");
    lost.living.resume();
    expect(spawnSync(program, flags, { encoding: "utf8" })).toMatchObject({ status: 0, stderr: "" });
    expect(statesOn("127.0.0.50")).toEqual(["LISTEN"]);
    expect(statesOn("127.0.0.51")).toEqual(["ESTAB", "LISTEN", "TIME-WAIT"]);
    expect(((await told) as [NodeJS.ErrnoException])[0].code).toBe("ECONNRESET");
    expect(kept.living.destroyed).toBe(false);
  });
});
