import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { parse } from "yaml";
import { documentOf, findingsOf, type Finished } from "../servers/host-script";
import { Mirror, standIn } from "./k3s-mirror";
import { hasNamespaces, ScratchHost } from "./scratch-host";

const version = "v1.35.4+k3s1";
const token = "K10c0ffee::server:0123456789abcdef";
const binary = "/usr/local/bin/k3s";
const config = "/etc/rancher/k3s/config.yaml";
const registries = "/etc/rancher/k3s/registries.yaml";
const tokenFile = "/etc/rackwright/k3s-token";

const stubs = {
  // Starts what the unit names and waits for it: the stand-in ends when it has started.
  systemctl: `
folder=/run/systemctl; mkdir -p $folder
unit=\${!#}; unit=\${unit%.service}
echo "$*" >>$folder/calls
case $1 in
  enable) touch $folder/enabled-$unit ;;
  is-enabled) [[ -e $folder/enabled-$unit ]] ;;
  is-active) [[ -e $folder/active-$unit ]] ;;
  show) cat $folder/restarts 2>/dev/null || echo 0 ;;
  restart)
    rm -f $folder/active-$unit
    line=$(grep ^ExecStart= /etc/systemd/system/$unit.service)
    if \${line#ExecStart=}; then touch $folder/active-$unit; else echo 5 >$folder/restarts; fi ;;
esac`,
  journalctl: "echo 'level=fatal msg=\"the stand-in was told to fail\"'",
  ip: "echo '2: eno1    inet 10.0.0.11/24 brd 10.0.0.255 scope global eno1'",
  sleep: "true",
};

/** Flags of `k3s server` and `k3s agent` that config.yaml may name: pkg/cli/cmds/server.go and agent.go in k3s's source. Of all that there are, those that are used. */
const k3sFlags = {
  server: ["node-name", "node-ip", "kubelet-arg", "server", "token-file", "cluster-init", "cluster-cidr", "service-cidr", "kube-controller-manager-arg", "tls-san", "disable", "secrets-encryption", "write-kubeconfig-mode"],
  agent: ["node-name", "node-ip", "kubelet-arg", "server", "token-file"],
};

if (!hasNamespaces()) process.stderr.write("unshare gives no mounts here (a kernel without user namespaces): k3s.sh was not run\n");

