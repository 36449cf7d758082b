import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { packed } from "../../components/servers/packed";
import { hasNamespaces, ScratchHost } from "../cluster/scratch-host";
import { documentOf, findingsOf, type Finished } from "./host-script";
import { packages, systemctl } from "./scratch-stubs";

const folder = "/var/lib/rackwright/metrics";
const units = "/etc/systemd/system";
const library = "/usr/local/lib/rackwright";
const measured = ["--metrics-folder", folder, "--tier", "hot:raid0:2:gpu-01-hot:/srv/hot", "--drive", "nvme-A_1=hot", "--drive", "ata-B_1", "--checkpoints", "tune:4:yes=/srv/warm/checkpoints/tune", "--step", "gpu-01-monitoring"];
const rdma = ["--rdma-nic", "ens5f0", "--rdma-nic", "ens6f0", "--rdma-peer", "gpu-02=10.0.0.12=2", "--rdma-peer", "gpu-03=fd00::13=1"];

const stubs = {
  systemctl,
  ...packages,
  "apt-get": 'mkdir -p /run/packages; echo "$*" >>/run/packages.calls; for word in "$@"; do case $word in *=1.0) touch /run/packages/${word%=1.0} ;; esac; done',
  // Names of users are the package's doing: this machine has none of them.
  chown: 'echo "$*" >>/run/chown',
  install: 'echo "$*" >>/run/install; mkdir -p "${!#}"',
  stat: `
path=\${!#}
case "$*" in
  *'%a %U'*) echo "400 \$(cat /run/owner 2>/dev/null || echo root)" ;;
  *'%U %a'*) [[ -d $path ]] || exit 1; case $path in */srv/*) echo "\$(grep -- "$path\\$" /run/install | grep -o 'owner=[a-z]*' | cut -d= -f2) 750" ;; *) echo "root 755" ;; esac ;;
  *%d*) case $path in /srv/*) [[ -e /run/mounted ]] && echo 9 || echo 1 ;; *) echo 1 ;; esac ;;
  *) exec /usr/bin/stat "$@" ;;
esac`,
};

if (!hasNamespaces()) process.stderr.write("unshare gives no mounts here (a kernel without user namespaces): monitoring.sh was not run\n");

