import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { spawnSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import { healthAddress } from "../../../components/recovery/standby/haproxy";
import { virtualPrefix } from "../../../components/recovery/standby/keepalived";
import { run } from "../../../rehearsal/process";
import { Stand } from "../../../rehearsal/recovery/stand";
import { balancersOf, bare } from "../../recovery/standby/environments";
import { full } from "../../support/full";

const script = join(__dirname, "../../../components/servers/scripts/standby-metrics.sh");
const possible = process.getuid?.() === 0 && spawnSync("ip", ["netns", "list"]).status === 0;
if (!possible) process.stderr.write("no network namespaces here (they take root): no balancer was watched\n");

/** What the script of a balancer says of the real HAProxy and the real keepalived beside it. */
async function said(stand: Stand, server: string): Promise<Record<string, number>> {
  const folder = mkdtempSync(join(tmpdir(), "rackwright-watched-"));
  try {
    const flags = ["--folder", folder, "--virtual", virtualPrefix(stand.plan.virtualAddress), "--port", String(healthAddress.port), "--health", healthAddress.path, "--statistics", healthAddress.statistics, "--keepalived-pid", stand.keepalivedPidFile(server)];
    await run("ip", ["netns", "exec", stand.network.namespaceOf(server), "bash", script, ...flags]);
    const text = readFileSync(join(folder, "rackwright-standby.prom"), "utf8");
    return Object.fromEntries([...text.matchAll(/^rackwright_balancer_(\S+\{.*\}) (\S+)$/gm)].map(([, name = "", value = ""]) => [name, Number(value)]));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const works = { 'program_up{program="haproxy"}': 1, 'program_up{program="keepalived"}': 1 };
const held = (value: number): Record<string, number> => ({ 'address_held{address="10.100.0.250"}': value });

describe.skipIf(!full || !possible)("a balancer's metrics in a rehearsal", () => {
  it("say who holds the address, that it moves when its balancer crashes, and which replica was taken out", async () => {
    const plan = balancersOf(bare(3));
    const [service] = plan.services;
    const [first = "", second = ""] = plan.balancers.map(({ server }) => server);
    if (service === undefined) throw new Error("no service");
    const stand = await Stand.start(plan, service);
    const until = async (server: string, wanted: Record<string, number>): Promise<void> => {
      const end = Date.now() + 15_000;
      for (;;) {
        const seen = await said(stand, server);
        if (Object.entries(wanted).every(([name, value]) => seen[name] === value) || Date.now() > end) {
          expect(seen).toMatchObject(wanted);
          return;
        }
      }
    };
    try {
      const replica = (name: string, of: string, kind: string): string => `${name}{name="answers",replica="${of}",kind="${kind}"}`;
      await until(first, { ...works, ...held(1), [replica("replica_up", "gpu-0001", "active")]: 1 });
      await until(second, { ...works, ...held(0), [replica("replica_up", "gpu-0002", "standby")]: 1 });
      stand.hangEngine("gpu-0001");
      await until(second, { [replica("replica_up", "gpu-0001", "active")]: 0 });
      // Engines begin after HAProxy: it may have taken them out before.
      expect((await said(stand, second))[replica("replica_failures_total", "gpu-0001", "active")]).toBeGreaterThanOrEqual(1);
      await stand.crash(first);
      await until(second, { ...works, ...held(1) });
      await stand.boot(first);
      await until(first, { ...works, ...held(0) });
    } finally {
      await stand.stop();
    }
  }, 120_000);
});