describe.skipIf(!hasNamespaces())("k3s.sh", () => {
  const mirror = new Mirror();
  let host: ScratchHost;

  beforeAll(() => mirror.start());
  afterAll(() => mirror.stop());
  beforeEach(() => {
    mirror.requests.length = 0;
    mirror.hold(version);
    host = new ScratchHost(stubs);
  });
  afterEach(() => { host.remove(); });

  const common = (release = version): string[] => ["--version", release, "--files", mirror.folder(release), "--step", "node-k3s", "--image-mirror", "registry.site.example:5000/copies"];
  const network = ["--pod-cidr", "10.42.0.0/16", "--service-cidr", "10.43.0.0/16"];
  const first = (release = version, ...more: string[]): string[] => ["--role", "first", "--node-name", "ctrl-01", "--address", "10.0.0.11", "--system-reserved", "cpu=2,memory=8Gi", "--etcd", "yes", "--tls-san", "10.0.0.10", "--tls-san", "10.0.0.11", ...network, ...common(release), ...more];
  const agent = (...more: string[]): string[] => ["--role", "agent", "--node-name", "gpu-01", "--address", "10.0.0.21", "--join", "https://10.0.0.10:6443", ...common(), ...more];
  const apply = (args: string[], input?: string): Promise<Finished> => host.run("k3s.sh", ["apply", ...args], input);
  const check = (args: string[]): Promise<Finished> => host.run("k3s.sh", ["check", ...args]);
  const ids = (run: Finished): string[] => findingsOf(run).map(({ id }) => id);
  const calls = (verb: string): string[] => (host.exists("/run/systemctl/calls") ? host.read("/run/systemctl/calls").split("\n").filter((line) => line.startsWith(verb)) : []);

  it("notices sooner that a node is gone, where the environment says so, and goes back to Kubernetes' own patience", async () => {
    const patient = first();
    const quick = first(version, "--node-life", "20:2:20:4");
    await apply(quick);
    const written = parse(host.read(config)) as Record<string, unknown>;
    expect(written["kube-controller-manager-arg"]).toEqual(["node-monitor-grace-period=20s", "node-monitor-period=2s"]);
    expect(written["kubelet-arg"]).toEqual(["system-reserved=cpu=2,memory=8Gi", "config=/etc/rackwright/kubelet.yaml"]);
    expect(parse(host.read("/etc/rackwright/kubelet.yaml"))).toEqual({ apiVersion: "kubelet.config.k8s.io/v1beta1", kind: "KubeletConfiguration", nodeLeaseDurationSeconds: 20, nodeStatusUpdateFrequency: "4s" });
    expect(documentOf(await check(quick))).toEqual({ step: "node-k3s", ok: true, findings: [] });
    host.write("/etc/rackwright/kubelet.yaml", "nodeLeaseDurationSeconds: 40\n");
    expect(ids(await check(quick))).toEqual(["k3s-kubelet"]);
    await apply(patient);
    expect(host.read(config)).not.toMatch(/node-monitor|kubelet\.yaml/);
    expect((await apply(first(version, "--node-life", "20:2"))).code).toBe(2);
  });

  it("tells agents what is theirs of it, their lease", async () => {
    expect((await apply(agent("--node-life", "20:2:20:4"), token)).code).toBe(0);
    expect(parse(host.read(config))).toMatchObject({ "kubelet-arg": ["config=/etc/rackwright/kubelet.yaml"] });
    expect(parse(host.read(config))).not.toHaveProperty("kube-controller-manager-arg");
  });

  it("makes a cluster from the mirror's files, so that a check then finds nothing and a second apply changes nothing", async () => {
    expect(ids(await check(first()))).toEqual(["k3s-missing", "k3s-images", "k3s-config", "k3s-registries", "k3s-unit", "k3s-disabled", "k3s-stopped"]);
    const made = await apply(first());
    expect([made.code, made.stderr]).toEqual([0, expect.stringContaining("started k3s")]);
    expect(parse(host.read(config))).toEqual({
      "node-name": "ctrl-01", "node-ip": "10.0.0.11", "kubelet-arg": ["system-reserved=cpu=2,memory=8Gi"], "cluster-init": true, "cluster-cidr": "10.42.0.0/16", "service-cidr": "10.43.0.0/16",
      "tls-san": ["10.0.0.10", "10.0.0.11"], disable: ["local-storage"], "secrets-encryption": true, "write-kubeconfig-mode": "0600",
    });
    expect(host.mode(config)).toBe("600");
    const again = await apply(first());
    expect([again.code, documentOf(again)]).toEqual([0, { step: "node-k3s", changed: [], rebootRequired: false }]);
    expect(documentOf(await check(first()))).toEqual({ step: "node-k3s", ok: true, findings: [] });
    expect(calls("restart")).toEqual(["restart --no-block k3s"]);
    expect(mirror.requests).toEqual([`/files/k3s/${version}/sha256sum-amd64.txt`, `/files/k3s/${version}/k3s-airgap-images-amd64.tar.zst`, `/files/k3s/${version}/k3s`]);
  });

  it("takes images of every registry that is used from the site's one, below its folder", async () => {
    await apply(first());
    const { mirrors } = parse(host.read(registries)) as { mirrors: Record<string, unknown> };
    expect(Object.keys(mirrors)).toEqual(["docker.io", "ghcr.io", "nvcr.io", "public.ecr.aws", "quay.io", "registry.k8s.io"]);
    for (const entry of Object.values(mirrors)) expect(entry).toEqual({ endpoint: ["https://registry.site.example:5000"], rewrite: { "^(.*)$": "copies/$1" } });
  });

  it("takes the cluster's token from standard input when it joins, keeps it to root, and says it nowhere", async () => {
    const joined = await apply(agent(), `${token}\n`);
    expect(joined.code).toBe(0);
    expect([host.read(tokenFile), host.mode(tokenFile)]).toEqual([`${token}\n`, "600"]);
    for (const text of [joined.stdout, joined.stderr, host.read(config), host.read("/etc/systemd/system/k3s-agent.service"), host.read("/run/systemctl/calls")]) expect(text).not.toContain(token);
    expect(parse(host.read(config))).toEqual({ "node-name": "gpu-01", server: "https://10.0.0.10:6443", "token-file": tokenFile });
    const again = await apply(agent());
    expect([again.code, documentOf(again).changed]).toEqual([0, []]);
  });

  it("is set up in k3s's own words, whatever its role", async () => {
    const keys = (): string[] => Object.keys(parse(host.read(config)) as object);
    await apply(agent("--system-reserved", "cpu=1,memory=4Gi", "--address", "10.0.0.11"), token);
    expect(keys().sort()).toEqual([...k3sFlags.agent].sort());
    host.remove("/etc/systemd/system/k3s-agent.service");
    const joining = first().map((word, index, words) => (words[index - 1] === "--role" ? "server" : word));
    await apply([...joining, "--join", "https://10.0.0.10:6443"], token);
    expect(k3sFlags.server).toEqual(expect.arrayContaining(keys()));
    expect(keys()).toEqual(expect.arrayContaining(["server", "token-file", "cluster-cidr"]));
    expect(keys()).not.toContain("cluster-init");
  });

  it("asks for the token where it has none, and takes nothing else for one", async () => {
    const without = await apply(agent());
    expect([without.code, without.stdout]).toEqual([2, ""]);
    expect(without.stderr).toMatch(/token is expected on standard input: it is .*node-token of the first server/);
    const wrong = await apply(agent(), "two words\n");
    expect([wrong.code, wrong.stderr.includes("two words")]).toEqual([2, false]);
  });

  it("finds what drifts, mends it, and restarts k3s for it", async () => {
    await apply(first());
    host.write(config, "node-name: other\n", 0o644);
    host.write("/etc/systemd/system/k3s.service", `${host.read("/etc/systemd/system/k3s.service")}Nice=19\n`);
    host.write(binary, standIn(version, "echo changed"), 0o755);
    host.remove("/run/systemctl/active-k3s");
    expect(ids(await check(first()))).toEqual(["k3s-file", "k3s-config", "k3s-mode", "k3s-unit", "k3s-stopped"]);
    expect((await apply(first())).code).toBe(0);
    expect(documentOf(await check(first()))).toMatchObject({ ok: true });
    expect(calls("restart")).toHaveLength(2);
  });

  it("is started anew where it began before NVIDIA's container runtime was there", async () => {
    await apply(first());
    host.write("/stubs/nvidia-container-runtime", "#!/bin/sh\n", 0o755);
    expect(documentOf(await check(first()))).toMatchObject({ ok: true });
    host.write("/var/lib/rancher/k3s/agent/etc/containerd/config.toml", "version = 3\n");
    expect(ids(await check(first()))).toEqual(["k3s-runtime"]);
    await apply(first());
    expect(calls("restart")).toHaveLength(2);
    host.write("/var/lib/rancher/k3s/agent/etc/containerd/config.toml", 'BinaryName = "/usr/bin/nvidia-container-runtime"\n');
    expect(documentOf(await check(first()))).toMatchObject({ ok: true });
  });

  it("brings a newer release in the place of an older one", async () => {
    await apply(first());
    mirror.hold("v1.35.10+k3s1");
    const newer = first("v1.35.10+k3s1");
    expect(ids(await check(newer))).toEqual(["k3s-version", "k3s-images"]);
    expect((await apply(newer)).code).toBe(0);
    expect(documentOf(await check(newer))).toMatchObject({ ok: true });
    expect((await apply(first())).code).toBe(3);
    expect(ids(await check(first()))).toContain("newer-version");
  });

  it("installs nothing that is not what the release says", async () => {
    mirror.put(version, "k3s", standIn(version, "echo tampered"));
    const run = await apply(first());
    expect([run.code, run.stdout, host.exists(binary)]).toEqual([4, "", false]);
    expect(run.stderr).toMatch(/k3s is not what sha256sum-amd64.txt beside it says .*: copy both again from the release/);
  });

  it.each(["k3s", "k3s-airgap-images-amd64.tar.zst", "sha256sum-amd64.txt"])("says which file the mirror lacks: %s", async (name) => {
    mirror.put(version, name, undefined);
    const run = await apply(first());
    expect([run.code, run.stdout, host.exists(binary)]).toEqual([4, "", false]);
    expect(run.stderr).toContain(`${mirror.folder(version)}/${name} cannot be fetched: does the mirror hold the files of k3s ${version}`);
  });

  it("says when the release's checksums lack a file", async () => {
    mirror.put(version, "sha256sum-amd64.txt", "not a checksum\n");
    const run = await apply(first());
    expect([run.code, run.stderr]).toEqual([4, expect.stringContaining("has no checksums of k3s")]);
  });

  it("tells k3s's last words when it does not get ready", async () => {
    mirror.hold(version, standIn(version, "false"));
    const run = await apply(first());
    expect([run.code, run.stdout]).toEqual([4, ""]);
    expect(run.stderr).toContain("the stand-in was told to fail");
    expect(run.stderr).toContain("k3s does not get ready");
  });

  const refusals: [string, () => Promise<unknown>, () => string[], RegExp][] = [
    ["a k3s that somebody else installed", () => { host.write("/etc/systemd/system/k3s.service", "[Unit]\n"); return Promise.resolve(); }, first, /k3s.service is not ours/],
    ["a node of kubeadm's", () => { host.write("/etc/kubernetes/kubelet.conf", ""); return Promise.resolve(); }, first, /a node of another cluster/],
    ["another cluster's data", () => { host.write("/var/lib/rancher/k3s/server/db/state.db", "data"); return Promise.resolve(); }, first, /holds a cluster's data that is not of this one/],
    ["another network than the cluster was made with", () => apply(first()), () => first().map((word) => (word === "10.42.0.0/16" ? "10.50.0.0/16" : word)), /made with cluster-cidr 10.42.0.0\/16, the environment says 10.50.0.0\/16/],
    ["another role than the server has", () => apply(agent(), token), first, /set up as an agent/],
  ];
  it.each(refusals)("touches nothing where there is %s, and ends with 3", async (_, prepare, args, message) => {
    await prepare();
    const before = calls("restart").length;
    mirror.requests.length = 0;
    const run = await apply(args(), token);
    expect([run.code, run.stdout]).toEqual([3, ""]);
    expect(run.stderr).toMatch(message);
    expect([calls("restart").length, mirror.requests]).toEqual([before, []]);
    expect(findingsOf(await check(args())).some(({ message: text, mendable }) => message.test(text) && !mendable)).toBe(true);
  });

  it.each([
    ["--join with the first server", ["--role", "first", "--join", "https://10.0.0.1:6443"], /--join is not for the first server/],
    ["an agent without a place to join", ["--role", "agent"], /--join is needed for --role agent/],
    ["a release that is none", ["--role", "first", "--version", "latest"], /--version: must be a release such as/],
    ["files over a scheme that apt has not", ["--role", "first", "--files", "ftp://mirror"], /--files: must be an http or https URL/],
    ["a node name that would be YAML", ["--role", "first", "--node-name", 'a"\nb'], /--node-name: must be a node name/],
  ])("refuses %s", async (_, args, message) => {
    const rest = ["--version", version, "--files", mirror.folder(version), "--node-name", "node", ...network];
    const run = await apply([...rest, ...args]);
    expect([run.code, run.stdout]).toEqual([2, ""]);
    expect(run.stderr).toMatch(message);
  });
});
