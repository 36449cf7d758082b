import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { parseEnvironment, type EnvironmentInput } from "../../components/environment";
import { planServer } from "../../components/servers/plan";
import { hasNamespaces, ScratchHost } from "../cluster/scratch-host";
import { hostKey } from "../support/environments";
import { findingsOf, type Finished, type ScriptFinding } from "./host-script";
import { systemctl } from "./scratch-stubs";

const release = "580.173.02";
const unit = "/etc/systemd/system/rackwright-power-limit.service";
const flags = ["--branch", "580", "--version", release, "--source", "nvidia", "--persistence", "no"];

/** Two cards of 100 to 400 W. What they are set to is in files; the words are those of NVIDIA's own program (general knowledge). */
const nvidiaSmi = `
folder=/run/gpus; mkdir -p $folder
case "$*" in
  *power.limit*) for card in 0 1; do echo "$card, $(cat $folder/limit-$card 2>/dev/null || echo 400.00), $(cat $folder/range 2>/dev/null || echo '100.00, 400.00')"; done ;;
  -i*-pl*)
    if [[ -e $folder/refuse ]]; then echo 'Changing power management limit is not supported for GPU: 00000000:07:00.0.'; exit 3; fi
    echo "$4.00" >$folder/limit-$2; echo "$*" >>$folder/calls ;;
  *--query-gpu=*) for card in 0 1; do echo 'NVIDIA A100-SXM4-80GB, ${release}, Enabled'; done ;;
esac`;
const stubs = { "nvidia-smi": nvidiaSmi, systemctl, "apt-get": "exit 0", "apt-cache": "exit 0", "apt-mark": "exit 0", "dpkg-query": "exit 1", dpkg: "exit 0", modprobe: "exit 0", "update-initramfs": "exit 0" };

if (!hasNamespaces()) process.stderr.write("unshare gives no mounts here (a kernel without user namespaces): gpu-driver.sh was not run\n");

describe.skipIf(!hasNamespaces())("the power limit of a server's GPUs", () => {
  let host: ScratchHost;
  beforeEach(() => { host = new ScratchHost(stubs); });
  afterEach(() => { host.remove(); });

  const run = (verb: string, ...more: string[]): Promise<Finished> => host.run("gpu-driver.sh", [verb, ...flags, ...more]);
  const found = async (...more: string[]): Promise<ScriptFinding[]> => findingsOf(await run("check", ...more)).filter(({ id }) => id.startsWith("power-limit"));

  it("is set on every card, now and at every boot, once", async () => {
    expect(await found("--power-limit-watts", "300")).toEqual([
      { id: "power-limit-unit", message: `${unit} is missing`, mendable: true },
      { id: "power-limit-unit", message: "rackwright-power-limit.service does not start with the server", mendable: true },
      { id: "power-limit", message: "GPU 0 has a power limit of 400.00 W, wanted is 300 W", mendable: true },
      { id: "power-limit", message: "GPU 1 has a power limit of 400.00 W, wanted is 300 W", mendable: true },
    ]);
    const made = await run("apply", "--power-limit-watts", "300");
    expect([made.code, made.stderr]).toEqual([0, expect.stringContaining("set the power limit of GPU 1 to 300 W")]);
    expect(host.read(unit)).toContain("ExecStart=/usr/bin/nvidia-smi -pl 300\n");
    expect(await found("--power-limit-watts", "300")).toEqual([]);
    expect((await run("apply", "--power-limit-watts", "300")).stderr).not.toContain("power limit");
    expect(host.read("/run/gpus/calls")).toBe("-i 0 -pl 300\n-i 1 -pl 300\n");
  });

  it("is found where somebody has changed it on one card", async () => {
    await run("apply", "--power-limit-watts", "300");
    host.write("/run/gpus/limit-1", "250.00\n");
    expect(await found("--power-limit-watts", "300")).toEqual([{ id: "power-limit", message: "GPU 1 has a power limit of 250.00 W, wanted is 300 W", mendable: true }]);
  });

  it.each(["50", "450"])("of %s W is refused with what the card takes", async (watts) => {
    expect(await found("--power-limit-watts", watts)).toContainEqual({ id: "power-limit", message: `GPU 0 has a power limit of 400.00 W, wanted is ${watts} W, and the card takes 100.00 to 400.00 W only`, mendable: false });
    const refused = await run("apply", "--power-limit-watts", watts);
    expect([refused.code, refused.stdout]).toEqual([4, ""]);
    expect(refused.stderr).toContain(`GPU 0 takes a power limit of 100.00 to 400.00 W, wanted is ${watts} W: correct servers.<name>.gpus.powerLimitWatts`);
    expect(host.exists("/run/gpus/calls")).toBe(false);
  });

  it("is told with nvidia-smi's own reason where a card has none", async () => {
    host.write("/run/gpus/refuse", "");
    host.write("/run/gpus/range", "[N/A], [N/A]");
    const refused = await run("apply", "--power-limit-watts", "300");
    expect([refused.code, refused.stderr]).toEqual([4, expect.stringContaining("GPU 0 does not take a power limit of 300 W: Changing power management limit is not supported for GPU: 00000000:07:00.0.")]);
  });

  it("is taken back at the next boot where the environment has none any more", async () => {
    await run("apply", "--power-limit-watts", "300");
    expect((await found()).map(({ id, mendable }) => [id, mendable])).toEqual([["power-limit-left", true]]);
    await run("apply");
    expect([host.exists(unit), await found()]).toEqual([false, []]);
  });

  it.each(["0x10", "-5", "300W", ""])("is not %j", async (watts) => {
    const refused = await run("check", "--power-limit-watts", watts);
    expect([refused.code, refused.stderr]).toEqual([2, expect.stringContaining("--power-limit-watts: must be watts, such as 300")]);
  });
});

describe("gpus.powerLimitWatts", () => {
  const inspect = (powerLimitWatts: number | undefined): ReturnType<typeof parseEnvironment> =>
    parseEnvironment({
      site: { name: "lab", internetAccess: true },
      servers: { "gpu-01": { address: "192.0.2.11", hostKey: hostKey("gpu-01"), cpu: { model: "epyc-7543" }, memoryGiB: 256, pcieGeneration: 4, gpus: { model: "a40", count: 2, ...(powerLimitWatts === undefined ? {} : { powerLimitWatts }) } } },
      monitoring: { enabled: false },
    } satisfies EnvironmentInput);

  it("may be the board's power, and no more", () => {
    expect(inspect(300).ok).toBe(true);
    const result = inspect(300.5);
    expect(result.ok ? [] : result.problems).toEqual([expect.objectContaining({ path: "servers.gpu-01.gpus.powerLimitWatts", message: "is above the board power of NVIDIA A40", allowed: "at most 300", fix: "Write what the card may draw, or leave it out for the card's own limit." })]);
  });

  it("is handed to the driver's step, and only where it is written", () => {
    const flagsOf = (watts: number | undefined): string[] => {
      const result = inspect(watts);
      if (!result.ok) throw new Error(JSON.stringify(result.problems));
      return planServer(result.environment, "gpu-01").steps.find(({ kind }) => kind === "gpu-driver")?.args ?? [];
    };
    expect(flagsOf(250).slice(-2)).toEqual(["--power-limit-watts", "250"]);
    expect(flagsOf(undefined)).not.toContain("--power-limit-watts");
  });
});
