import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { coldStartEngine } from "../../cli/cold-start/engine";
import type { LoadedEnvironment } from "../../cli/project";
import { listEnvironments, loadStackFile, parseEnvironment, type EnvironmentInput } from "../../components/environment";
import { dataFile, imagesIn, imageFile, planColdStart, sumsFile } from "../../components/recovery/cold-start/plan";
import { readsOfCluster, withoutCluster } from "../../components/recovery/cold-start/state";
import { importStack } from "../../engine";
import { planServer } from "../../components/servers/plan";
import { generatedEnvironment } from "../support/environments";

const stacks = join(__dirname, "../../stacks");

function environmentOf(change: (input: EnvironmentInput) => void) {
  const input = generatedEnvironment(2);
  change(input);
  const parsed = parseEnvironment(input);
  if (!parsed.ok) throw new Error(parsed.problems.map(({ path, message }) => `${path} ${message}`).join("\n"));
  return parsed.environment;
}

const planOf = (change: (input: EnvironmentInput) => void = () => undefined) => planColdStart(environmentOf(change));

describe("what a set takes", () => {
  it("is every package of every step, at the version that is pinned", () => {
    const [first] = planOf().servers;
    expect(first?.packages).toEqual(expect.arrayContaining(["mdadm", "xfsprogs", "nvidia-open-580=580.173.02", "nvidia-container-toolkit=1.20.0"]));
    expect(new Set(first?.packages).size).toBe(first?.packages.length);
  });

  it("is all that the steps of every server ask for, those of backups among them", () => {
    const asked = listEnvironments(stacks).flatMap((name) => {
      const loaded = loadStackFile(join(stacks, `Pulumi.${name}.yaml`));
      if (!loaded.ok) throw new Error(`${name} is not well formed`);
      return planColdStart(loaded.environment).servers.map((server) => {
        const { steps, clusterSteps, recoverySteps, packages } = planServer(loaded.environment, server.name);
        const lines = [...steps, ...clusterSteps, ...recoverySteps].map(({ args }) => args.join(" ")).join(" ");
        expect(server.packages).toEqual([...new Set([...lines.matchAll(/--(?:held-)?package (\S+)/g)].map(([, package_]) => package_))].sort());
        for (const { name: planned, version } of packages) expect(server.packages).toContain(version === undefined ? planned : `${planned}=${version}`);
        return server.packages;
      });
    });
    expect(asked.flat()).toContain("restic");
  });

  it("is what lies on warm tiers and has no other source, never what is on the hot tier, never the measurements", () => {
    const plan = planOf((input) => {
      input.training = { job: { servers: ["gpu-0001"], command: ["train"] } };
      input.recovery = { checkpoints: { tier: "warm" } };
    });
    expect(plan.servers.map(({ name, folders }) => [name, folders])).toEqual([["gpu-0001", ["/srv/warm/checkpoints"]], ["gpu-0002", []]]);
  });

  it("is what the environment names, on the servers that have the tier, a folder within another once", () => {
    const plan = planOf((input) => {
      input.recovery = { coldStart: { folders: ["/srv/warm/finetunes", "/srv/warm/finetunes/last", "/srv/warm-only/x", "/srv/hot"] } };
      const first = input.servers["gpu-0001"];
      if (first?.tiers?.warm !== undefined) first.tiers.warm.mount = "/srv/warm-only";
    });
    expect(plan.servers.map(({ folders }) => folders)).toEqual([["/srv/hot", "/srv/warm-only/x"], ["/srv/hot", "/srv/warm/finetunes"]]);
  });

  it("counts k3s in where the environment has it", () => {
    const plan = planOf((input) => {
      input.cluster = { distribution: "k3s", controlPlane: ["gpu-0001"] };
      const first = input.servers["gpu-0001"];
      if (first !== undefined) first.roles = ["worker", "control-plane"];
      input.site = { ...input.site, mirror: { ...input.site.mirror, files: "http://mirror.example.org/files" } };
    });
    expect(plan.servers.map(({ name, k3s, controlPlane }) => [name, k3s, controlPlane])).toEqual([["gpu-0001", true, true], ["gpu-0002", true, false]]);
    expect(planOf((input) => (input.cluster = { distribution: "none", controlPlane: [] })).servers.every(({ k3s }) => !k3s)).toBe(true);
  });

  it("keeps three sets unless told otherwise", () => {
    expect(planOf().keep).toBe(3);
    expect(planOf((input) => (input.recovery = { coldStart: { keep: 7 } })).keep).toBe(7);
  });
});

describe("folders in the environment", () => {
  it("must lie on a tier: a name that only begins alike does not", () => {
    const input = generatedEnvironment(1);
    input.recovery = { coldStart: { folders: ["/srv/warm", "/srv/warmer/x", "/home/me"] } };
    const parsed = parseEnvironment(input);
    expect(parsed.ok ? [] : parsed.problems.map(({ path, message }) => [path, message.includes("lies on no tier of any server")])).toEqual([
      ["recovery.coldStart.folders[1]", true],
      ["recovery.coldStart.folders[2]", true],
    ]);
  });
});

