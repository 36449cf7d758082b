import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { documentOf, findingsOf, type Finished } from "../servers/host-script";
import { hasNamespaces, ScratchHost } from "./scratch-host";

const library = "/usr/local/lib/rackwright";
const unit = "/etc/systemd/system/rackwright-mig.service";

/**
 * Two cards whose state is in files; speaks as nvidia-smi does as far as mig.sh listens. No GPU with MIG was at hand: the
 * words are those of NVIDIA's MIG user guide.
 */
const nvidiaSmi = `
folder=/run/gpus; mkdir -p $folder
mode() { cat $folder/mode-$1 2>/dev/null || echo Disabled; }
pending() { cat $folder/pending-$1 2>/dev/null || mode $1; }
echo "$*" >>$folder/calls
gpu=''
for ((at = 1; at <= $#; at++)); do
  if [[ \${!at} == -i ]]; then next=$((at + 1)); gpu=\${!next}; fi
done
case "$*" in
  -L)
    for card in 0 1; do
      echo "GPU $card: NVIDIA A100-SXM4-80GB (UUID: GPU-0000000$card)"
      [[ ! -s $folder/slices-$card ]] || awk '{ printf "  MIG %-12s Device  %d: (UUID: MIG-%d)\\n", $1, NR - 1, NR }' $folder/slices-$card
    done ;;
  *mig.mode*) for card in 0 1; do echo "$card, $(mode $card), $(pending $card)"; done ;;
  *--query-compute-apps*) cat $folder/users 2>/dev/null ;;
  *"-mig 1"*)
    [[ ! -e $folder/refuse ]] || exit 1
    echo Enabled >$folder/pending-$gpu
    [[ -e $folder/needs-reset ]] || echo Enabled >$folder/mode-$gpu ;;
  mig*-dci*) [[ -s $folder/slices-$gpu ]] ;;
  mig*-dgi*) rm -f $folder/slices-$gpu ;;
  mig*-cgi*-C) grep -o '[0-9]g\\.[0-9]*gb' <<<"$*" >$folder/slices-$gpu ;;
esac`;

const systemctl = "mkdir -p /run/units; case $1 in enable) touch /run/units/$2 ;; is-enabled) [[ -e /run/units/${!#} ]] ;; esac";
const flags = ["--profile", "3g.40gb", "--instances", "2", "--gpu-count", "2", "--step", "gpu-01-mig"];

if (!hasNamespaces()) process.stderr.write("unshare gives no mounts here (a kernel without user namespaces): mig.sh was not run\n");

describe.skipIf(!hasNamespaces())("mig.sh", () => {
  let host: ScratchHost;
  beforeEach(() => { host = new ScratchHost({ "nvidia-smi": nvidiaSmi, systemctl }); });
  afterEach(() => { host.remove(); });

  const apply = (args = flags): Promise<Finished> => host.run("mig.sh", ["apply", ...args]);
  const check = (args = flags): Promise<Finished> => host.run("mig.sh", ["check", ...args]);
  const changes = (): string[] => host.read("/run/gpus/calls").split("\n").filter((line) => /^mig|-mig 1/.test(line));

  it("cuts every card into the wanted instances, once", async () => {
    expect(findingsOf(await check()).map(({ id }) => id)).toEqual(["mig-mode", "mig-mode", "mig-layout", "mig-layout", "mig-unit", "mig-unit", "mig-unit"]);
    expect((await apply()).code).toBe(0);
    expect(host.read("/run/gpus/slices-1")).toBe("3g.40gb\n3g.40gb\n");
    expect(documentOf(await check())).toEqual({ step: "gpu-01-mig", ok: true, findings: [] });
    const before = changes();
    expect(documentOf(await apply()).changed).toEqual([]);
    expect(changes()).toEqual(before);
  });

  it("makes them again at boot, before the cluster starts, with copies that need nobody's home", async () => {
    await apply();
    expect(host.read(unit)).toContain("Before=k3s.service k3s-agent.service");
    const command = /^ExecStart=\/bin\/bash (.*)$/m.exec(host.read(unit))?.[1] ?? "";
    expect(command).toBe(`${library}/mig.sh apply --step gpu-01-mig --profile 3g.40gb --instances 2 --gpu-count 2`);
    host.remove("/run/gpus/slices-0");
    host.write("/boot.sh", `cd / && /bin/bash ${command}`);
    const booted = await host.run("../boot.sh", []);
    expect([booted.code, documentOf(booted).changed]).toEqual([0, ["cut GPU 0 into 2 instances of 3g.40gb"]]);
  });

  it("cuts only the card that differs", async () => {
    await apply();
    host.write("/run/gpus/slices-1", "1g.10gb\n3g.40gb\n");
    expect(findingsOf(await check())).toEqual([{ id: "mig-layout", message: "GPU 1 has 1 of 2 instances of 3g.40gb, and 1 of other profiles", mendable: true }]);
    host.remove("/run/gpus/calls");
    expect((await apply()).code).toBe(0);
    expect(changes().filter((line) => line.includes("-i 0"))).toEqual([]);
    expect(documentOf(await check())).toMatchObject({ ok: true });
  });

  it("ends nobody's work: a card in use is left as it is", async () => {
    host.write("/run/gpus/users", "python3\n");
    const run = await apply();
    expect([run.code, run.stdout, changes()]).toEqual([3, "", []]);
    expect(run.stderr).toMatch(/in use by python3 : cutting them would end it. Drain the node/);
  });

  it("asks for a reboot where the mode waits for one", async () => {
    host.write("/run/gpus/needs-reset", "");
    const run = await apply();
    expect([run.code, run.stdout]).toEqual([4, ""]);
    expect(run.stderr).toMatch(/MIG mode of GPU 0, 1 takes effect after a reset: reboot the server, then apply again/);
    expect(findingsOf(await check()).some(({ message }) => /GPU 0 has MIG mode Disabled, after a reset Enabled/.test(message))).toBe(true);
  });

  it("says when a card has no MIG, and when one is missing", async () => {
    host.write("/run/gpus/refuse", "");
    expect((await apply()).stderr).toMatch(/GPU 0 cannot be put into MIG mode/);
    const four = flags.map((word, index) => (flags[index - 1] === "--gpu-count" ? "4" : word));
    expect(findingsOf(await check(four))).toContainEqual({ id: "gpu-count", message: "nvidia-smi shows 2 GPUs, the environment says 4", mendable: false });
  });
});
