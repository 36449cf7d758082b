import { spawnSync } from "node:child_process";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { hasNamespaces, ScratchHost } from "../cluster/scratch-host";
import type { Finished } from "./host-script";

const folder = "/var/lib/rackwright/metrics";
const tiers = ["--tier", "hot:raid0:2:gpu-01-hot:/srv/hot", "--tier", "warm:raid1:2:gpu-01-warm:/srv/warm", "--tier", "cold:single:1:gpu-01-cold:/srv/cold"];
const nvme = "nvme-Samsung_SSD_990_PRO_2TB_S7DNNJ0WA01101F";
const sata = "ata-Samsung_SSD_870_EVO_4TB_S6BCNJ0T901101A";

/**
 * mdadm as far as the scripts listen. `mdadm --detail --test` ends with what is in /run/md/<array>: 0 all is well, 1 a member
 * is missing, 2 too many are, 4 no answer (mdadm's man page).
 */
const mdadm = `
array=\${!#}; array=\${array#/dev/}
case "$*" in
  *--export*) [[ -e /run/md/$array ]] && echo "MD_NAME=$(cat /run/md/$array.name)" ;;
  *--test*) exit "$(cat /run/md/$array)" ;;
esac`;
/** smartctl with \`--json=g\`: what a drive says is in /run/smart/<device>; how it was called is on record. */
const smartctl = 'echo "$*" >>/run/smart/calls; cat "/run/smart/$(basename "${!#}")" 2>/dev/null || exit 2';
/** \`ls\`, \`stat\` and mounts are real; what is mounted is not. */
const stubs = { mdadm, smartctl, timeout: 'while [[ $1 == --* ]]; do shift; done; shift; exec "$@"' };

function parsed(text: string): Record<string, number> {
  const check = spawnSync("promtool", ["check", "metrics"], { input: text, encoding: "utf8" });
  if (check.error === undefined) expect([check.stderr, check.status]).toEqual(["", 0]);
  return Object.fromEntries(
    text.split("\n").filter((line) => line !== "" && !line.startsWith("#")).map((line) => {
      const at = line.lastIndexOf(" ");
      return [line.slice(0, at), Number(line.slice(at + 1))];
    }),
  );
}

if (spawnSync("promtool", ["--version"]).error !== undefined) process.stderr.write("promtool is not installed (apt-get install prometheus): what the scripts write was read by the tests only\n");
if (!hasNamespaces()) process.stderr.write("unshare gives no mounts here (a kernel without user namespaces): collect-metrics.sh was not run\n");

