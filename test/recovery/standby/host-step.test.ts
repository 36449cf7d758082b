import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { gunzipSync } from "node:zlib";
import { planHostBalancer } from "../../../components/recovery/standby/host-step";
import { packed } from "../../../components/servers/packed";
import { planServer } from "../../../components/servers/plan";
import { hasNamespaces, ScratchHost } from "../../cluster/scratch-host";
import { documentOf, findingsOf, type Finished } from "../../servers/host-script";
import { systemctl } from "../../servers/scratch-stubs";
import { bare, shipped } from "./environments";

const haproxyConfig = "/etc/haproxy/haproxy.cfg";
const keepalivedConfig = "/etc/keepalived/keepalived.conf";
const dropIn = "/etc/systemd/system/keepalived.service.d/rackwright.conf";

const dpkg = `
mkdir -p /run/packages
case "$*" in
  *Conffiles*) echo " /etc/haproxy/haproxy.cfg $(echo '# as packaged' | md5sum | cut -d' ' -f1)" ;;
  *--show*) [[ -e /run/packages/\${!#} ]] && echo "installed 1.0" ;;
esac`;
const stubs = {
  systemctl,
  "dpkg-query": dpkg,
  dpkg,
  "apt-get": "mkdir -p /run/packages /etc/haproxy; for word in \"$@\"; do case $word in *=1.0) touch /run/packages/${word%=1.0} ;; esac; done; [[ -e /etc/haproxy/haproxy.cfg ]] || echo \"# as packaged\" >/etc/haproxy/haproxy.cfg",
  "apt-cache": 'echo "  Candidate: 1.0"',
  "apt-mark": "exit 0",
  ip: 'echo "1: lo    inet 127.0.0.1/8 scope host lo"; echo "2: eno1@if9    inet $(cat /run/address 2>/dev/null || echo 10.20.0.21)/24 scope global eno1"',
  // What they say to a file, without the interface and the user that this machine has not.
  haproxy: '[[ $1 == -c ]] && ! grep -q nonsense "${!#}"',
  keepalived: '[[ $1 == --config-test ]] && ! grep -q nonsense "${!#}"',
};

const environment = shipped("sme-production");
const step = (name = "store-01", of = environment) => {
  const found = planServer(of, name).steps.find(({ kind }) => kind === "standby");
  if (found === undefined) throw new Error(`${name} is no balancer`);
  return found;
};
const flags = (args = step().args): string[] => ["--step", "store-01-standby", ...args];

describe("the step of a balancer", () => {
  it("is on balancers alone, after the base environment, with the packages counted", () => {
    const kinds = Object.keys(environment.servers).map((name) => planServer(environment, name).steps.some(({ kind }) => kind === "standby"));
    expect(Object.fromEntries(Object.keys(environment.servers).map((name, index) => [name, kinds[index]]))).toEqual({ "gpu-01": true, "gpu-02": false, "store-01": true });
    expect(step()).toMatchObject({ name: "store-01-standby", script: "standby.sh", dependsOn: ["store-01-base"] });
    expect(planServer(environment, "store-01").packages.map(({ name }) => name)).toEqual(expect.arrayContaining(["haproxy", "keepalived", "iputils-ping"]));
    expect(planHostBalancer(shipped("dev-test"), "gpu-01")).toBeUndefined();
  });

  it("is on bare hosts as well", () => expect(step("gpu-0001", bare(2)).args).toContain("10.100.0.250/32"));

  it("carries both configurations in a form that is one word, and the same twice", () => {
    const { args } = step();
    const text = (flag: string): string => gunzipSync(Buffer.from(args[args.indexOf(flag) + 1] ?? "", "base64")).toString();
    expect(text("--haproxy")).toContain("\nbackend service-assistant\n");
    expect(text("--keepalived")).toContain("  interface @INTERFACE@\n");
    expect(step().args).toEqual(args);
  });
});

if (!hasNamespaces()) process.stderr.write("unshare gives no mounts here (a kernel without user namespaces): standby.sh was not run\n");