describe("names in a set", () => {
  it("tell any two folders and images apart, and stay below their own folder", () => {
    expect(dataFile("gpu-01", "/srv/warm/a")).toBe("servers/gpu-01/data/srv%2Fwarm%2Fa.tar");
    expect(sumsFile("gpu-01", "/srv/warm/a")).toBe("servers/gpu-01/data/srv%2Fwarm%2Fa.sha256");
    expect(dataFile("gpu-01", "/srv/a__b")).not.toBe(dataFile("gpu-01", "/srv/a/b"));
    expect(imageFile("registry:5000/a/b:1")).toBe("images/registry%3A5000%2Fa%2Fb%3A1.tar");
  });

  it("of images are those that any object names, once each", () => {
    expect(imagesIn([{ spec: { template: { spec: { containers: [{ image: "b:1" }, { image: "a:1" }], initContainers: [{ image: "b:1" }] } } } }, { image: "" }, undefined, "image"])).toEqual(["a:1", "b:1"]);
  });
});

describe("the state of a cluster that is gone", () => {
  const stack = JSON.stringify({
    version: 3,
    deployment: {
      manifest: {},
      resources: [
        { urn: "urn:pulumi:x::rackwright::pulumi:providers:kubernetes::cluster", type: "pulumi:providers:kubernetes" },
        { urn: "urn:pulumi:x::rackwright::kubernetes:core/v1:Namespace::a", type: "kubernetes:core/v1:Namespace" },
        { urn: "urn:pulumi:x::rackwright::command:remote:Command::gpu-01-kubeconfig", type: "command:remote:Command" },
        { urn: "urn:pulumi:x::rackwright::command:remote:Command::gpu-01-base", type: "command:remote:Command", dependencies: ["urn:pulumi:x::rackwright::kubernetes:core/v1:Namespace::a", "urn:pulumi:x::rackwright::command:remote:Command::gpu-01-kubeconfig"], propertyDependencies: { create: ["urn:pulumi:x::rackwright::kubernetes:core/v1:Namespace::a"], stdin: null } },
      ],
      pending_operations: [{}],
    },
  });

  it("loses the cluster's objects and nothing else", () => {
    const after = JSON.parse(withoutCluster(stack)) as { deployment: { resources: { type: string }[]; pending_operations?: unknown } };
    expect(after.deployment.resources.map(({ type }) => type)).toEqual(["pulumi:providers:kubernetes", "command:remote:Command", "command:remote:Command"]);
    expect(after.deployment.pending_operations).toBeUndefined();
  });

  it("refers to none of them any more", () => {
    const after = JSON.parse(withoutCluster(stack)) as { deployment: { resources: { dependencies?: string[]; propertyDependencies?: object }[] } };
    expect(after.deployment.resources.at(-1)).toMatchObject({ dependencies: ["urn:pulumi:x::rackwright::command:remote:Command::gpu-01-kubeconfig"], propertyDependencies: { create: [], stdin: null } });
    expect(withoutCluster('{"version":3,"deployment":{}}')).toBe('{"version":3,"deployment":{}}');
  });

  it("is what goes on where it is there already, and takes the saved one's place where there is none", async () => {
    const folder = mkdtempSync(join(tmpdir(), "rackwright-state-"));
    try {
      const stateFile = join(folder, "here.json");
      const engine = coldStartEngine({} as LoadedEnvironment, { secrets: {}, passphrase: "x", stateFile, progress: { doing: () => undefined, done: () => undefined } });
      const types = (): string[] => (JSON.parse(readFileSync(stateFile, "utf8")) as { deployment: { resources: { type: string }[] } }).deployment.resources.map(({ type }) => type);
      const saved = stack.replaceAll("gpu-01-base", "gpu-02-base");
      await engine.restoreState(saved, true);
      expect([types(), readFileSync(stateFile, "utf8").includes("gpu-02-base")]).toEqual([["pulumi:providers:kubernetes", "command:remote:Command", "command:remote:Command"], true]);
      importStack(stateFile, stack);
      await engine.restoreState(saved, false);
      expect([types().length, readFileSync(stateFile, "utf8").includes("gpu-02-base")]).toEqual([4, false]);
      // The machine that has always run `up` has the state still; its cluster is gone all the same.
      await engine.restoreState(saved, true);
      expect([types(), readFileSync(stateFile, "utf8").includes("gpu-02-base")]).toEqual([["pulumi:providers:kubernetes", "command:remote:Command", "command:remote:Command"], false]);
      rmSync(stateFile);
      await engine.restoreState(undefined, true);
      expect(existsSync(stateFile)).toBe(false);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  it("is read anew from the new one: its kubeconfig and its token", () => {
    const urns = ["urn:pulumi:x::rackwright::a$command:remote:Command::gpu-01-kubeconfig", "urn:pulumi:x::rackwright::a$command:remote:Command::gpu-01-k3s-token", "urn:pulumi:x::rackwright::a$command:remote:Command::gpu-01-base"];
    expect(readsOfCluster(urns)).toEqual(urns.slice(0, 2));
  });
});
