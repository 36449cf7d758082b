import { describe, expect, it } from "vitest";
import { findingsOf, runScript, type ScriptFinding } from "./host-script";

const release = "580.173.02";
const flags = ["--branch", "580", "--version", release, "--source", "nvidia", "--held-package", `nvidia-open-580=${release}`, "--persistence", "yes"];

/** Programs of a server on which the driver is installed and held, and nvidia-smi says this. */
function server(nvidiaSmi: string, packages = [`nvidia-open-580 ${release}-1ubuntu1`, `libnvidia-compute-580 ${release}-1ubuntu1`], held = packages): Record<string, string> {
  const names = held.map((line) => line.split(" ")[0] ?? "");
  return {
    "nvidia-smi": nvidiaSmi,
    "apt-get": "exit 0",
    "apt-cache": "exit 0",
    "apt-mark": `[ "$1" = showhold ] || exit 1; for name in ${names.join(" ")}; do if [ -z "$2" ] || [ "$2" = "$name" ]; then echo "$name"; fi; done`,
    "dpkg-query": `
format=$2
while read -r name version; do
  for pattern in "\${@:3}"; do
    [[ $name == $pattern ]] || continue
    case $format in
      *Package*Version*) echo "installed $name $version" ;;
      *Package*) echo "installed $name" ;;
      *) echo "installed $version" ;;
    esac
    break
  done
done <<'LIST'
${packages.join("\n")}
LIST`,
    systemctl: "exit 0",
  };
}

const cards = (count: number, line = `NVIDIA A100-SXM4-80GB, ${release}, Enabled`): string => `for card in $(seq ${count}); do echo '${line}'; done`;

function check(stubs: Record<string, string>, ...more: string[]): ScriptFinding[] {
  const run = runScript("gpu-driver.sh", ["check", ...flags, ...more], { stubs });
  return findingsOf(run);
}

const about = (findings: readonly ScriptFinding[], ...ids: string[]): ScriptFinding[] => findings.filter((finding) => ids.includes(finding.id));

describe("what the driver's check reads from nvidia-smi", () => {
  const wanted = ["--gpu-count", "4", "--gpu-name", "NVIDIA A100-SXM4-80GB"];

  it("is well when all cards answer with the wanted name and release", () => {
    expect(about(check(server(cards(4)), ...wanted), "gpu-count", "gpu-name", "module-version", "persistence-mode", "driver-silent")).toEqual([]);
  });

  it("is a card that is missing", () => {
    expect(about(check(server(cards(3)), ...wanted), "gpu-count")).toEqual([
      { id: "gpu-count", message: "nvidia-smi shows 3 GPUs, the environment says 4: is a card loose or dead, or the file wrong?", mendable: false },
    ]);
  });

  it("is another card than the environment says, in one slot of several", () => {
    const mixed = `${cards(3)}; echo 'NVIDIA A100-SXM4-40GB, ${release}, Enabled'`;
    const [finding] = about(check(server(mixed), ...wanted), "gpu-name");
    expect(finding).toEqual({ id: "gpu-name", message: "nvidia-smi shows NVIDIA A100-SXM4-80GB, NVIDIA A100-SXM4-40GB, the environment says NVIDIA A100-SXM4-80GB", mendable: false });
  });

  it("does not take a card for another whose name begins alike", () => {
    const findings = check(server(cards(8, `NVIDIA H200 NVL, ${release}, Enabled`)), "--gpu-count", "8", "--gpu-name", "NVIDIA H200");
    expect(about(findings, "gpu-name", "gpu-count").map((finding) => finding.id)).toEqual(["gpu-name"]);
  });

  it("is persistence mode off, which apply mends", () => {
    expect(about(check(server(cards(4, `NVIDIA A100-SXM4-80GB, ${release}, Disabled`)), ...wanted), "persistence-mode")).toEqual([expect.objectContaining({ mendable: true })]);
  });

  it("is a driver that does not answer, with its own reason", () => {
    const mismatch = "echo 'Failed to initialize NVML: Driver/library version mismatch'; echo 'NVML library version: 580.173'; exit 18";
    const [finding] = about(check(server(mismatch), ...wanted), "driver-silent");
    expect(finding).toEqual({ id: "driver-silent", message: "nvidia-smi gives no answer: Failed to initialize NVML: Driver/library version mismatch. After an installation the server must be rebooted; else see dmesg", mendable: false });
  });
});

describe("what the driver's check reads from dpkg and apt", () => {
  it("is well when every package is there, at its release and held", () => {
    expect(about(check(server(cards(1))), "package-missing", "package-version", "package-not-held", "driver-foreign")).toEqual([]);
  });

  it("is a missing package", () => {
    expect(about(check(server(cards(1), [])), "package-missing")).toEqual([{ id: "package-missing", message: "nvidia-open-580 is not installed", mendable: true }]);
  });

  it("is another release, newer or older, and one whose digits only begin alike", () => {
    for (const version of ["580.173.03-1ubuntu1", "580.95.05-1ubuntu1", "580.173.021-1"]) {
      expect(about(check(server(cards(1), [`nvidia-open-580 ${version}`])), "package-version")).toEqual([
        { id: "package-version", message: `nvidia-open-580 is ${version}, wanted is ${release}`, mendable: true },
      ]);
    }
  });

  it("is what the next upgrade would move: packages beside ours and the kernel's", () => {
    const packages = [`nvidia-open-580 ${release}-1`, `libnvidia-compute-580 ${release}-1`, "linux-image-generic 5.15.0.140.135", "linux-image-5.15.0-140-generic 5.15.0-140.150"];
    const [finding, ...others] = about(check(server(cards(1), packages, packages.slice(0, 1))), "package-not-held");
    expect(others).toEqual([]);
    expect(finding?.message).toMatch(/: libnvidia-compute-580 linux-image-generic$/);
  });

  it("is a driver of another branch that somebody else installed, and apply does not touch it", () => {
    const stubs = { ...server(cards(1), ["nvidia-driver-535 535.183.01-0ubuntu0.22.04.1"]), "apt-get": 'echo "CALLED apt-get $*" >&2' };
    expect(about(check(stubs), "driver-foreign")).toEqual([expect.objectContaining({ mendable: false, message: expect.stringContaining("nvidia-driver-535 535.183.01-0ubuntu0.22.04.1") as string })]);
    const apply = runScript("gpu-driver.sh", ["apply", ...flags], { stubs });
    expect([apply.code, apply.stdout]).toEqual([4, ""]);
    expect(apply.stderr).toMatch(/another driver is installed/);
    expect(apply.stderr).not.toContain("CALLED");
  });

  it("is a service that does not run, which apply mends", () => {
    const stubs = { ...server(cards(1)), systemctl: "exit 3" };
    const findings = about(check(stubs, "--fabric-manager", "yes"), "service-inactive", "service-disabled");
    expect(findings.map(({ message, mendable }) => ({ message, mendable }))).toEqual([
      { message: "nvidia-fabricmanager is not running", mendable: true },
      { message: "nvidia-fabricmanager does not start at boot", mendable: true },
      { message: "nvidia-persistenced is not running", mendable: true },
      { message: "nvidia-persistenced does not start at boot", mendable: true },
    ]);
  });
});