describe.skipIf(!hasNamespaces())("standby.sh", () => {
  let host: ScratchHost;
  beforeEach(() => { host = new ScratchHost(stubs); });
  afterEach(() => { host.remove(); });

  const apply = (args = flags()): Promise<Finished> => host.run("standby.sh", ["apply", ...args]);
  const check = (args = flags()): Promise<Finished> => host.run("standby.sh", ["check", ...args]);
  const ids = (run: Finished): string[] => [...new Set(findingsOf(run).map(({ id }) => id))];
  const calls = (): string[] => (host.exists("/run/systemctl/calls") ? host.read("/run/systemctl/calls").trim().split("\n") : []);

  it("makes a balancer, so that a check then finds nothing and a second apply changes nothing", async () => {
    expect(ids(await check())).toEqual(["package-missing", "haproxy-config", "keepalived-config", "haproxy-unit", "keepalived-unit", "health-script", "haproxy-disabled", "haproxy-stopped", "keepalived-disabled", "keepalived-stopped", "metrics-script", "metrics-unit", "metrics-disabled", "metrics-stopped"]);
    const made = await apply();
    expect([made.code, made.stderr]).toEqual([0, expect.stringContaining("started keepalived")]);
    expect(documentOf(await check())).toEqual({ step: "store-01-standby", ok: true, findings: [] });
    const before = calls();
    expect(documentOf(await apply())).toEqual({ step: "store-01-standby", changed: [], rebootRequired: false });
    expect(calls()).toEqual(before);
    expect(calls()).toEqual(["daemon-reload", "enable haproxy", "start haproxy", "enable keepalived", "start keepalived", "daemon-reload", "enable rackwright-standby-metrics.timer", "restart rackwright-standby-metrics.timer"]);
  });

  it("measures what it sees every ten seconds, as a service that may write nothing else, and leaves nothing where nobody measures", async () => {
    await apply();
    const service = host.read("/etc/systemd/system/rackwright-standby-metrics.service");
    expect(service).toMatch(/^ExecStart=\/bin\/bash \/usr\/local\/lib\/rackwright\/standby-metrics\.sh --folder \/var\/lib\/rackwright\/metrics --virtual 10\.20\.0\.50\/32 --port 8405 --health \/health --statistics \/statistics$/m);
    for (const line of ["ReadWritePaths=-/var/lib/rackwright/metrics", "CapabilityBoundingSet=", "IPAddressDeny=any", "ProtectSystem=strict"]) expect(service.split("\n")).toContain(line);
    // Not counted from the last start: the service is skipped while the folder is missing, which another step makes.
    expect(service).toMatch(/^ConditionPathIsDirectory=\/var\/lib\/rackwright\/metrics$/m);
    expect(host.read("/etc/systemd/system/rackwright-standby-metrics.timer").match(/^On.*$/gm)).toEqual(["OnCalendar=*:*:0/10"]);
    const unmeasured = shipped("sme-production", (input) => (input.monitoring = { enabled: false }));
    expect(ids(await check(flags(step("store-01", unmeasured).args)))).toEqual(["metrics-unit-left"]);
    expect((await apply(flags(step("store-01", unmeasured).args))).code).toBe(0);
    expect(host.exists("/etc/systemd/system/rackwright-standby-metrics.timer")).toBe(false);
    expect(documentOf(await check(flags(step("store-01", unmeasured).args)))).toMatchObject({ ok: true });
  });

  it("has the virtual address beside the server's own, and takes it off where keepalived ends without a word", async () => {
    await apply();
    expect(host.read(keepalivedConfig)).toContain("\n  interface eno1\n");
    expect(host.read(keepalivedConfig)).toContain("    10.20.0.50/32 dev eno1\n");
    expect(host.read(dropIn).match(/^ExecStopPost=.*$/gm)).toEqual([
      expect.stringMatching(/^ExecStopPost=-\/\S+\/ip address del 10\.20\.0\.50\/32 dev eno1$/) as string,
      "ExecStopPost=-/usr/bin/ss --kill --no-header --tcp --numeric state connected src 10.20.0.50",
    ]);
    expect(host.read(dropIn)).toMatch(/^Restart=always$/m);
  });

  const without = (from: string, to: string): string[] => {
    const other = shipped("sme-production", (input) => Object.assign(input.recovery?.standby ?? {}, { [from]: to }));
    return flags(step("store-01", other).args);
  };

  it("reloads what changed, restarts nothing, and leaves the other alone", async () => {
    await apply();
    const before = calls().length;
    const changed = shipped("sme-production", (input) => Object.assign(input.services?.["assistant"] ?? {}, { hostname: "assistant.corp.example" }));
    expect(ids(await check(flags(step("store-01", changed).args)))).toEqual(["haproxy-config"]);
    expect((await apply(flags(step("store-01", changed).args))).code).toBe(0);
    expect(calls().slice(before)).toEqual(["reload haproxy"]);
    await apply(without("virtualAddress", "10.20.0.51"));
    expect(calls().slice(before + 1)).toEqual(["daemon-reload", "reload haproxy", "reload keepalived", "daemon-reload", "restart rackwright-standby-metrics.timer"]);
  });

  it.each([["haproxy", "--haproxy", haproxyConfig], ["keepalived", "--keepalived", keepalivedConfig]])("keeps the configuration that works where %s does not accept the new one", async (_, flag, file) => {
    await apply();
    const [before, done] = [host.read(file), calls().length];
    const args = flags();
    args[args.indexOf(flag) + 1] = packed("# Written by rackwright\nnonsense");
    const run = await apply(args);
    expect([run.code, run.stderr]).toEqual([4, expect.stringContaining("does not accept its new configuration")]);
    expect(host.read(file)).toBe(before);
    expect(host.exists(`${file}.fresh`)).toBe(false);
    expect(calls().slice(done)).toEqual([]);
  });

  it.each([haproxyConfig, keepalivedConfig])("refuses to replace somebody else's %s, and touches nothing", async (file) => {
    host.write(file, "global\n  maxconn 7\n");
    const run = await apply();
    expect([run.code, run.stderr]).toEqual([3, expect.stringContaining(`${file} is not ours`)]);
    expect(host.read(file)).toBe("global\n  maxconn 7\n");
    expect(host.exists(dropIn)).toBe(false);
    expect(ids(await check())).toContain("foreign-config");
  });

  it("refuses a server on which no interface has the server's address", async () => {
    host.write("/run/address", "192.0.2.7");
    const run = await apply();
    expect([run.code, run.stderr]).toEqual([3, expect.stringContaining("no interface of this server has its address 10.20.0.21")]);
  });

  it("goes on where it was cut off: started, but with the files of before", async () => {
    await apply();
    host.remove(keepalivedConfig);
    host.remove("/run/systemctl/active-haproxy");
    expect((await apply()).code).toBe(0);
    expect(documentOf(await check())).toMatchObject({ ok: true });
  });

  it.each<[string, string[], string]>([
    ["no address", ["--virtual", "10.0.0.5/32", "--haproxy", "x"], "--address is needed"],
    ["an address with a blank", ["--address", "10.0.0.1 -x"], "--address: must be an IP address"],
    ["measurements of nobody", ["--address", "10.0.0.1", "--virtual", "10.0.0.5/32", "--haproxy", packed("# HAProxy"), "--keepalived", packed("# keepalived"), "--metrics-folder", "/var/lib/rackwright/metrics"], "--statistics is needed for --metrics-folder"],
    ["what is not gzip", ["--address", "10.0.0.1", "--virtual", "10.0.0.5/32", "--haproxy", "AAAA", "--keepalived", "AAAA"], "--haproxy is needed, as gzip in base64"],
  ])("refuses %s", async (_, args, message) => {
    const run = await apply(args);
    expect([run.code, run.stderr]).toEqual([2, expect.stringContaining(message)]);
  });
});
