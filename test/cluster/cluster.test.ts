import * as pulumi from "@pulumi/pulumi";
import { unknown } from "@pulumi/pulumi/output";
import { describe, expect, it } from "vitest";
import { urnsToMend } from "../../cli/mend";
import { Cluster } from "../../components/cluster";
import type { Environment } from "../../components/environment";
import { commandLine, planServer, Server, type Credentials } from "../../components/servers";
import { record, Secret, type RecordOptions, type Recording } from "../servers/recorder";
import { planOf, site, stack } from "./environments";

const command = "command:remote:Command";
const provider = "pulumi:providers:kubernetes";
const everySecret: Credentials = { inferenceApiKey: pulumi.secret("API-KEY"), kubeconfig: pulumi.secret("KUBECONFIG") };

function run(environment: Environment, credentials: Credentials = everySecret, options: RecordOptions = {}): Promise<Recording> {
  return record(() => {
    const servers = new Map(Object.keys(environment.servers).map((name) => [name, new Server(name, { environment, credentials })]));
    new Cluster("cluster", { environment, plan: planOf(), credentials, servers });
  }, options);
}

const outputs = {
  "ctrl-01-k3s-token": { stdout: "K10abc::server:TOKEN\n" },
  "ctrl-01-kubeconfig": { stdout: "server: https://127.0.0.1:6443\ntoken: KUBE-TOKEN\n" },
};

describe("a k3s cluster", () => {
  it("has the commands that a rehearsal answers for, under names that the state knows them by", async () => {
    const { urns } = await run(site());
    expect(urns.filter((urn) => urn.includes("rackwright:cluster") && !urn.includes("kubernetes:")).sort()).toEqual([
      "rackwright:cluster:Cluster$command:remote:Command::ctrl-01-k3s-token",
      "rackwright:cluster:Cluster$command:remote:Command::ctrl-01-kubeconfig",
      ...["ctrl-01", "ctrl-02", "ctrl-03", "gpu-01", "gpu-02", "gpu-03"].map((name) => `rackwright:cluster:Cluster$rackwright:cluster:K3sNode::${name}-k3s`),
      "rackwright:cluster:Cluster::cluster",
      ...["ctrl-01", "ctrl-02", "ctrl-03", "gpu-01", "gpu-02", "gpu-03"].map((name) => `rackwright:cluster:K3sNode$command:remote:Command::${name}-k3s`),
    ].sort());
    expect(urns).toContain("rackwright:cluster:Cluster$pulumi:providers:kubernetes::cluster");
    expect(urns).toContain("rackwright:cluster:Cluster$kubernetes:core/v1:NodePatch::nodepatch-gpu-01");
    expect(urns).toContain("rackwright:cluster:Cluster$kubernetes:apps/v1:DaemonSet::daemonset-accelerators-nvidia-device-plugin");
  });

  it("is made by the first server, joined by the rest of the control plane one by one, then by all agents", async () => {
    const { resources } = await run(site());
    const order = resources.filter(({ type, name }) => type === command && /-(k3s|k3s-token)$/.test(name)).map(({ name }) => name);
    expect(order.slice(0, 4)).toEqual(["ctrl-01-k3s", "ctrl-01-k3s-token", "ctrl-02-k3s", "ctrl-03-k3s"]);
    expect(order.slice(4).sort()).toEqual(["gpu-01-k3s", "gpu-02-k3s", "gpu-03-k3s"]);
    const at = (wanted: string): number => resources.findIndex(({ type, name }) => type === command && name === wanted);
    for (const server of ["gpu-01", "gpu-02", "gpu-03"]) expect(at(`${server}-k3s`)).toBeGreaterThan(at(`${server}-driver`));
  });

  it("hands the token over by standard input only, and hides it and the kubeconfig everywhere", async () => {
    const environment = site();
    const recording = await run(environment, everySecret, { preview: false, outputs });
    expect(recording.named(command, "ctrl-01-k3s").inputs).not.toHaveProperty("stdin");
    for (const name of ["ctrl-02", "gpu-01"]) {
      const { inputs } = recording.named(command, `${name}-k3s`);
      expect(inputs.stdin).toEqual(new Secret("K10abc::server:TOKEN\n"));
      expect(inputs.create).toBe(commandLine(planServer(environment, name).clusterSteps[0] ?? expect.fail(), "apply", "ops"));
    }
    for (const name of ["ctrl-01-k3s-token", "ctrl-01-kubeconfig"]) expect(recording.named(command, name).inputs).toMatchObject({ logging: "none", triggers: ["v1.35.4+k3s1"] });
    expect(recording.named(command, "ctrl-01-kubeconfig").inputs.create).toBe("sudo -n cat /etc/rancher/k3s/k3s.yaml");
    for (const { inputs } of recording.resources) {
      const plain = Object.fromEntries(Object.entries(inputs).filter(([, value]) => !(value instanceof Secret)));
      expect(JSON.stringify(plain)).not.toMatch(/TOKEN|API-KEY|KUBECONFIG/);
    }
  });

  it("is reached at the address that nodes and people use", async () => {
    const { inputs } = (await run(site(), everySecret, { preview: false, outputs })).named(provider, "cluster");
    expect(inputs.kubeconfig).toEqual(new Secret("server: https://10.0.0.10:6443\ntoken: KUBE-TOKEN\n"));
    expect(inputs).toMatchObject({ enableServerSideApply: "true", clusterIdentifier: "site/k3s" });
  });

  it("is mended by running a node's own command again", async () => {
    const { urns } = await run(site());
    const ours = urns.find((urn) => urn.endsWith("K3sNode$command:remote:Command::gpu-01-k3s"));
    const whole = `urn:pulumi:site::rackwright::rackwright:site:Site$rackwright:cluster:Cluster$${ours ?? ""}`;
    const check = { server: "gpu-01", step: "gpu-01-k3s", kind: "k3s" as const, findings: [{ id: "k3s-stopped", message: "", mendable: true }] };
    expect(urnsToMend("site", [check], new Set([whole]))).toEqual([whole]);
  });

  it("has SQLite and no token for one server", async () => {
    const environment = stack("dev-test");
    const { resources } = await run(environment);
    expect(resources.some(({ name }) => name.endsWith("-k3s-token"))).toBe(false);
    expect(planServer(environment, "gpu-01").clusterSteps[0]?.args).toEqual([
      "--role", "first", "--version", "v1.35.4+k3s1", "--files", "https://github.com/k3s-io/k3s/releases/download/v1.35.4%2Bk3s1",
      "--node-name", "gpu-01", "--address", "192.0.2.11", "--system-reserved", "cpu=2,memory=8Gi", "--etcd", "no", "--tls-san", "192.0.2.11", "--pod-cidr", "10.42.0.0/16", "--service-cidr", "10.43.0.0/16",
    ]);
  });

  it("has nodes that are noticed to be gone sooner where something stands by, on every server alike", () => {
    const environment = stack("sme-production");
    for (const name of Object.keys(environment.servers)) {
      const args = planServer(environment, name).clusterSteps[0]?.args ?? [];
      expect(args[args.indexOf("--node-life") + 1], name).toBe("20:2:20:4");
    }
  });

  it("takes its files from the site's mirror", () => {
    expect(planServer(site(), "gpu-02").clusterSteps.map(({ name, dependsOn, args }) => ({ name, dependsOn, args }))).toEqual([
      {
        name: "gpu-02-k3s",
        dependsOn: ["ctrl-03-k3s"],
        args: [
          "--role", "agent", "--version", "v1.35.4+k3s1", "--files", "http://mirror.example.org/files/k3s/v1.35.4%2Bk3s1", "--node-name", "gpu-02", "--address", "10.0.0.22",
          "--system-reserved", "cpu=1,memory=4Gi", "--join", "https://10.0.0.10:6443", "--image-mirror", "registry.example.org:5000/copies",
        ],
      },
    ]);
  });
});

