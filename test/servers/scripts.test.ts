import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { packed } from "../../components/servers/packed";
import { allScripts, documentOf, findingsOf, runnable, runScript, scriptsFolder } from "./host-script";

const tier = ["--tier", "hot", "--level", "raid0", "--mount", "/srv/hot", "--array-name", "gpu-01-hot", "--drive", "nvme-none_1", "--drive", "nvme-none_2"];
const driver = ["--branch", "580", "--version", "580.173.02", "--source", "nvidia"];
const complete: Record<string, string[]> = {
  "backup-store.sh": ["--repository", "gpu-01=cluster", "--folder", "/srv/cold/backup", "--keep-daily", "7", "--keep-weekly", "4"],
  "backup.sh": ["--server", "gpu-01", "--every-hours", "24", "--folder", "/srv/cold/backup"],
  "base-environment.sh": ["--os", "ubuntu-22.04"],
  "gpu-driver.sh": driver,
  "k3s.sh": ["--role", "agent", "--version", "v1.35.4+k3s1", "--files", "https://mirror.example.org/k3s", "--node-name", "gpu-01", "--join", "https://192.0.2.1:6443"],
  "mig.sh": ["--profile", "1g.10gb", "--instances", "7", "--gpu-count", "8"],
  "monitoring.sh": ["--metrics-folder", "/var/lib/rackwright/metrics"],
  "object-store.sh": ["--endpoint", "https://s3.example.org", "--bucket", "archive"],
  "standby.sh": ["--address", "192.0.2.11", "--virtual", "192.0.2.50/32", "--haproxy", packed("# HAProxy"), "--keepalived", packed("# keepalived")],
  "storage-tier.sh": tier,
};

describe("host scripts", () => {
  it("are clean to shellcheck, every one", () => {
    const files = allScripts.map((name) => join(scriptsFolder, name));
    const { error, status, stdout } = spawnSync("shellcheck", ["--external-sources", ...files], { encoding: "utf8" });
    if (error === undefined) {
      expect(stdout).toBe("");
      expect(status).toBe(0);
      return;
    }
    process.stderr.write("shellcheck is not installed (apt-get install shellcheck): only the scripts' syntax was checked\n");
    for (const file of files) expect(spawnSync("bash", ["-n", file], { encoding: "utf8" }).stderr).toBe("");
  }, 180_000);

  it.each(runnable)("%s explains itself", (script) => {
    const help = runScript(script, ["--help"]);
    expect(help.code).toBe(0);
    expect(help.stdout).toContain(`bash ${script} check|apply FLAGS`);
    for (const flag of complete[script]?.filter((word) => word.startsWith("--")) ?? []) expect(help.stdout).toContain(flag);
  });

  it.each(runnable)("%s ends with 2 and says what is wrong when it is called wrongly", (script) => {
    const wrong: [string[], RegExp][] = [
      [[], /a verb is needed: check or apply/],
      [["wipe"], /unknown verb 'wipe': must be check or apply/],
      [["check"], /--[a-z-]+ is needed/],
      [["check", "--no-such-flag", "x"], /unknown flag '--no-such-flag'/],
      [["check", ...(complete[script] ?? []), "--step"], /--step needs a value/],
      [["check", ...(complete[script] ?? []), "--step", "Bad Step"], /--step: must be a step name .*, got 'Bad Step'/],
      [["apply", ...(complete[script] ?? []), "--revision", "xyz"], /--revision: must be twelve hexadecimal digits, got 'xyz'/],
      [["apply", ...(complete[script] ?? []), "surplus"], /unknown flag 'surplus'/],
    ];
    for (const [args, message] of wrong) {
      const run = runScript(script, args);
      expect([run.code, run.stdout]).toEqual([2, ""]);
      expect(run.stderr).toMatch(message);
      expect(run.stderr).toContain("--help");
    }
  });

  it.each(runnable)("%s refuses to run without root", (script) => {
    const run = runScript(script, ["check", ...(complete[script] ?? [])], { stubs: { id: "echo 1000" } });
    expect([run.code, run.stdout]).toEqual([4, ""]);
    expect(run.stderr).toMatch(/must run as root: use root, or a login with password-less sudo/);
  });

  it.each(runnable)("%s says when another run holds the host's lock for too long", (script) => {
    const run = runScript(script, ["check", ...(complete[script] ?? [])], { stubs: { flock: "exit 75" } });
    expect([run.code, run.stdout]).toEqual([4, ""]);
    expect(run.stderr).toMatch(/another run has held .*\.lock/);
  });
});

