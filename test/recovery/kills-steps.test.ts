import { readFileSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { hasNamespaces, ScratchHost } from "../cluster/scratch-host";
import { documentOf } from "../servers/host-script";
import { full } from "../support/full";
import { publicKey, source, store, stubs } from "./backup-steps";
import { KillPoints, spread } from "./kill-points";

if (!hasNamespaces()) process.stderr.write("unshare gives no mounts here (a kernel without user namespaces): steps that are killed were not run\n");

const steps: [string, readonly string[], string][] = [
  ["backup.sh", source, "password T0P-S3CRET\n"],
  ["backup-store.sh", store, `password T0P-S3CRET\nkey-gpu-01 ${publicKey}\n`],
];

describe.skipIf(!hasNamespaces()).each(steps)("%s, killed before any of its commands and applied again,", (script, args, input) => {
  const made = (): ScratchHost => {
    const host = new ScratchHost(stubs);
    host.write("/run/mounted", "");
    for (const folder of ["/srv/cold", "/run/owners"]) host.write(`${folder}/.keep`, "");
    return host;
  };
  /** Every file with its content, but for the key that each machine makes for itself and what a program said last. */
  const state = (host: ScratchHost): Record<string, string> => Object.fromEntries(["/etc/rackwright", "/etc/systemd", "/usr/local/lib/rackwright", "/var/lib", "/srv", "/run/packages", "/run/owners"].flatMap((folder) => {
    const root = host.path(folder);
    return readdirSync(root, { recursive: true, encoding: "utf8" }).filter((name) => statSync(join(root, name)).isFile() && name !== "rackwright/backup/said").map((name) => [join(folder, name), /\/key(\.pub)?$/.test(join(folder, name)) ? "its own" : readFileSync(join(root, name), "utf8")]);
  }));

  it("makes the same of a server as an undisturbed run", async () => {
    const first = made();
    const recorder = new KillPoints(first.path("/tmp/kill"), "/tmp/kill");
    expect((await first.run(script, ["apply", ...args], input, recorder.environment)).code).toBe(0);
    const [wanted, points] = [state(first), recorder.points()];
    first.remove();
    expect(points.length).toBeGreaterThan(20);
    for (const point of spread(points, full ? 12 : 3)) {
      const host = made();
      try {
        const kill = new KillPoints(host.path("/tmp/kill"), "/tmp/kill");
        kill.set(point);
        await host.run(script, ["apply", ...args], input, kill.environment);
        expect([point, kill.done]).toEqual([point, true]);
        const again = await host.run(script, ["apply", ...args], input);
        expect([point, again.code, again.stderr.includes("still differs")]).toEqual([point, 0, false]);
        expect([point, state(host)]).toEqual([point, wanted]);
        expect([point, documentOf(await host.run(script, ["check", ...args]))]).toEqual([point, expect.objectContaining({ ok: true })]);
      } finally {
        host.remove();
      }
    }
  }, full ? 300_000 : 60_000);
});
