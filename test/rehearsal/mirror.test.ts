import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { run, tryRun } from "../../rehearsal/process";
import { monitoringPackages } from "../../rehearsal/monitoring-packages";
import { buildMirror, serveMirror, type ServedMirror } from "../../rehearsal/repository";
import { nextRelease, standInPackages } from "../../rehearsal/standins";

const software = {
  os: "debian-12" as const,
  driver: { branch: "580" as const, source: "nvidia" as const, persistenceDaemon: true, containerToolkit: true },
  cudaToolkit: "12.2" as const,
  developmentPackages: true,
};

describe("the stand-in mirror, read by the real apt", () => {
  let folder: string;
  let mirror: ServedMirror;
  let keyring: string;

  /** apt with everything of its own in a folder, trusting only the given key. */
  function apt(tool: string, args: string[], trusted = keyring): Promise<{ code: number; stdout: string; stderr: string }> {
    const home = join(folder, "apt");
    for (const path of ["etc/apt/preferences.d", "etc/apt/sources.list.d", "etc/apt/trusted.gpg.d", "state/lists/partial", "cache/archives/partial"]) mkdirSync(join(home, path), { recursive: true });
    writeFileSync(join(home, "status"), "");
    writeFileSync(join(home, "apt.conf"), "");
    const sources = ["debian bookworm main contrib non-free non-free-firmware", "debian bookworm-security main", "cuda /", "nvidia-container-toolkit /", "grafana stable main"];
    writeFileSync(join(home, "etc/apt/sources.list"), sources.map((source) => `deb [arch=amd64 signed-by=${trusted}] ${mirror.hostUrl}/${source}\n`).join(""));
    const options = [`Dir::Etc=${home}/etc/apt`, `Dir::State=${home}/state`, `Dir::State::status=${home}/status`, `Dir::Cache=${home}/cache`, "APT::Architecture=amd64", "APT::Sandbox::User=", "Acquire::http::Proxy=DIRECT", "Acquire::Retries=0", "Debug::NoLocking=true"];
    return tryRun(tool, [...options.flatMap((option) => ["-o", option]), ...args], { env: { APT_CONFIG: join(home, "apt.conf") } });
  }

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "rackwright-mirror-test-"));
    const built = await buildMirror(join(folder, "mirror"), [...standInPackages(software), ...monitoringPackages()]);
    keyring = join(folder, "mirror.gpg");
    writeFileSync(keyring, built.keyring);
    mirror = await serveMirror(built.folder);
  });
  afterAll(async () => {
    await mirror.close();
    await tryRun("gpgconf", ["--homedir", folder, "--kill", "all"]);
    rmSync(folder, { recursive: true, force: true });
  });

  it("is accepted with its own key", async () => {
    const { code, stderr } = await apt("apt-get", ["update"]);
    expect(stderr).not.toMatch(/^[EW]:/m);
    expect(code).toBe(0);
  });

  it("is refused with another key, for its signatures are real", async () => {
    await run("gpg", ["--homedir", folder, "--batch", "--quiet", "--passphrase", "", "--quick-generate-key", "Somebody else", "ed25519", "sign", "never"]);
    const other = join(folder, "other.gpg");
    await run("gpg", ["--homedir", folder, "--batch", "--output", other, "--export"]);
    const { stderr } = await apt("apt-get", ["update"], other);
    expect(stderr).toMatch(/NO_PUBKEY/);
  });

  it("offers the pinned driver and a newer one, and apt takes the newer one unless told otherwise", async () => {
    await apt("apt-get", ["update"]);
    const { stdout } = await apt("apt-cache", ["policy", "nvidia-driver-580-open"]);
    expect(stdout).toContain("Candidate: 580.173.03-0ubuntu1");
    expect(stdout).toContain("580.173.02-0ubuntu1");
  });

  it("installs the pinned driver with parts of exactly its version", async () => {
    await apt("apt-get", ["update"]);
    const names = ["nvidia-driver-580-open", "nvidia-dkms-580-open", "nvidia-kernel-source-580-open", "nvidia-utils-580", "nvidia-compute-utils-580", "libnvidia-compute-580"];
    const { code, stdout } = await apt("apt-get", ["--simulate", "install", ...names.map((name) => `${name}=580.173.02-0ubuntu1`)]);
    expect(code).toBe(0);
    for (const name of names) expect(stdout).toContain(`Inst ${name} (580.173.02-0ubuntu1`);
  });

  it("does not let a driver of one version stand on parts of another", async () => {
    await apt("apt-get", ["update"]);
    const { code, stdout } = await apt("apt-get", ["--simulate", "install", "nvidia-driver-580-open=580.173.02-0ubuntu1", "nvidia-utils-580=580.173.03-0ubuntu1"]);
    expect(code).not.toBe(0);
    expect(stdout).toMatch(/Depends: nvidia-utils-580 \(= 580\.173\.02-0ubuntu1\) but 580\.173\.03-0ubuntu1 is to be installed/);
  });

  it("has the container toolkit, the CUDA toolkit asked for and the base environment's packages", async () => {
    await apt("apt-get", ["update"]);
    const { stdout } = await apt("apt-get", ["--simulate", "install", "nvidia-container-toolkit=1.20.0-1", "nvidia-container-toolkit-base=1.20.0-1", "libnvidia-container-tools=1.20.0-1", "libnvidia-container1=1.20.0-1", "cuda-toolkit-12-2", "build-essential", "libopenblas-dev"]);
    for (const installed of ["nvidia-container-toolkit (1.20.0-1", "cuda-toolkit-12-2 (12.2.2-1", "build-essential (12.9", "libopenblas-dev (0.3.21+ds-4"]) expect(stdout).toContain(`Inst ${installed}`);
    expect(mirror.served).toContain("/cuda/InRelease");
  });

  it("has what monitoring installs on a host, Grafana from a part of its own", async () => {
    await apt("apt-get", ["update"]);
    const { stdout } = await apt("apt-get", ["--simulate", "install", "prometheus-node-exporter", "prometheus", "prometheus-alertmanager", "prometheus-smokeping-prober", "prometheus-blackbox-exporter", "grafana", "datacenter-gpu-manager-exporter", "datacenter-gpu-manager-4-core", "datacenter-gpu-manager-4-proprietary"]);
    expect(stdout.match(/^Inst /gm)).toHaveLength(9);
    expect(mirror.served).toContain("/grafana/dists/stable/InRelease");
  });

  it("has node_exporter itself, as a service of the user that Debian's has", () => {
    const exporter = monitoringPackages().find(({ name }) => name === "prometheus-node-exporter");
    const [program, unit] = exporter?.files ?? [];
    expect([program?.path, Buffer.isBuffer(program?.text), (program?.text.length ?? 0) > 1_000_000]).toEqual(["/usr/bin/prometheus-node-exporter", true, true]);
    expect(String(unit?.text)).toContain("[Service]\nUser=prometheus\nExecStart=/usr/bin/prometheus-node-exporter\n");
  });

  it("gives nothing from outside its folder", async () => {
    writeFileSync(join(folder, "secret"), "secret");
    const response = await fetch(`${mirror.hostUrl}/..%2fsecret`);
    expect(response.status).toBe(404);
  });

  it("unpacks to files owned by root, with the programs executable", () => {
    const deb = join(folder, "mirror", "cuda", "pool", "nvidia-utils-580_580.173.02-0ubuntu1_amd64.deb");
    const listing = execFileSync("dpkg-deb", ["--contents", deb], { encoding: "utf8" });
    expect(listing).toMatch(/^-rwxr-xr-x root\/root .* \.\/usr\/bin\/nvidia-smi$/m);
    expect(readFileSync(deb).length).toBeGreaterThan(500);
  });
});

describe("stand-in packages", () => {
  it("have no CUDA toolkit unless the environment asks for one", () => {
    expect(standInPackages({ ...software, cudaToolkit: "none" }).filter((spec) => spec.name.startsWith("cuda-"))).toEqual([]);
  });

  it("are of the environment's branch only", () => {
    const names = standInPackages({ ...software, driver: { ...software.driver, branch: "535" } }).map((spec) => spec.name);
    expect(names).toContain("nvidia-fabricmanager-535");
    expect(names.filter((name) => name.includes("580"))).toEqual([]);
  });
});

describe("the release after one", () => {
  it.each([["580.173.02", "580.173.03"], ["535.309.01", "535.309.02"], ["1.20.0", "1.20.1"], ["595.91.09", "595.91.10"]])("of %s is %s", (version, next) => {
    expect(nextRelease(version)).toBe(next);
  });
});
