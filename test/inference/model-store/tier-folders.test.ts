import { spawnSync } from "node:child_process";
import { chmodSync, lstatSync, mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { planServer } from "../../../components/servers";
import { scriptsFolder } from "../../servers/host-script";
import { storeEnvironment } from "./workload-plans";

const isRoot = process.getuid?.() === 0;
if (!isRoot) process.stderr.write("the folders of a tier are not tried: giving them to another user needs root\n");

let mount: string;
beforeEach(() => {
  mount = mkdtempSync(join(tmpdir(), "rackwright-tier-"));
});
afterEach(() => {
  rmSync(mount, { recursive: true, force: true });
});

/** The script's own functions on a folder in place of a mounted tier. */
function tier(commands: string): { code: number | null; findings: { id: string; mendable: boolean }[]; stderr: string } {
  const parts = ["lib.sh", "tier-diagnosis.sh", "tier-mending.sh"].map((file) => `. ${scriptsFolder}/${file}`);
  const { status, stdout, stderr } = spawnSync("bash", ["-c", `${parts.join("; ")}; MOUNT=$0 FOLDERS=(models ai/weights); ${commands}`, mount], { encoding: "utf8" });
  return { code: status, findings: stdout === "" ? [] : (JSON.parse(stdout) as { findings: { id: string; mendable: boolean }[] }).findings, stderr };
}
const check = "diagnose_folders; report_check";
const ids = (commands: string): string[] => tier(commands).findings.map(({ id, mendable }) => `${id} ${mendable ? "mendable" : "by hand"}`);

describe.skipIf(!isRoot)("the folders of a tier that workloads use", () => {
  it("are made, belong to the workloads' user and group, and are then as wanted", () => {
    expect(ids(check)).toEqual(["folder-missing mendable", "folder-missing mendable"]);
    expect(tier("make_folders").code).toBe(0);
    for (const folder of ["models", "ai/weights"]) {
      const { uid, gid, mode } = statSync(join(mount, folder));
      expect({ uid, gid, mode: (mode & 0o7777).toString(8) }).toEqual({ uid: 10001, gid: 10001, mode: "2770" });
    }
    expect(tier(check)).toMatchObject({ code: 0, findings: [] });
  });

  it("are given back to that user where somebody took them, and what is in them is left as it is", () => {
    tier("make_folders");
    chmodSync(join(mount, "models"), 0o700);
    writeFileSync(join(mount, "models/file"), "somebody's");
    const before = statSync(join(mount, "models/file"));
    expect(ids(check)).toEqual(["folder-owner mendable"]);
    expect(tier("make_folders").code).toBe(0);
    expect(ids(check)).toEqual([]);
    expect(statSync(join(mount, "models/file"))).toMatchObject({ uid: before.uid, mode: before.mode });
  });

  it("are not made where something else has the name: a link could lead anywhere", () => {
    symlinkSync("/etc", join(mount, "models"));
    mkdirSync(join(mount, "ai"));
    writeFileSync(join(mount, "ai/weights"), "");
    expect(ids(check)).toEqual(["folder-taken by hand", "folder-taken by hand"]);
    const etc = statSync("/etc");
    expect(tier("make_folders")).toMatchObject({ code: 4, stderr: expect.stringContaining(`${mount}/models is not a folder`) as string });
    expect(lstatSync(join(mount, "models")).isSymbolicLink()).toBe(true);
    expect(statSync("/etc")).toMatchObject({ uid: etc.uid, mode: etc.mode });
  });
});

describe("a server that reads weights over NFS", () => {
  it("gets the system's NFS client, and no other server does", () => {
    const packages = (input: Parameters<typeof storeEnvironment>[0]): string[] => planServer(storeEnvironment(input), "gpu-1").packages.map(({ name }) => name);
    expect(packages({ site: { modelStore: { kind: "nfs", server: "192.0.2.8", path: "/export" } } })).toContain("nfs-common");
    expect(packages({})).not.toContain("nfs-common");
  });
});