describe("a cluster that exists", () => {
  const existing = (): Environment => site((input) => {
    input.cluster = { distribution: "existing" };
    for (const server of Object.values(input.servers)) server.roles = ["worker"];
    input.services = { assistant: { model: "qwen2.5-7b" } };
  });

  it("is reached with the kubeconfig that is a secret, and its servers get no k3s", async () => {
    const recording = await run(existing());
    expect(recording.named(provider, "cluster").inputs.kubeconfig).toEqual(new Secret("KUBECONFIG"));
    expect(recording.resources.some(({ name }) => name.includes("k3s"))).toBe(false);
    expect(recording.named("kubernetes:core/v1:Secret", "secret-inference-inference-api-key").inputs.data).toEqual(new Secret({ key: Buffer.from("API-KEY").toString("base64") }));
  });

  it("is planned without secrets: what needs them is not known yet, and nothing is contacted", async () => {
    const recording = await run(existing(), {});
    expect(recording.named(provider, "cluster").inputs.kubeconfig).toEqual(new Secret(unknown));
  });

  it("is not brought up without them", async () => {
    await expect(run(existing(), {}, { preview: false })).rejects.toThrow(/rackwright:kubeconfig is missing: set it with \.\/rackwright secret reference kubeconfig, or pulumi config set --secret --stack reference rackwright:kubeconfig/);
    await expect(run(existing(), { kubeconfig: "KUBECONFIG" }, { preview: false })).rejects.toThrow(/rackwright:inferenceApiKey is missing/);
  });
});
