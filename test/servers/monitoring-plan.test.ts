import { gunzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { parseEnvironment, type Environment, type EnvironmentInput } from "../../components/environment";
import { commandLine, planServer, type HostStep } from "../../components/servers/plan";
import { packed } from "../../components/servers/packed";
import { hostKey } from "../support/environments";

function environment(change: (input: EnvironmentInput) => void = () => undefined, servers = 2): Environment {
  const server = (index: number): EnvironmentInput["servers"][string] => ({
    address: `192.0.2.${10 + index}`,
    hostKey: hostKey(`gpu-${index}`),
    roles: index === 1 ? ["worker", "control-plane"] : ["worker"],
    cpu: { model: "epyc-7543" },
    memoryGiB: 256,
    pcieGeneration: 4,
    gpus: { model: "a40", count: 2 },
    nics: { eno1: { speedGbps: 10 }, ens5f0: { speedGbps: 100, rdma: "roce" }, ens6f0: { speedGbps: 100, rdma: "roce" } },
    drives: { [`nvme-A_${index}`]: { kind: "nvme", capacityGB: 3840 }, [`nvme-B_${index}`]: { kind: "nvme", capacityGB: 3840 }, [`ata-C_${index}`]: { kind: "sata-ssd", capacityGB: 3840 }, [`ata-D_${index}`]: { kind: "sata-ssd", capacityGB: 480 } },
    tiers: { hot: { level: "raid0", drives: [`nvme-B_${index}`, `nvme-A_${index}`] }, warm: { level: "single", drives: [`ata-C_${index}`], mount: "/data/warm" } },
  });
  const input: EnvironmentInput = {
    site: { name: "lab", internetAccess: true },
    servers: Object.fromEntries(Array.from({ length: servers }, (_, index) => [`gpu-${index + 1}`, server(index + 1)])),
    cluster: { distribution: "k3s", controlPlane: ["gpu-1"] },
  };
  change(input);
  const result = parseEnvironment(input);
  if (!result.ok) throw new Error(JSON.stringify(result.problems));
  return result.environment;
}

const bare = (input: EnvironmentInput): void => {
  input.cluster = { distribution: "none" };
  for (const server of Object.values(input.servers)) server.roles = ["worker"];
};

function stepOf(from: Environment, server: string): HostStep {
  const found = planServer(from, server).steps.find(({ kind }) => kind === "monitoring");
  if (found === undefined) throw new Error("no monitoring step");
  return found;
}
const values = ({ args }: HostStep, flag: string): string[] => args.flatMap((word, index) => (args[index - 1] === flag ? [word] : []));
/** Files of the step by path, as the host unpacks them. */
const filesOf = (step: HostStep): Record<string, string> =>
  Object.fromEntries(values(step, "--file").map((value) => [value.slice(0, value.indexOf("=")), gunzipSync(Buffer.from(value.slice(value.indexOf("=") + 1), "base64")).toString()]));

describe("what a server measures of itself", () => {
  it("is its tiers, its drives with their tiers, and the RDMA way to its neighbours", () => {
    expect(stepOf(environment(), "gpu-1").args).toEqual([
      "--metrics-folder", "/var/lib/rackwright/metrics",
      "--tier", "hot:raid0:2:gpu-1-hot:/srv/hot", "--tier", "warm:single:1:gpu-1-warm:/data/warm",
      "--drive", "nvme-A_1=hot", "--drive", "nvme-B_1=hot", "--drive", "ata-C_1=warm", "--drive", "ata-D_1",
      "--rdma-nic", "ens5f0", "--rdma-nic", "ens6f0", "--rdma-peer", "gpu-2=192.0.2.12=2",
    ]);
  });

  it("is the checkpoints of the jobs that train there, on their tier, with what makes them whole", () => {
    const from = environment((input) => {
      input.training = { tune: { launcher: "deepspeed", servers: ["gpu-2", "gpu-1"], gpusPerServer: 1, command: ["train.py"] }, other: { servers: ["gpu-1"], command: ["train.py"] } };
    });
    expect(values(stepOf(from, "gpu-1"), "--checkpoints")).toEqual(["tune:1:no=/data/warm/checkpoints/tune", "other:2:yes=/data/warm/checkpoints/other"]);
    expect(values(stepOf(from, "gpu-2"), "--checkpoints")).toEqual(["tune:1:yes=/data/warm/checkpoints/tune"]);
  });

  it("is nothing where monitoring is switched off", () => {
    const plan = planServer(environment((input) => (input.monitoring = { enabled: false })), "gpu-1");
    expect([plan.monitoring, plan.steps.map(({ kind }) => kind).includes("monitoring")]).toEqual([undefined, false]);
    expect(values(plan.steps.find(({ name }) => name === "gpu-1-warm") as HostStep, "--folder")).toEqual([]);
  });

  it("leaves programs and exporters to a cluster, whose volumes for them are folders of the tier of one server", () => {
    const from = environment();
    for (const server of ["gpu-1", "gpu-2"]) expect(stepOf(from, server).args).not.toContain("--bare");
    const folders = (server: string): string[] => values(planServer(from, server).steps.find(({ name }) => name === `${server}-warm`) as HostStep, "--folder");
    expect([folders("gpu-1"), folders("gpu-2")]).toEqual([["monitoring/prometheus", "monitoring/alertmanager", "monitoring/grafana"], []]);
    const operator = environment((input) => (input.monitoring = { mode: "operator" }));
    expect(values(planServer(operator, "gpu-1").steps.find(({ name }) => name === "gpu-1-warm") as HostStep, "--folder")).toEqual([]);
  });
});

describe("monitoring of a site without a cluster", () => {
  it("puts exporters on every server, and the programs on the one that keeps the measurements", () => {
    const from = environment(bare);
    expect([values(stepOf(from, "gpu-1"), "--service"), values(stepOf(from, "gpu-2"), "--service")]).toEqual([
      ["prometheus-node-exporter", "nvidia-dcgm-exporter", "prometheus-smokeping-prober", "prometheus", "prometheus-alertmanager", "grafana-server"],
      ["prometheus-node-exporter", "nvidia-dcgm-exporter", "prometheus-smokeping-prober"],
    ]);
    expect(values(stepOf(from, "gpu-1"), "--data")).toEqual(["/data/warm/monitoring/prometheus=prometheus", "/data/warm/monitoring/alertmanager=prometheus", "/data/warm/monitoring/grafana=grafana"]);
    expect(planServer(from, "gpu-2").packages.map(({ name }) => name)).toEqual(expect.arrayContaining(["prometheus-node-exporter", "datacenter-gpu-manager-exporter", "prometheus-smokeping-prober"]));
    expect(planServer(from, "gpu-1").software.repositories).toContain("nvidia-cuda");
  });

  it("writes files that end with one newline, in systemd's, YAML's and JSON's words", () => {
    const files = filesOf(stepOf(environment(bare), "gpu-1"));
    for (const text of Object.values(files)) expect(text).toMatch(/[^\n]\n$/);
    for (const [path, text] of Object.entries(files)) {
      if (/\.ya?ml$/.test(path)) expect(typeof parse(text)).toBe("object");
      if (path.endsWith(".json")) expect(JSON.parse(text)).toMatchObject({ uid: expect.any(String) as string });
      if (path.endsWith(".conf")) expect(text).toMatch(/^# Written by rackwright.\n(\[Unit\]\nRequiresMountsFor=\/data\/warm\n)?\[Service\]\n(ExecStart=\nExecStart=\/usr\/bin\/|Environment=)/);
    }
    expect(Object.keys(files)).toEqual(expect.arrayContaining(["/etc/rackwright/prometheus/prometheus.yml", "/etc/rackwright/prometheus/rules.yml", "/etc/rackwright/alertmanager/alertmanager.yml", "/etc/grafana/provisioning/datasources/rackwright.yaml", "/etc/grafana/boards/site.json", "/etc/rackwright/dcgm-exporter/counters.csv"]));
  });

  it("keeps Prometheus and Alertmanager to the server itself, and Grafana to its address", () => {
    const files = filesOf(stepOf(environment(bare), "gpu-1"));
    const dropIn = (service: string): string => files[`/etc/systemd/system/${service}.service.d/rackwright.conf`] ?? "";
    expect(dropIn("prometheus")).toContain(" --web.listen-address=127.0.0.1:9090\n");
    expect(dropIn("prometheus")).toContain("--storage.tsdb.path=/data/warm/monitoring/prometheus --storage.tsdb.retention.size=51200MB");
    expect(dropIn("prometheus-alertmanager")).toContain("--web.listen-address=127.0.0.1:9093 --cluster.listen-address=");
    expect(dropIn("grafana-server")).toContain("Environment=GF_SERVER_HTTP_ADDR=192.0.2.11\n");
    expect(dropIn("grafana-server")).toContain('Environment="GF_SECURITY_ADMIN_PASSWORD=$__file{/etc/rackwright/grafana/admin-password}"\n');
    expect(dropIn("prometheus-node-exporter")).toContain("--collector.textfile.directory=/var/lib/rackwright/metrics");
    // In an ExecStart a lone dollar sign begins a variable.
    expect(dropIn("prometheus-node-exporter")).not.toMatch(/[^$]\$[^$]/);
  });

  it("names secrets and where they go, never what they are", () => {
    const from = environment((input) => {
      bare(input);
      input.software = { os: "debian-12" };
      input.monitoring = { smtp: { server: "mail.example.org", from: "rack@example.org", user: "rack" }, receivers: { chat: { kind: "chat" }, mail: { kind: "email", to: "ops@example.org" } } };
    });
    expect(values(stepOf(from, "gpu-1"), "--secret")).toEqual(["smtp-password=/etc/rackwright/alertmanager/smtp-password=prometheus", "chat-url=/etc/rackwright/alertmanager/chat-url=prometheus", "grafana-admin-password=/etc/rackwright/grafana/admin-password=grafana"]);
    expect(planServer(from, "gpu-1").problems).toEqual([]);
    const ubuntu = { ...from, software: { ...from.software, os: "ubuntu-22.04" as const } };
    expect(planServer(ubuntu, "gpu-1").problems).toEqual([expect.stringContaining("Ubuntu 22.04's Alertmanager 0.23 cannot read the mail server's password from a file")]);
  });

  it("asks for no password of a mail server that no receiver uses, as `up` does not", () => {
    const from = environment((input) => {
      bare(input);
      input.software = { os: "debian-12" };
      input.monitoring = { smtp: { server: "mail.example.org", from: "rack@example.org", user: "rack" } };
    });
    expect(values(stepOf(from, "gpu-1"), "--secret")).toEqual(["grafana-admin-password=/etc/rackwright/grafana/admin-password=grafana"]);
  });

  it("takes Grafana from the mirror, else from its publisher, and says so where there is neither", () => {
    const source = (site: EnvironmentInput["site"]): string[] => values(stepOf(environment((input) => {
      bare(input);
      input.site = site;
    }), "gpu-1"), "--grafana-source");
    expect(source({ name: "lab", mirror: { apt: "https://mirror.example.org/apt/" } })).toEqual(["https://mirror.example.org/apt/grafana"]);
    expect(source({ name: "lab", internetAccess: true })).toEqual(["https://apt.grafana.com"]);
    const neither = environment((input) => {
      bare(input);
      input.site = { name: "lab" };
    });
    expect(values(stepOf(neither, "gpu-1"), "--service")).not.toContain("grafana-server");
    expect(planServer(neither, "gpu-1").notes).toContainEqual(expect.stringContaining("Grafana is not installed"));
  });

  it("pings what the distribution's prober can be told of: a file on Debian, arguments on Ubuntu 22.04", () => {
    const of = (os: "debian-12" | "ubuntu-22.04"): Record<string, string> => filesOf(stepOf(environment((input) => {
      bare(input);
      input.software = { os };
    }, 3), "gpu-2"));
    const dropIn = "/etc/systemd/system/prometheus-smokeping-prober.service.d/rackwright.conf";
    expect(parse(of("debian-12")["/etc/rackwright/smokeping-prober/targets.yml"] ?? "")).toMatchObject({ targets: [{ hosts: ["192.0.2.13", "192.0.2.11"] }] });
    expect(of("ubuntu-22.04")[dropIn]).toMatch(/ 192\.0\.2\.13 192\.0\.2\.11\n/);
    expect(of("ubuntu-22.04")["/etc/rackwright/smokeping-prober/targets.yml"]).toBeUndefined();
  });

  it("fits into one word of a command line, which Linux limits to 128 KiB, with 200 servers too", () => {
    for (const servers of [1, 200]) {
      const step = stepOf(environment((input) => bare(input), servers), "gpu-1");
      expect(Buffer.byteLength(commandLine(step, "apply", "ops"))).toBeLessThan(120 * 1024);
    }
  });
});

describe("a packed text", () => {
  it("is the same on every machine, and what it was when it is unpacked", () => {
    const text = "a line\n".repeat(1000);
    const bytes = Buffer.from(packed(text), "base64");
    expect(gunzipSync(bytes).toString()).toBe(text);
    // No time and no operating system in its header.
    expect([...bytes.subarray(3, 8), bytes[9]]).toEqual([0, 0, 0, 0, 0, 255]);
  });
});
