import { readFileSync } from "node:fs";
import { join } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { parseEnvironment, type Environment } from "../../components/environment";
import { commandLine, planServer } from "../../components/servers";
import { planSite, Site, type SiteArgs } from "../../components/site";
import { record, Secret, type Recording } from "./recorder";

const command = "command:remote:Command";

function devTest(change: (input: Record<string, Record<string, unknown>>) => void = () => undefined): Environment {
  const file = join(__dirname, "../../stacks/Pulumi.dev-test.yaml");
  const { config } = parse(readFileSync(file, "utf8")) as { config: Record<string, Record<string, Record<string, unknown>>> };
  const input = config["rackwright:environment"] ?? {};
  change(input);
  const result = parseEnvironment(input);
  if (!result.ok) throw new Error(JSON.stringify(result.problems));
  return result.environment;
}

/** The part of the program that is about servers: what runs on them is in test/site. */
const ofServers = (type: string): boolean => !/cluster|inference|kubernetes|:monitoring:|:recovery:/.test(type);

const site = (args: Omit<SiteArgs, "plan">): Promise<Recording> => record(() => new Site("dev-test", { ...args, plan: planSite(args.environment) }).add());

describe("resources of the dev-test environment", () => {
  it("keep their types, names and parents, for these are what the state knows them by", async () => {
    const { urns } = await site({ environment: devTest() });
    expect(urns.filter(ofServers).sort()).toEqual([
      "rackwright:servers:BaseEnvironment$command:remote:Command::gpu-01-base",
      "rackwright:servers:GpuDriver$command:remote:Command::gpu-01-driver",
      "rackwright:servers:HostMonitoring$command:remote:Command::gpu-01-monitoring",
      "rackwright:servers:Server$command:remote:CopyToRemote::gpu-01-tools",
      "rackwright:servers:Server$rackwright:servers:BaseEnvironment::gpu-01-base",
      "rackwright:servers:Server$rackwright:servers:GpuDriver::gpu-01-driver",
      "rackwright:servers:Server$rackwright:servers:HostMonitoring::gpu-01-monitoring",
      "rackwright:servers:Server$rackwright:servers:StorageTier::gpu-01-cold",
      "rackwright:servers:Server$rackwright:servers:StorageTier::gpu-01-hot",
      "rackwright:servers:Server$rackwright:servers:StorageTier::gpu-01-warm",
      "rackwright:servers:StorageTier$command:remote:Command::gpu-01-cold",
      "rackwright:servers:StorageTier$command:remote:Command::gpu-01-hot",
      "rackwright:servers:StorageTier$command:remote:Command::gpu-01-warm",
      "rackwright:site:Site$rackwright:servers:Server::gpu-01",
      "rackwright:site:Site::dev-test",
    ]);
  });

  it("register a server's tools first and its base environment before everything else on it", async () => {
    const { resources } = await site({ environment: devTest() });
    const order = resources.filter((resource) => resource.custom && /-(tools|base|hot|warm|cold|driver)$/.test(resource.name)).map((resource) => resource.name);
    expect(order.slice(0, 2)).toEqual(["gpu-01-tools", "gpu-01-base"]);
    expect(order.slice(2).sort()).toEqual(["gpu-01-cold", "gpu-01-driver", "gpu-01-hot", "gpu-01-warm"]);
  });
});

describe("a host step's command", () => {
  it("has exactly the inputs that it needs: no update, no delete, no environment, no triggers", async () => {
    const environment = devTest();
    const recording = await site({ environment });
    const plan = planServer(environment, "gpu-01");
    for (const step of plan.steps) {
      expect(recording.named(command, step.name).inputs).toEqual({
        addPreviousOutputInEnv: false,
        connection: new Secret({ dialErrorLimit: 10, host: "192.0.2.11", hostKey: environment.servers["gpu-01"]?.hostKey, perDialTimeout: 15, port: 22, user: "ops" }),
        create: commandLine(step, "apply", "ops"),
        logging: "stderr",
      });
    }
  });

  it("gets the private key where there is one, and the bastion with its own host key", async () => {
    const environment = devTest((input) => {
      Object.assign(input.ssh ?? {}, { bastion: { address: "jump.example.org", port: 2200, user: "jump", hostKey: (input.servers?.["gpu-01"] as { hostKey: string }).hostKey } });
    });
    const recording = await site({ environment, credentials: { sshPrivateKey: pulumi.secret("the key") } });
    const { connection } = recording.named(command, "gpu-01-hot").inputs;
    expect(connection).toBeInstanceOf(Secret);
    expect((connection as Secret).value).toMatchObject({
      privateKey: "the key",
      proxy: { host: "jump.example.org", port: 2200, user: "jump", hostKey: environment.ssh.bastion?.hostKey, privateKey: "the key" },
    });
  });
});

