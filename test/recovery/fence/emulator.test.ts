import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Bmc } from "../../../components/environment/schema";
import type { NodeReading } from "../../../components/recovery/fence/facts";
import { redfishBmc } from "../../../components/recovery/fence/redfish";
import { runFence, wallClock, type BmcPort } from "../../../components/recovery/fence/run";
import { startRedfishEmulator, type RedfishEmulator } from "../../../rehearsal/redfish-emulator";
import { limits } from "./world";

const uuid = "a1b2c3d4-0000-4000-8000-0123456789ab";
const folder = mkdtempSync(join(tmpdir(), "rackwright-bmc-"));
const login = { user: "operator", password: "correct horse" };
let emulator: RedfishEmulator;

beforeAll(async () => {
  emulator = await startRedfishEmulator({ folder, ...login, switchSeconds: 1, systems: [{ uuid, name: "gpu-01", power: "On" }, { uuid: uuid.replace("ab", "ac"), name: "gpu-02", power: "On" }], onProgress: (line) => process.stderr.write(`   ${line}\n`) });
}, 300_000);
afterAll(async () => {
  await emulator.stop();
  rmSync(folder, { recursive: true, force: true });
});

const client = (more: Partial<Bmc> = {}, password = login.password): BmcPort =>
  redfishBmc({ server: "gpu-01", password, bmc: { address: "127.0.0.1", port: emulator.port, user: login.user, tls: { fingerprintSha256: emulator.fingerprint }, systemId: uuid, uuid, ...more } });

describe("sushy-tools' BMC, over TLS with a password", () => {
  it("is read", async () => {
    expect(await client().read()).toMatchObject({ system: { identity: { uuid, manufacturer: "Sushy Emulator" }, power: "On", resetTypes: expect.arrayContaining(["GracefulShutdown", "ForceOff", "On"]) as string[] } });
  });

  it("refuses a wrong password, and is not asked where its certificate is another or the system is unclear", async () => {
    expect(await client({}, "wrong").read()).toMatchObject({ fault: { kind: "password" } });
    expect(await client({ tls: { fingerprintSha256: "00".repeat(32) } }).read()).toMatchObject({ fault: { kind: "certificate" } });
    expect(await redfishBmc({ server: "gpu-01", password: login.password, bmc: { address: "127.0.0.1", port: emulator.port, user: login.user, tls: { fingerprintSha256: emulator.fingerprint } } }).read()).toMatchObject({ fault: { kind: "wrong-system", message: expect.stringContaining("several systems") as string } });
    expect(await client({ uuid: uuid.replace("a1", "a2") }).read()).toMatchObject({ fault: { kind: "wrong-system" } });
  });

  it("has no system by the name that the environment gives it", async () => {
    expect(await client({ systemId: "gpu-01" }).read()).toMatchObject({ fault: { kind: "wrong-system" } });
  });

  it("is powered off, confirmed, tainted only then, and powered on again", async () => {
    const events: string[] = [];
    const bmc = client();
    const reading = await bmc.read();
    let tainted = false;
    const node = {
      read: (): Promise<NodeReading> => Promise.resolve({ facts: { ready: false, tainted, pods: [], volumes: 0 } }),
      setTaint: (wanted: boolean) => {
        tainted = wanted;
        return Promise.resolve(undefined);
      },
    };
    const { outcome } = await runFence({
      look: { bmc: reading, node: await node.read() }, bmc, node, clock: wallClock, limits: { ...limits, readEverySeconds: 0.3 }, signal: new AbortController().signal,
      onEvent: (event) => events.push(event.kind === "bmc" ? ("system" in event.reading ? event.reading.system.power : event.reading.fault.message) : event.kind),
    });
    expect(outcome).toEqual({ kind: "fenced" });
    expect(events.slice(events.indexOf("Off"))).toEqual(["Off", "Off", "Off", "node", "taint", "Off", "node"]);
    expect(await bmc.reset("On")).toBeUndefined();
    await wallClock.sleep(1.2, new AbortController().signal);
    expect(await bmc.read()).toMatchObject({ system: { power: "On" } });
  });
});