describe("storage-tier.sh", () => {
  const change = (flag: string, ...values: string[]): string[] => {
    const at = tier.indexOf(flag);
    return [...tier.slice(0, at), ...values.flatMap((value) => [flag, value]), ...tier.slice(at + 2).filter((word, index, rest) => flag !== "--drive" || (word !== "--drive" && rest[index - 1] !== "--drive"))];
  };

  it.each([
    ["a path instead of a name under /dev/disk/by-id", change("--drive", "/dev/sda", "/dev/sdb"), /--drive: must be a name under/],
    ["a way out of /dev/disk/by-id", change("--drive", "../../sda", "nvme-b"), /--drive: must be a name under/],
    ["a name that would be a command", change("--drive", "$(reboot)", "nvme-b"), /--drive: must be a name under/],
    ["the same drive twice", change("--drive", "nvme-a", "nvme-a"), /--drive nvme-a is given twice/],
    ["too few drives", change("--drive", "nvme-a"), /raid0 needs at least 2 --drive, got 1/],
    ["a level that mdadm has and this has not", change("--level", "linear"), /--level: must be single, raid0/],
    ["a mount point outside its characters", change("--mount", "/srv/hot disk"), /--mount: must be an absolute path/],
    ["a mount point that climbs", change("--mount", "/srv/../etc"), /--mount: must be an absolute path/],
    ["a name too long for a superblock", change("--array-name", "a".repeat(21)), /--array-name: must be at most 20/],
    ["two lines in one value", change("--array-name", "a\nb"), /--array-name: must be at most 20/],
  ])("refuses %s", (_, args, message) => {
    const run = runScript("storage-tier.sh", ["apply", ...args]);
    expect([run.code, run.stdout]).toEqual([2, ""]);
    expect(run.stderr).toMatch(message);
  });

  const nothing = "exit 1";
  const noHardware = { mdadm: nothing, "mkfs.xfs": nothing, xfs_info: nothing, xfs_db: nothing, udevadm: nothing, findmnt: nothing, wipefs: nothing, blkid: nothing, blockdev: nothing, systemctl: nothing };

  it("finds drives missing, says what to do, and that nobody can mend it from afar", () => {
    const run = runScript("storage-tier.sh", ["check", ...tier, "--step", "gpu-01-hot"], { stubs: noHardware });
    expect(run.code).toBe(1);
    expect(documentOf(run)).toEqual({
      step: "gpu-01-hot",
      ok: false,
      findings: [{ id: "drive-missing", message: "not there: nvme-none_1 nvme-none_2: the array is created when all its drives are there", mendable: false }],
    });
  });

  it("touches nothing when a drive is missing, and ends with 3", () => {
    const calls: Record<string, string> = Object.fromEntries(["mdadm", "mkfs.xfs", "mount", "umount"].map((name) => [name, `case "$*" in *--detail*|*--examine*) ;; *) echo "CALLED ${name} $*" >&2 ;; esac; exit 1`]));
    const run = runScript("storage-tier.sh", ["apply", ...tier], { stubs: { ...noHardware, ...calls } });
    expect([run.code, run.stdout]).toEqual([3, ""]);
    expect(run.stderr).toMatch(/refused: not there: nvme-none_1 nvme-none_2/);
    expect(run.stderr).not.toContain("CALLED");
  });
});

describe("gpu-driver.sh", () => {
  it.each([
    ["a release of another branch", ["--branch", "580", "--version", "535.309.01", "--source", "nvidia"], /--version 535\.309\.01 is not of branch 580/],
    ["an unknown source", ["--branch", "580", "--version", "580.173.02", "--source", "runfile"], /--source: must be nvidia or ubuntu/],
    ["a package name that would be an option", [...driver, "--package", "--allow-unauthenticated"], /--package: must be a package name/],
    ["a version that would be an option", [...driver, "--held-package", "nvidia-open-580=1 --force"], /--held-package: must be NAME or NAME=VERSION/],
  ])("refuses %s", (_, args, message) => {
    const run = runScript("gpu-driver.sh", ["apply", ...args]);
    expect([run.code, run.stdout]).toEqual([2, ""]);
    expect(run.stderr).toMatch(message);
  });
});

describe("base-environment.sh", () => {
  it.each([
    ["a mirror with a password in it", "https://user:secret@mirror.example.org"],
    ["a mirror with a blank in it", "https://mirror.example.org/a b"],
    ["a mirror that is no web address", "file:///etc"],
  ])("refuses %s", (_, url) => {
    const run = runScript("base-environment.sh", ["apply", "--os", "debian-12", "--apt-mirror", url]);
    expect([run.code, run.stdout]).toEqual([2, ""]);
    expect(run.stderr).toMatch(/--apt-mirror: must be an http or https URL/);
  });

  it("changes nothing on a server that runs another system than the environment says", () => {
    const called = 'echo "CALLED $*" >&2';
    const run = runScript("base-environment.sh", ["apply", "--os", process.platform === "linux" ? "ubuntu-22.04" : "debian-12", "--package", "mdadm"], {
      stubs: { "apt-get": called, "apt-mark": called },
    });
    expect([run.code, run.stdout]).toEqual([4, ""]);
    expect(run.stderr).toMatch(/the server runs .*, the environment says/);
    expect(run.stderr).not.toContain("CALLED");
  });
});

describe("object-store.sh", () => {
  const store = ["--endpoint", "https://s3.example.org", "--bucket", "archive"];

  it("takes no key on its command line", () => {
    expect(runScript("object-store.sh", ["apply", ...store, "--access-key-id", "AKIA"]).code).toBe(2);
  });

  it.each([
    ["nothing", "", /keys are expected on standard input/],
    ["one line", "only-an-id\n", /second line on standard input is not a secret access key/],
    ["a key with a blank in it", "an id\nsecret\n", /first line on standard input is not an access key id/],
  ])("refuses %s on standard input, and repeats none of it", (_, input, message) => {
    const run = runScript("object-store.sh", ["apply", ...store], { input, stubs: { rclone: "exit 0" } });
    expect([run.code, run.stdout]).toEqual([2, ""]);
    expect(run.stderr).toMatch(message);
    for (const word of ["only-an-id", "an id", "secret\n"]) expect(run.stderr).not.toContain(word);
  });

  it("finds that the server does not know the store yet", () => {
    const run = runScript("object-store.sh", ["check", ...store], { stubs: { rclone: "exit 0" } });
    expect(run.code).toBe(1);
    expect(findingsOf(run).map(({ id, mendable }) => ({ id, mendable }))).toEqual([{ id: "object-store-config", mendable: true }]);
  });
});