describe.skipIf(!hasNamespaces())("collect-metrics.sh", () => {
  let host: ScratchHost;
  beforeEach(() => {
    host = new ScratchHost(stubs);
    host.write(`${folder}/.keep`, "");
    host.write("/run/smart/calls", "");
  });
  afterEach(() => { host.remove(); });

  const collect = (kind: string, args: string[]): Promise<Finished> => host.run("collect-metrics.sh", [kind, "--folder", folder, ...args]);
  const metricsOf = (kind: "state" | "health"): Record<string, number> => parsed(host.read(`${folder}/rackwright-${kind}.prom`));
  const only = (metrics: Record<string, number>, start: string): Record<string, number> => Object.fromEntries(Object.entries(metrics).filter(([name]) => name.startsWith(start)));

  /** An array in sysfs and in mdadm's mind. */
  function array(kernel: string, name: string, { status = 0, state = "clean", action = "idle", members = ["in_sync", "in_sync"] }: { status?: number; state?: string; action?: string; members?: string[] } = {}): void {
    host.write(`/run/md/${kernel}`, String(status));
    host.write(`/run/md/${kernel}.name`, `rackwright:${name}`);
    host.write(`/sys/block/${kernel}/md/array_state`, `${state}\n`);
    host.write(`/sys/block/${kernel}/md/sync_action`, `${action}\n`);
    members.forEach((member, index) => {
      host.write(`/sys/block/${kernel}/md/dev-sd${index}/state`, `${member}\n`);
      // A drive that is gone has left its state behind, and nothing to point at.
      if (member !== "gone") host.write(`/sys/block/${kernel}/md/dev-sd${index}/block`, "");
    });
  }
  const stateOf = (name: string): string | undefined => Object.entries(metricsOf("state")).find(([key, value]) => key.startsWith("rackwright_array_state") && key.includes(`array="${name}"`) && value === 1)?.[0].match(/state="(\w+)"/)?.[1];

  describe("arrays and tiers", () => {
    const cases: [string, "gpu-01-hot" | "gpu-01-warm", Parameters<typeof array>[2], string, number][] = [
      ["a whole mirror", "gpu-01-warm", {}, "ok", 2],
      ["a mirror that writes", "gpu-01-warm", { state: "active" }, "ok", 2],
      ["a mirror with a failed member", "gpu-01-warm", { status: 1, members: ["in_sync", "faulty"] }, "degraded", 1],
      ["a mirror whose member was pulled out", "gpu-01-warm", { status: 1, members: ["in_sync", "gone"] }, "degraded", 1],
      ["a mirror that takes in a new member", "gpu-01-warm", { status: 1, action: "recover", members: ["in_sync", "spare"] }, "rebuilding", 1],
      ["a mirror that has lost all", "gpu-01-warm", { status: 2, members: ["faulty", "faulty"] }, "failed", 0],
      ["an array that is not started", "gpu-01-warm", { state: "inactive" }, "failed", 2],
      ["whole stripes", "gpu-01-hot", {}, "ok", 2],
      ["stripes with a pulled member, which mdadm calls 1 or 2 and the kernel broken", "gpu-01-hot", { status: 1, state: "broken", members: ["in_sync", "gone"] }, "failed", 1],
      ["stripes that mdadm finds fault with while the kernel serves them", "gpu-01-hot", { status: 1, members: ["in_sync", "gone"] }, "failed", 1],
    ];
    it.each(cases)("%s", async (_, name, facts, state, working) => {
      array("md127", name, facts);
      expect((await collect("state", tiers)).code).toBe(0);
      expect(stateOf(name)).toBe(state);
      const labels = `{tier="${name === "gpu-01-hot" ? "hot" : "warm"}",array="${name}"}`;
      expect(metricsOf("state")).toMatchObject({ [`rackwright_array_members_expected${labels}`]: 2, [`rackwright_array_members_working${labels}`]: working });
    });

    it("say in each state whether it is the one, and that an array is missing where none has its name", async () => {
      array("md127", "gpu-01-warm");
      array("md5", "another-array");
      await collect("state", tiers);
      const of = (array: string, state: string): string => `rackwright_array_state{tier="${array.slice(7)}",array="${array}",state="${state}"}`;
      expect(only(metricsOf("state"), "rackwright_array_state")).toEqual({
        ...Object.fromEntries(["degraded", "rebuilding", "failed", "missing"].map((state) => [of("gpu-01-warm", state), 0])), [of("gpu-01-warm", "ok")]: 1,
        ...Object.fromEntries(["ok", "degraded", "rebuilding", "failed"].map((state) => [of("gpu-01-hot", state), 0])), [of("gpu-01-hot", "missing")]: 1,
      });
    });

    it("are left out where mdadm is not there, for what is not known is not missing", async () => {
      const bare = new ScratchHost({ ...stubs, mdadm: "exit 127" });
      try {
        bare.write(`${folder}/.keep`, "");
        bare.write("/sys/block/md127/md/array_state", "clean\n");
        bare.remove("/stubs/mdadm");
        const run = await bare.run("collect-metrics.sh", ["state", "--folder", folder, ...tiers]);
        if (spawnSync("sh", ["-c", "command -v mdadm"]).status === 0) return;
        expect([run.code, run.stderr]).toEqual([0, expect.stringContaining("mdadm is not installed: nothing can be told of the arrays")]);
        const metrics = parsed(bare.read(`${folder}/rackwright-state.prom`));
        expect(Object.keys(metrics).filter((name) => name.includes("array"))).toEqual([]);
        expect(Object.keys(only(metrics, "rackwright_tier_mounted"))).toHaveLength(3);
      } finally {
        bare.remove();
      }
    });

    it("are left out where mdadm does not answer in time", async () => {
      array("md127", "gpu-01-warm", { status: 124 });
      const run = await collect("state", tiers);
      expect([run.code, run.stderr]).toEqual([0, expect.stringContaining("mdadm gives no answer about gpu-01-warm")]);
      expect(stateOf("gpu-01-warm")).toBeUndefined();
    });

    it("tell which tiers are mounted", async () => {
      await collect("state", ["--tier", "hot:raid0:2:gpu-01-hot:/proc", "--tier", "cold:single:1:gpu-01-cold:/srv/cold"]);
      expect(only(metricsOf("state"), "rackwright_tier_mounted")).toEqual({ 'rackwright_tier_mounted{tier="hot",mountpoint="/proc"}': 1, 'rackwright_tier_mounted{tier="cold",mountpoint="/srv/cold"}': 0 });
    });
  });

  describe("the driver", () => {
    it("is the one that the kernel runs", async () => {
      host.write("/sys/module/nvidia/version", "580.173.02\n");
      await collect("state", []);
      expect(metricsOf("state")).toEqual({ 'rackwright_driver_info{version="580.173.02",branch="580"}': 1 });
    });

    it("is nothing where there is none, or something that is no version", async () => {
      await collect("state", []);
      expect(metricsOf("state")).toEqual({});
      host.write("/sys/module/nvidia/version", 'x"\n');
      await collect("state", []);
      expect(metricsOf("state")).toEqual({});
    });
  });

  describe("checkpoints", () => {
    const root = "/srv/warm/checkpoints/tune";
    const watch = (processes = 2, first = "yes"): string[] => ["--checkpoints", `tune:${processes}:${first}=${root}`];
    const step = (): number | undefined => metricsOf("state")['rackwright_checkpoint_step{name="tune"}'];
    /** The end of an archive as torch writes it. */
    const archive = `data${"PK\u0005\u0006".padEnd(22, "\0")}`;

    it("are the newest whole one by its number, not by its name's order", async () => {
      for (const name of ["step-9", "step-000010", "step-100"]) host.write(`${root}/${name}/.complete`, `${Number(name.slice(5))}\n`);
      host.write(`${root}/step-200/weights.pt`, "half");
      host.write(`${root}/.aside/step-900/.complete`, "900\n");
      host.write(`${root}/step-1000`, "a file");
      await collect("state", watch());
      expect(step()).toBe(100);
      expect(metricsOf("state")['rackwright_checkpoint_timestamp_seconds{name="tune"}']).toBeGreaterThan(Date.now() / 1000 - 60);
    });

    it("are not whole with a marker of another step, an empty one, or bytes that a power cut left", async () => {
      host.write(`${root}/step-1/.metadata`, "index");
      host.write(`${root}/step-2/.complete`, "1\n");
      host.write(`${root}/step-3/.complete`, "");
      host.write(`${root}/step-4/.complete`, "\0\0\0\0");
      host.write(`${root}/step-5/.metadata`, "");
      await collect("state", watch());
      expect(step()).toBe(1);
    });

    it("of DeepSpeed are whole on the first server once `latest` names them, with all shards and none cut off", async () => {
      const part = (number: number, rank: number, content = archive): void => host.write(`${root}/global_step${number}/zero_pp_rank_${rank}_mp_rank_00_optim_states.pt`, content);
      part(100, 0);
      part(100, 1);
      part(200, 0);
      part(200, 1);
      host.write(`${root}/latest`, "global_step100");
      await collect("state", watch());
      expect(step()).toBe(100);
      await collect("state", watch(2, "no"));
      expect(step()).toBe(200);
      part(200, 1, archive.slice(0, -3));
      await collect("state", watch(2, "no"));
      expect(step()).toBe(100);
      await collect("state", watch(4, "no"));
      expect(step()).toBeUndefined();
    });

    it("are none where the job has none, or its folder is not there", async () => {
      expect((await collect("state", watch())).code).toBe(0);
      expect(step()).toBeUndefined();
    });
  });

  describe("drives", () => {
    const drives = ["--drive", `${nvme}=hot`, "--drive", sata];
    const smart = (device: string, lines: string[]): void => host.write(`/run/smart/${device}`, ["json = {};", ...lines].join("\n"));

    /** Links under /dev/disk/by-id need block devices, which a test has not: the scripts' own look-up is replaced. */
    beforeEach(() => host.write("/stubs/readlink", `#!/bin/bash\ncase "\${!#}" in *${nvme}) echo /dev/nvme0n1 ;; *${sata}) echo /dev/sda ;; esac\n`, 0o755));

    const reportOf = (lines: string[]): Record<string, string> => {
      const script = '. "$0/metrics.sh"; . "$0/drive-metrics.sh"; read_report';
      const { stdout, status } = spawnSync("bash", ["-c", script, `${__dirname}/../../components/servers/scripts`], { input: lines.join("\n"), encoding: "utf8" });
      expect(status).toBe(0);
      return Object.fromEntries(stdout.trim().split("\n").filter((line) => line !== "").map((line) => [line.split(" ")[0] ?? "", line.split(" ")[1] ?? ""]));
    };

    it("of NVMe say health, wear, temperature and media errors", () => {
      expect(reportOf(["json.smart_status.passed = true;", "json.nvme_smart_health_information_log.percentage_used = 3;", "json.nvme_smart_health_information_log.media_errors = 2;", "json.temperature.current = 41;"])).toEqual({ healthy: "1", wear: "0.03", temperature: "41", errors: "2" });
    });

    it("of ATA count sectors that were replaced, lost or wait, and tell wear by the endurance indicator before the maker's attribute", () => {
      const attribute = (place: number, id: number, name: string, value: number, raw: number): string[] => {
        const at = `json.ata_smart_attributes.table[${place}]`;
        return [`${at} = {};`, `${at}.id = ${id};`, `${at}.name = "${name}";`, `${at}.value = ${value};`, `${at}.raw = {};`, `${at}.raw.value = ${raw};`];
      };
      const attributes = [...attribute(0, 5, "Reallocated_Sector_Ct", 100, 4), ...attribute(1, 9, "Power_On_Hours", 95, 20_000), ...attribute(2, 177, "Wear_Leveling_Count", 88, 210), ...attribute(3, 187, "Reported_Uncorrect", 100, 1), ...attribute(4, 197, "Current_Pending_Sector", 100, 2)];
      expect(reportOf(["json.rotation_rate = 0;", "json.smart_status.passed = false;", ...attributes])).toEqual({ healthy: "0", wear: "0.12", errors: "7" });
      const statistics = 'json.ata_device_statistics.pages[3].table[0]';
      expect(reportOf([...attributes, `${statistics}.name = "Percentage Used Endurance Indicator";`, `${statistics}.value = 150;`])).toMatchObject({ wear: "1.50" });
      // A rotating drive's attribute of the same number is something else.
      expect(reportOf(["json.rotation_rate = 7200;", ...attributes])).toEqual({ errors: "7" });
    });

    it("of SAS count errors that were not corrected", () => {
      expect(reportOf(["json.scsi_error_counter_log.read.total_uncorrected_errors = 1;", "json.scsi_error_counter_log.write.total_uncorrected_errors = 2;", "json.scsi_percentage_used_endurance_indicator = 7;"])).toEqual({ wear: "0.07", errors: "3" });
    });

    it("say nothing by garbage, words where numbers stand, or half of a report", () => {
      expect(reportOf(["Segmentation fault", "\u0000\u0001", '{"json": true}', 'json.temperature.current = "hot";', "json.nvme_smart_health_information_log.percentage_used = 3; drop", "json.smart_status.passed = maybe;", "json.smart_status.pas"])).toEqual({});
    });

    it("are left asleep, and keep what they last said but for their temperature", async () => {
      expect(reportOf(['json.smartctl.messages[0].string = "Device is in STANDBY mode, exit(2)";', "json.temperature.current = 30;"])).toEqual({ asleep: "" });
      host.write(`${folder}/rackwright-health.prom`, `rackwright_drive_healthy{drive="${sata}"} 1\nrackwright_drive_wear_ratio{drive="${sata}"} 0.20\nrackwright_drive_temperature_celsius{drive="${sata}"} 33\nrackwright_drive_media_errors{drive="${sata}0"} 9\n`);
      const text = `. /scripts/lib.sh; . /scripts/metrics.sh; . /scripts/drive-metrics.sh; FOLDER=${folder}; for family in $LASTING; do gauge "$family" help; done; keep_last 'drive="${sata}"'; publish out`;
      host.write("/run/keep.sh", text);
      expect((await host.run("../run/keep.sh", [])).code).toBe(0);
      expect(parsed(host.read(`${folder}/out.prom`))).toEqual({ [`rackwright_drive_healthy{drive="${sata}"}`]: 1, [`rackwright_drive_wear_ratio{drive="${sata}"}`]: 0.2 });
    });

    it("that are gone are named in the journal and left out", async () => {
      smart("nvme0n1", ["json.smart_status.passed = true;"]);
      const run = await collect("health", drives);
      expect(run.code).toBe(0);
      expect(run.stderr).toContain(`${sata} is not there`);
      expect(metricsOf("health")).toEqual({});
    });
  });

  describe("certificates", () => {
    it("are those that k3s keeps, by the day they end; what is none is named and left out", async () => {
      const made = spawnSync("openssl", ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=test", "-days", "10", "-keyout", "/dev/null"], { encoding: "utf8" });
      expect(made.status).toBe(0);
      const file = "/var/lib/rancher/k3s/server/tls/serving-kube-apiserver.crt";
      host.write(file, made.stdout);
      host.write("/var/lib/rancher/k3s/agent/client-kubelet.crt", "no certificate\n");
      const run = await collect("health", []);
      expect([run.code, run.stderr]).toEqual([0, expect.stringContaining("openssl cannot read /var/lib/rancher/k3s/agent/client-kubelet.crt")]);
      const ends = metricsOf("health")[`rackwright_certificate_expiry_timestamp_seconds{path="${file}"}`] ?? 0;
      expect(Math.abs(ends - (Date.now() / 1000 + 10 * 86_400))).toBeLessThan(120);
    });
  });

  describe("the files", () => {
    it("are readable by all, and nothing of a run that was cut off stays beside them", async () => {
      host.write(`${folder}/.rackwright-state.abc123`, "half");
      await collect("state", tiers);
      expect(host.mode(`${folder}/rackwright-state.prom`)).toBe("644");
      expect(host.list(folder)).toEqual([".keep", "rackwright-state.prom"]);
    });

    it("are never seen half written: what is read while they are replaced is one whole file or the other", async () => {
      await collect("state", tiers);
      const seen = new Set<string>();
      const over = new AbortController();
      const reader = (async () => {
        while (!over.signal.aborted) {
          for (const name of host.list(folder).filter((each) => each.endsWith(".prom"))) seen.add(host.read(`${folder}/${name}`));
          await new Promise((resolve) => setImmediate(resolve));
        }
      })();
      for (let run = 0; run < 3; run++) await collect("state", run % 2 === 0 ? [] : tiers);
      over.abort();
      await reader;
      for (const text of seen) expect(text === "" || text.trim().split("\n").at(-1)?.startsWith('rackwright_tier_mounted{tier="cold"')).toBe(true);
    });

    it("stay as they were where the folder cannot be written to, and the run fails", async () => {
      const run = await host.run("collect-metrics.sh", ["state", "--folder", "/proc/nowhere", ...tiers]);
      expect([run.code, run.stderr]).toEqual([4, expect.stringContaining("/proc/nowhere cannot be written to")]);
    });
  });

  it.each([
    [[], /must be told what to collect/],
    [["everything"], /got 'everything'/],
    [["state"], /--folder is needed/],
    [["state", "--folder", "relative"], /--folder: must be an absolute path/],
    [["state", "--folder", folder, "--tier", "hot:raid0:2:x"], /--tier: must be TIER:LEVEL:DRIVES:ARRAY:MOUNT/],
    [["state", "--folder", folder, "--drive", 'a"b'], /--drive: must be ID or ID=TIER/],
    [["state", "--folder", folder, "--checkpoints", "tune=/srv"], /--checkpoints: must be JOB:PROCESSES/],
    [["state", "--folder", folder, "--everything", "x"], /unknown flag '--everything'/],
  ])("refuses %j", async (args, message) => {
    const run = await host.run("collect-metrics.sh", args);
    expect([run.code, run.stdout]).toEqual([2, ""]);
    expect(run.stderr).toMatch(message);
  });
});