describe.skipIf(!hasNamespaces())("monitoring.sh", () => {
  let host: ScratchHost;
  beforeEach(() => { host = new ScratchHost(stubs); });
  afterEach(() => { host.remove(); });

  const apply = (args: string[], input = ""): Promise<Finished> => host.run("monitoring.sh", ["apply", ...args], input);
  const check = (args: string[]): Promise<Finished> => host.run("monitoring.sh", ["check", ...args]);
  const ids = (run: Finished): string[] => findingsOf(run).map(({ id }) => id);
  const calls = (): string[] => (host.exists("/run/systemctl/calls") ? host.read("/run/systemctl/calls").trim().split("\n") : []);
  const unit = (name: string): string => host.read(`${units}/${name}`);

  describe("what is measured on every server", () => {
    it("gets its units, once, so that a check then finds nothing", async () => {
      expect([...new Set(ids(await check(measured)))]).toEqual(["metrics-folder", "metrics-script", "metrics-unit", "metrics-disabled", "metrics-stopped"]);
      const made = await apply(measured);
      expect([made.code, made.stderr]).toEqual([0, expect.stringContaining("started rackwright-metrics-state.timer")]);
      expect(documentOf(await check(measured))).toEqual({ step: "gpu-01-monitoring", ok: true, findings: [] });
      const before = calls();
      expect(documentOf(await apply(measured))).toEqual({ step: "gpu-01-monitoring", changed: [], rebootRequired: false });
      expect(calls()).toEqual(before);
    });

    it("is started with what it is to look at, from a place that is there when the server boots", async () => {
      await apply(measured);
      const flags = `--folder ${folder} --tier hot:raid0:2:gpu-01-hot:/srv/hot --drive nvme-A_1=hot --drive ata-B_1 --checkpoints tune:4:yes=/srv/warm/checkpoints/tune`;
      expect(unit("rackwright-metrics-state.service")).toContain(`ExecStart=/bin/bash ${library}/collect-metrics.sh state ${flags}\n`);
      expect(unit("rackwright-metrics-health.service")).toContain(`ExecStart=/bin/bash ${library}/collect-metrics.sh health ${flags}\n`);
      expect(host.list(library)).toEqual(["checkpoint-metrics.sh", "collect-metrics.sh", "drive-metrics.sh", "drives.sh", "lib.sh", "metrics.sh", "rdma-latency.sh", "storage-metrics.sh"]);
      expect(unit("rackwright-metrics-state.timer")).toContain("OnUnitActiveSec=60s");
      expect(unit("rackwright-metrics-health.timer")).toContain("OnUnitActiveSec=10min");
    });

    it("is bound in time, has the lowest weight and may write to its own folder only", async () => {
      await apply(measured);
      for (const kind of ["state", "health"]) {
        const text = unit(`rackwright-metrics-${kind}.service`);
        for (const line of ["Type=oneshot", "Nice=19", "IOSchedulingClass=idle", "ProtectSystem=strict", `ReadWritePaths=${folder}`, "NoNewPrivileges=yes", "PrivateNetwork=yes"]) expect(text.split("\n")).toContain(line);
        expect(text).toMatch(/^TimeoutStartSec=\d+$/m);
      }
    });

    it("drifts, and is mended", async () => {
      await apply(measured);
      host.write(`${library}/collect-metrics.sh`, "exit 0\n");
      host.write(`${units}/rackwright-metrics-state.service`, "[Service]\n");
      host.remove("/run/systemctl/enabled-rackwright-metrics-health.timer");
      host.remove("/run/systemctl/active-rackwright-metrics-health.timer");
      expect(ids(await check(measured))).toEqual(["metrics-script", "metrics-unit", "metrics-disabled", "metrics-stopped"]);
      expect((await apply(measured)).code).toBe(0);
      expect(documentOf(await check(measured))).toMatchObject({ ok: true });
    });

    it("is a finding that nobody mends from afar where its last run failed", async () => {
      await apply(measured);
      host.write("/run/systemctl/failed-rackwright-metrics-state", "");
      expect(findingsOf(await check(measured))).toEqual([{ id: "metrics-failed", message: "rackwright-metrics-state.service failed when it last ran: see `journalctl -u rackwright-metrics-state.service`", mendable: false }]);
    });
  });

  describe("RDMA latency", () => {
    it("has an answering service for each interface and one that asks the peers, at a time of each server's own", async () => {
      await apply([...measured, ...rdma]);
      expect(documentOf(await check([...measured, ...rdma]))).toMatchObject({ ok: true });
      expect(unit("rackwright-rdma-responder-0.service")).toContain("rdma-latency.sh respond --nic ens5f0 --number 0\n");
      expect(unit("rackwright-rdma-responder-1.service")).toContain("rdma-latency.sh respond --nic ens6f0 --number 1\n");
      expect(unit("rackwright-rdma-latency.service")).toContain(`rdma-latency.sh measure --folder ${folder} --nic ens5f0 --nic ens6f0 --peer gpu-02=10.0.0.12=2 --peer gpu-03=fd00::13=1\n`);
      for (const line of ["OnCalendar=*:0/5", "RandomizedDelaySec=240", "FixedRandomDelay=yes"]) expect(unit("rackwright-rdma-latency.timer").split("\n")).toContain(line);
      for (const line of ["Restart=always", "LimitCPU=20", "RuntimeMaxSec=240", "LimitMEMLOCK=infinity", "DynamicUser=yes"]) expect(unit("rackwright-rdma-responder-0.service").split("\n")).toContain(line);
      expect(unit("rackwright-rdma-responder-0.service")).not.toContain("Nice=");
    });

    it("goes with the interface that had it, and all of it with the last", async () => {
      await apply([...measured, ...rdma]);
      const one = [...measured, "--rdma-nic", "ens5f0", "--rdma-peer", "gpu-02=10.0.0.12=2"];
      expect(findingsOf(await check(one)).map(({ id, mendable }) => [id, mendable])).toContainEqual(["metrics-unit-left", true]);
      await apply(one);
      expect(host.list(units).filter((name) => name.includes("responder"))).toEqual(["rackwright-rdma-responder-0.service"]);
      await apply(measured);
      expect(host.list(units).filter((name) => name.includes("rdma"))).toEqual([]);
      expect(documentOf(await check(measured))).toMatchObject({ ok: true });
      expect(calls()).toContain("disable rackwright-rdma-latency.timer");
    });
  });

  describe("a host without a cluster", () => {
    const own = "/etc/rackwright/prometheus/prometheus.yml";
    const dropIn = `${units}/prometheus.service.d/rackwright.conf`;
    const files = (config = "global: {}\n"): string[] => ["--file", `${own}=${packed(config)}`, "--file", `${dropIn}=${packed("[Service]\n")}`];
    const bare = (config?: string): string[] => [
      ...measured, "--bare", "yes", "--package", "prometheus", "--package", "prometheus-node-exporter", "--data", "/srv/warm/monitoring/prometheus=prometheus", "--secret", "chat-url=/etc/rackwright/alertmanager/chat-url=prometheus",
      "--service", "prometheus-node-exporter", "--service", "prometheus", ...files(config),
    ];
    const secret = "chat-url https://chat.example.org/hooks/T0P-S3CRET\n";
    beforeEach(() => {
      host.write("/run/mounted", "");
      host.write("/run/owner", "prometheus");
      host.write("/srv/warm/.keep", "");
    });

    it("gets packages, folders, secrets, files and services, once", async () => {
      expect([...new Set(ids(await check(bare())))].slice(-6)).toEqual(["package-missing", "data-folder", "secret", "service-disabled", "service-inactive", "service-file"]);
      const made = await apply(bare(), secret);
      expect([made.code, made.stderr]).toEqual([0, expect.stringContaining("started prometheus with its present settings")]);
      expect([host.read(own), host.read(dropIn)]).toEqual(["global: {}\n", "[Service]\n"]);
      expect(host.read("/run/install")).toContain("--directory --owner=prometheus --group=prometheus --mode=750 /srv/warm/monitoring/prometheus");
      expect(documentOf(await check(bare()))).toMatchObject({ ok: true });
      const before = calls();
      expect(documentOf(await apply(bare(), secret))).toMatchObject({ changed: [] });
      expect(documentOf(await apply(bare()))).toMatchObject({ changed: [] });
      expect(calls()).toEqual(before);
    });

    it("keeps secrets to one user and says them nowhere", async () => {
      const made = await apply(bare(), secret);
      const file = "/etc/rackwright/alertmanager/chat-url";
      expect([host.read(file), host.mode(file)]).toEqual(["https://chat.example.org/hooks/T0P-S3CRET\n", "400"]);
      const checked = await check(bare());
      for (const text of [made.stdout, made.stderr, checked.stdout, checked.stderr, calls().join("\n")]) expect(text).not.toContain("T0P-S3CRET");
    });

    it("restarts everything for a new secret, and reloads what only reads other files", async () => {
      await apply(bare(), secret);
      host.remove("/run/systemctl/calls");
      await apply(bare(), "chat-url https://chat.example.org/hooks/other\n");
      expect(calls()).toEqual(["restart prometheus-node-exporter", "restart prometheus"]);
      host.remove("/run/systemctl/calls");
      await apply(bare("global: { scrape_interval: 15s }\n"));
      expect(calls()).toEqual(["reload-or-restart prometheus"]);
    });

    it("compares files byte for byte", async () => {
      await apply(bare(), secret);
      host.write(own, "global: {}\n\n");
      expect(findingsOf(await check(bare()))).toEqual([{ id: "service-file", message: `${own} has other content than wanted`, mendable: true }]);
      host.remove(own);
      expect(findingsOf(await check(bare()))).toEqual([{ id: "service-file", message: `${own} is missing`, mendable: true }]);
    });

    it("puts no measurement on the system's drive while the tier is not mounted", async () => {
      host.remove("/run/mounted");
      const run = await apply(bare(), secret);
      expect([run.code, run.stdout]).toEqual([4, ""]);
      expect(run.stderr).toContain("/srv/warm/monitoring/prometheus would be on the system's drive: its tier is not mounted");
      expect(host.exists("/srv/warm/monitoring")).toBe(false);
    });

    it("says which service does not start", async () => {
      host.write("/run/systemctl/broken-prometheus", "");
      const run = await apply(bare(), secret);
      expect([run.code, run.stderr]).toEqual([4, expect.stringContaining("prometheus does not start: see `journalctl -u prometheus`")]);
    });

    it.each([
      ["a secret that is nowhere", "", /the secret chat-url is expected on standard input, in a line `chat-url VALUE`/],
      ["one that nobody asked for", "smtp-password hunter2\n", /does not begin with the name of a secret/],
      ["an empty one", "chat-url \n", /the secret chat-url on standard input is empty/],
    ])("refuses %s, and repeats none of it", async (_, input, message) => {
      const run = await apply(bare(), input);
      expect([run.code, run.stdout]).toEqual([2, ""]);
      expect(run.stderr).toMatch(message);
      expect(run.stderr).not.toContain("hunter2");
    });

    it("ends when a file on the command line is no gzip", async () => {
      const run = await check([...measured, "--bare", "yes", "--service", "prometheus", "--file", `${own}=bm90IGd6aXA=`]);
      expect([run.code, run.stderr]).toEqual([4, expect.stringContaining(`the content of ${own} on the command line is no gzip in base64`)]);
    });
  });

  it.each([
    [["--metrics-folder", "metrics"], /--metrics-folder: must be an absolute path/],
    [["--metrics-folder", "/m", "--package", "prometheus"], /are for --bare yes: in a cluster they are pods/],
    [["--metrics-folder", "/m", "--drive", "a b"], /--drive: must be ID or ID=TIER/],
    [["--metrics-folder", "/m", "--rdma-peer", "gpu-02=10.0.0.2"], /--rdma-peer: must be NAME=ADDRESS=NICS/],
    [["--metrics-folder", "/m", "--bare", "yes", "--file", "/etc/x=not base64!"], /--file: must be PATH=BASE64/],
    [["--metrics-folder", "/m", "--bare", "yes", "--secret", "x=/etc/x"], /--secret: must be NAME=PATH=USER/],
    [["--metrics-folder", "/m", "--bare", "yes", "--file", "/etc/../root/x=AAAA"], /--file: must be PATH=BASE64/],
  ])("refuses %j", async (args, message) => {
    const run = await check(args);
    expect([run.code, run.stdout]).toEqual([2, ""]);
    expect(run.stderr).toMatch(message);
  });
});