describe("the tools", () => {
  it("are one folder, named relative to the program so that every machine has the same state", async () => {
    const { inputs } = (await site({ environment: devTest() })).named("command:remote:CopyToRemote", "gpu-01-tools");
    expect(Object.keys(inputs).sort()).toEqual(["connection", "remotePath", "source"]);
    expect(inputs.remotePath).toBe(".rackwright");
    expect(await (inputs.source as { path: Promise<string> }).path).toBe("components/servers/scripts");
  });
});

describe("a component's spec", () => {
  it("has a tier's drives with what is known of them", async () => {
    const { inputs } = (await site({ environment: devTest() })).named("rackwright:servers:StorageTier", "gpu-01-hot");
    expect(inputs).toEqual({
      server: "gpu-01", tier: "hot", level: "raid0", chunkKiB: 512, mount: "/srv/hot", arrayName: "gpu-01-hot", dataDrives: 2, rawGB: 4000, usableGB: 4000, survivesDrives: 0,
      drives: [
        { id: "nvme-Samsung_SSD_990_PRO_2TB_S7DNNJ0WA01101F", kind: "nvme", capacityGB: 2000 },
        { id: "nvme-Samsung_SSD_990_PRO_2TB_S7DNNJ0WA01102K", kind: "nvme", capacityGB: 2000 },
      ],
    });
  });

  it("has a driver's release, its engines and whether there is a fabric manager", async () => {
    const { inputs } = (await site({ environment: devTest() })).named("rackwright:servers:GpuDriver", "gpu-01-driver");
    expect(inputs).toMatchObject({ server: "gpu-01", gpus: { model: "rtx-4090", count: 2, nvlink: "none" }, branch: "580", version: "580.173.02", fabricManager: false, cudaToolkit: "12.2", persistenceDaemon: true, engines: ["vllm"] });
  });

  it("never holds a secret, whatever the environment", async () => {
    const environment = devTest((input) => {
      Object.assign(input.site ?? {}, { objectStore: { endpoint: "https://s3.example.org", bucket: "archive" } });
      delete (input.servers?.["gpu-01"] as { tiers: { cold?: unknown } }).tiers.cold;
      delete input.recovery;
    });
    const credentials = { sshPrivateKey: pulumi.secret("PRIVATE-KEY"), objectStoreAccessKeyId: pulumi.secret("ACCESS-KEY"), objectStoreSecretAccessKey: pulumi.secret("SECRET-KEY") };
    const recording = await site({ environment, credentials });
    for (const { inputs } of recording.resources) {
      const plain = Object.fromEntries(Object.entries(inputs).filter(([, value]) => !(value instanceof Secret)));
      expect(JSON.stringify(plain)).not.toMatch(/PRIVATE-KEY|ACCESS-KEY|SECRET-KEY/);
    }
    const store = recording.named(command, "gpu-01-object-store");
    expect(store.inputs.stdin).toEqual(new Secret("ACCESS-KEY\nSECRET-KEY\n"));
    expect(Object.keys(store.inputs).sort()).toEqual(["addPreviousOutputInEnv", "connection", "create", "logging", "stdin"]);
    expect(recording.named("rackwright:servers:ObjectStore", "gpu-01-object-store").inputs).toEqual({ server: "gpu-01", endpoint: "https://s3.example.org", bucket: "archive", region: "us-east-1" });
  });
});
