import { execFileSync, spawnSync } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { writeIntoDisk } from "../../rehearsal/disk";
import { fabricManager, gpuFile, driverVersionFile, nvidiaSmi } from "../../rehearsal/nvidia-standins";
import { installCommand, missingPackages } from "../../rehearsal/packages";
import { run, tryRun } from "../../rehearsal/process";
import { Checks, must } from "../../rehearsal/verdict";

let folder: string;
beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), "rackwright-guest-test-"))));
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe("files put into a system disk", () => {
  it("are there with their mode and owner, in folders that did not exist, over files that did", async () => {
    const disk = join(folder, "disk.ext4");
    const source = join(folder, "source");
    execFileSync("mkdir", ["-p", join(source, "etc")]);
    writeFileSync(join(source, "etc", "hostname"), "before\n");
    await run("mkfs.ext4", ["-q", "-F", "-d", source, disk, "8M"]);
    await writeIntoDisk(disk, [
      { path: "/etc/hostname", text: "gpu-01\n" },
      { path: "/root/.ssh/authorized_keys", text: "ssh-ed25519 AAAA\n", mode: 0o600 },
      { path: "/etc/apt/keyrings/key.gpg", text: Buffer.from([0, 255, 10, 13]) },
    ]);
    const stat = await run("debugfs", ["-R", "stat /root/.ssh/authorized_keys", disk]);
    expect(stat).toMatch(/Mode:\s+0600/);
    expect(stat).toMatch(/User:\s+0\s+Group:\s+0/);
    expect(await run("debugfs", ["-R", "cat /etc/hostname", disk])).toBe("gpu-01\n");
    expect((await tryRun("e2fsck", ["-f", "-n", disk])).code).toBe(0);
  });

  it("that do not fit are an error, although debugfs says nothing", async () => {
    const disk = join(folder, "disk.ext4");
    await run("mkfs.ext4", ["-q", "-F", disk, "2M"]);
    await expect(writeIntoDisk(disk, [{ path: "/big", text: "x".repeat(4 << 20) }])).rejects.toThrow("/big could not be written");
  });
});

describe("the stand-in nvidia-smi", () => {
  function smi(args: string[], gpus = "NVIDIA A40\t45466\t8.6\t300\nNVIDIA A40\t45466\t8.6\t300\n", version = "580.173.02\n"): { status: number | null; stdout: string } {
    const script = join(folder, "nvidia-smi");
    const at = (path: string): string => join(folder, path.replaceAll("/", "_"));
    writeFileSync(at(gpuFile), gpus);
    if (version !== "") writeFileSync(at(driverVersionFile), version);
    writeFileSync(script, nvidiaSmi.replaceAll(gpuFile, at(gpuFile)).replaceAll(driverVersionFile, at(driverVersionFile)).replaceAll("/run/rack-nvidia", join(folder, "state")));
    chmodSync(script, 0o755);
    return spawnSync("bash", [script, ...args], { encoding: "utf8" });
  }

  it("answers for every GPU of the server", () => {
    expect(smi(["--query-gpu=name,driver_version,memory.total,compute_cap", "--format=csv,noheader"]).stdout).toBe("NVIDIA A40, 580.173.02, 45466 MiB, 8.6\n".repeat(2));
    expect(smi(["--query-gpu=index,memory.total", "--format=csv,noheader,nounits"]).stdout).toBe("0, 45466\n1, 45466\n");
  });

  it("lists the GPUs with identities of their own", () => {
    const lines = smi(["-L"]).stdout.trim().split("\n");
    expect(lines).toHaveLength(2);
    expect(new Set(lines).size).toBe(2);
  });

  it("refuses a field that there is not", () => {
    const { status, stdout } = smi(["--query-gpu=name,colour", "--format=csv,noheader"]);
    expect(status).toBe(2);
    expect(stdout).toBe("");
  });

  it("fails without the driver and without GPUs, as the real one does", () => {
    expect(smi(["-L"], "NVIDIA A40\t45466\t8.6\n", "")).toMatchObject({ status: 9 });
    expect(smi(["-L"], "")).toMatchObject({ status: 9 });
  });

  it("remembers what was set", () => {
    smi(["-i", "1", "-pl", "250"]);
    expect(smi(["--query-gpu=power.limit", "--format=csv,noheader"]).stdout).toBe("300.00 W\n250.00 W\n");
  });
});

describe("the stand-in fabric manager", () => {
  it("does not start beside another driver version", () => {
    const version = join(folder, "version");
    writeFileSync(version, "580.173.03\n");
    const script = fabricManager("580.173.02").replaceAll(driverVersionFile, version).replace("exec sleep infinity", "exit 0");
    expect(spawnSync("sh", ["-c", script]).status).toBe(1);
    writeFileSync(version, "580.173.02\n");
    expect(spawnSync("sh", ["-c", script]).status).toBe(0);
  });
});

describe("packages that the rehearsing machine needs", () => {
  const programs = [{ program: "present", package: "one" }, { program: "absent", package: "two" }, { program: "plain-file", package: "three" }, { program: "also-absent", package: "two" }];

  it("are those of programs that are nowhere, each named once", () => {
    writeFileSync(join(folder, "present"), "");
    chmodSync(join(folder, "present"), 0o755);
    writeFileSync(join(folder, "plain-file"), "");
    chmodSync(join(folder, "plain-file"), 0o644);
    expect(missingPackages(["/nonexistent", folder], programs)).toEqual(["two", "three"]);
    expect(missingPackages([], programs)).toEqual(["one", "two", "three"]);
  });

  it("are installed by one command", () => {
    expect(installCommand(["qemu-system-x86", "mmdebstrap"])).toBe("sudo apt-get install --no-install-recommends qemu-system-x86 mmdebstrap");
  });
});

describe("checks", () => {
  it("pass with what was seen and fail with what was wrong; one failure spoils the verdict", async () => {
    const lines: string[] = [];
    const checks = new Checks((line) => lines.push(line));
    expect(await checks.make("arrays", () => Promise.resolve("raid0 of two"))).toBe(true);
    expect(checks.ok).toBe(true);
    expect(await checks.make("mounts", () => Promise.resolve().then(() => must(false, "nothing is mounted on /srv/hot")).then(() => ""))).toBe(false);
    expect(checks.ok).toBe(false);
    expect(checks.list).toMatchObject([{ name: "arrays", ok: true, detail: "raid0 of two" }, { name: "mounts", ok: false, detail: "nothing is mounted on /srv/hot" }]);
    expect(lines.some((line) => line.startsWith("FAILED  mounts: nothing is mounted"))).toBe(true);
  });

  it("stop when they are told to", async () => {
    const stop = new AbortController();
    const checks = new Checks(() => undefined, stop.signal);
    await checks.make("arrays", () => Promise.resolve("raid0"));
    stop.abort();
    await expect(checks.make("mounts", () => Promise.resolve("mounted"))).rejects.toThrow("The rehearsal was stopped.");
    expect(checks.list).toHaveLength(1);
  });

  it("are not well when none was made", () => {
    expect(new Checks(() => undefined).ok).toBe(false);
  });
});
