import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { gpuRuntimeClass } from "../../components/cluster/names";
import type { KubernetesObject } from "../../components/cluster/object";
import type { Environment, EnvironmentInput } from "../../components/environment";
import { planTrainingJob, trainingFindings } from "../../components/training";
import { launchCommand, programOf, type LauncherId } from "../../components/training/launchers";
import { planWorkloads } from "../../components/inference/placement";
import type { TrainingPlan } from "../../components/inference/plan-types";
import { stack } from "../cluster/environments";

type TrainingInput = NonNullable<EnvironmentInput["training"]>[string];
const plainJob: TrainingInput = { launcher: "torchrun", servers: ["gpu-03", "gpu-04"], command: ["python3", "train.py"] };
const deepspeedJob: TrainingInput = { launcher: "deepspeed", servers: ["gpu-03", "gpu-04"], zeroStage: 3, command: ["python3", "train.py", "--deepspeed", "ds-zero3.json"] };

function site(training: Record<string, TrainingInput> = { tuning: deepspeedJob }, change: (input: EnvironmentInput) => void = () => undefined): Environment {
  return stack("large-cluster", (input) => {
    input.services = {};
    input.training = training;
    change(input);
  });
}

function planOf(environment: Environment, name = "tuning"): TrainingPlan {
  const plan = planWorkloads(environment).training[name];
  if (plan === undefined) throw new Error(`${name} was not planned`);
  return plan;
}

const objectsOf = (environment: Environment, name = "tuning"): KubernetesObject[] => planTrainingJob(environment, planOf(environment, name));
const ofKind = (objects: readonly KubernetesObject[], kind: string): KubernetesObject[] => objects.filter((object) => object.kind === kind);

interface JobSpec {
  backoffLimit: number;
  podFailurePolicy: unknown;
  template: {
    metadata: { labels: Record<string, string> };
    spec: Record<string, unknown> & { hostname: string; subdomain: string; volumes: { name: string; persistentVolumeClaim?: { claimName: string } }[]; containers: { image: string; command: string[]; args: string[]; env: { name: string; value: string }[]; resources: { limits: Record<string, string>; requests: Record<string, string> }; securityContext: unknown }[] };
  };
}

const specOf = (job: KubernetesObject | undefined): JobSpec => job?.spec as JobSpec;
const variablesOf = (job: KubernetesObject | undefined): Record<string, string> => Object.fromEntries((specOf(job).template.spec.containers[0]?.env ?? []).map(({ name, value }) => [name, value]));

describe("a training job", () => {
  const environment = site();
  const objects = objectsOf(environment);
  const jobs = ofKind(objects, "Job");

  it("is one Job a server, each on its server with its own checkpoints", () => {
    expect(jobs).toHaveLength(2);
    for (const [rank, job] of jobs.entries()) {
      const server = `gpu-0${rank + 3}`;
      const { spec } = specOf(job).template;
      expect(spec.affinity).toEqual({ nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [{ matchExpressions: [{ key: "kubernetes.io/hostname", operator: "In", values: [server] }] }] } } });
      expect(spec.volumes.find(({ name }) => name === "checkpoints")?.persistentVolumeClaim?.claimName).toBe(`checkpoints-${server}`);
      expect(spec.hostname).toBe(`rank-${rank}`);
      expect(variablesOf(job)).toMatchObject({ RACKWRIGHT_RANK: String(rank), RACKWRIGHT_SERVERS: "2", RACKWRIGHT_PROCESSES: "8" });
      expect(spec).toMatchObject({ restartPolicy: "Never", priorityClassName: "rackwright-batch", runtimeClassName: gpuRuntimeClass, automountServiceAccountToken: false });
      expect(spec.containers[0]?.resources.limits).toMatchObject({ "nvidia.com/gpu": "8", "rdma/hca": "1" });
      expect(spec.containers[0]?.resources.requests).toEqual(spec.containers[0]?.resources.limits);
      expect(spec.containers[0]?.securityContext).toEqual({ allowPrivilegeEscalation: false, capabilities: { drop: ["ALL"] }, readOnlyRootFilesystem: true });
    }
  });

  it("does not hold up whoever brings the cluster up, and does not try again what cannot succeed", () => {
    for (const job of jobs) {
      expect(job.metadata.annotations).toEqual({ "pulumi.com/skipAwait": "true" });
      expect(specOf(job).podFailurePolicy).toEqual({
        rules: [
          { action: "FailJob", onExitCodes: { containerName: "training", operator: "In", values: [78] } },
          { action: "Ignore", onPodConditions: [{ type: "DisruptionTarget", status: "True" }] },
        ],
      });
    }
  });

  it("finds its first server by a name that only this generation has", () => {
    const [service] = ofKind(objects, "Service");
    expect(service?.spec).toMatchObject({ clusterIP: "None", publishNotReadyAddresses: true });
    for (const job of jobs) {
      expect(specOf(job).template.spec.subdomain).toBe(service?.metadata.name);
      expect(variablesOf(job).RACKWRIGHT_LEADER).toBe(`rank-0.${service?.metadata.name ?? ""}`);
      expect(specOf(job).template.metadata.labels).toMatchObject((service?.spec as { selector: Record<string, string> }).selector);
    }
  });

  it("keeps checkpoints on the tier that recovery names, or on warm, or on cold", () => {
    const volume = (from: Environment): unknown => (ofKind(objectsOf(from), "PersistentVolume")[0]?.spec as { local: { path: string } }).local.path;
    expect(volume(environment)).toBe("/srv/warm/checkpoints");
    expect(variablesOf(jobs[0])).toMatchObject({ RACKWRIGHT_CHECKPOINT_DIRECTORY: "/checkpoints/tuning", RACKWRIGHT_CHECKPOINT_EVERY_STEPS: "1000", RACKWRIGHT_CHECKPOINT_KEEP_LAST: "5" });
    const cold = site({ tuning: { ...deepspeedJob, servers: ["store-01"] } }, (input) => { input.recovery = { checkpoints: { tier: "cold" } }; });
    const plan = { ...planOf(environment), servers: ["store-01"] };
    expect((ofKind(planTrainingJob(cold, plan), "PersistentVolume")[0]?.spec as { local: { path: string } }).local.path).toBe("/srv/cold/checkpoints");
  });

  it("lets pods of the same job talk to each other and to nothing else", () => {
    const own = { podSelector: { matchLabels: { "rackwright.dev/service": "tuning" } } };
    expect(ofKind(objects, "NetworkPolicy")[0]?.spec).toEqual({ ...own, policyTypes: ["Ingress", "Egress"], ingress: [{ from: [own] }], egress: [{ to: [own] }] });
  });

  it("has new names where anything of it changed, and the same where nothing did", () => {
    const names = (from: Environment): string[] => ofKind(objectsOf(from), "Job").map(({ metadata }) => metadata.name);
    expect(names(site())).toEqual(names(environment));
    for (const changed of [{ ...deepspeedJob, zeroStage: 2 as const, command: ["python3", "train.py"] }, { ...deepspeedJob, image: "registry.example/own:2" }, plainJob]) {
      expect(names(site({ tuning: changed })).some((name) => names(environment).includes(name))).toBe(false);
    }
    const longest = `a${"b".repeat(52)}`;
    for (const object of objectsOf(site({ [longest]: deepspeedJob }), longest)) expect(object.metadata.name.length).toBeLessThanOrEqual(63);
  });

  it("makes the claim of a server that two jobs share once", () => {
    const shared = site({ one: { ...deepspeedJob, servers: ["gpu-03"], gpusPerServer: 4 }, two: { ...deepspeedJob, servers: ["gpu-03", "gpu-04"], gpusPerServer: 4 } });
    const claims = ["one", "two"].flatMap((name) => ofKind(planTrainingJob(shared, { ...planOf(environment), name, servers: shared.training[name]?.servers ?? [] }), "PersistentVolumeClaim"));
    expect(claims.map(({ metadata }) => metadata.name)).toEqual(["checkpoints-gpu-03", "checkpoints-gpu-04"]);
  });

  it("hands DeepSpeed a hostfile and a configuration of the stated ZeRO stage", () => {
    const [files] = ofKind(objects, "ConfigMap");
    const data = files?.data as Record<string, string>;
    const group = files?.metadata.name ?? "";
    expect(data.hostfile).toBe(`rank-0.${group} slots=8\nrank-1.${group} slots=8\n`);
    expect(JSON.parse(data["deepspeed.json"] ?? "")).toMatchObject({ zero_optimization: { stage: 3 }, bf16: { enabled: true }, checkpoint: { use_node_local_storage: true } });
    expect(variablesOf(jobs[0])).toMatchObject({ RACKWRIGHT_ZERO_STAGE: "3", RACKWRIGHT_DEEPSPEED_CONFIG: "/etc/rackwright/deepspeed.json" });
    expect(data["run_together.py"]).toBe(readFileSync(join(__dirname, "../../components/training/scripts/run_together.py"), "utf8"));
  });
});

describe("launchers", () => {
  const recorded = JSON.parse(readFileSync(join(__dirname, "recorded/launchers.json"), "utf8")) as Record<LauncherId, { flags: string[] }>;
  const command = (launcher: LauncherId, servers: number, words: readonly string[]): string[] => launchCommand({ launcher, program: programOf(words), rank: servers - 1, servers, processesPerServer: 8, leader: "leader" });

  it.each(["torchrun", "deepspeed", "colossalai"] as const)("%s is given flags that its parser has", (launcher) => {
    for (const servers of [1, 2]) {
      for (const words of [["python3", "TRAIN.py"], ["python3", "-m", "TRAIN.py"], ["TRAIN"]]) {
        const line = command(launcher, servers, words);
        const own = line[0] === "torchrun" ? recorded.torchrun : recorded[launcher];
        const flags = line.slice(0, line.findIndex((word) => word.startsWith("TRAIN"))).filter((word) => word.startsWith("-") && word !== "--");
        expect(flags.filter((flag) => !own.flags.includes(flag))).toEqual([]);
        expect(flags.length).toBeGreaterThan(1);
      }
    }
  });

  it("keep ranks on their servers", () => {
    expect(command("torchrun", 2, ["python3", "t.py"]).join(" ")).toContain("--nnodes 2 --nproc-per-node 8 --node-rank 1 --rdzv-backend static");
    expect(command("deepspeed", 2, ["python3", "t.py"]).join(" ")).toContain("--no_ssh --node_rank 1 --master_addr leader");
    expect(command("colossalai", 2, ["python3", "t.py"])[0]).toBe("torchrun");
    expect(command("colossalai", 1, ["python3", "t.py"]).slice(0, 2)).toEqual(["colossalai", "run"]);
  });

  it.each([
    [["python3", "train.py", "a"], { kind: "script", target: "train.py", args: ["a"] }],
    [["/usr/bin/python3.12", "-u", "train.py"], { kind: "script", target: "train.py", args: [] }],
    [["python", "-m", "own.train", "-m", "x"], { kind: "module", target: "own.train", args: ["-m", "x"] }],
    [["train.py"], { kind: "script", target: "train.py", args: [] }],
    [["./train.sh", "x"], { kind: "executable", target: "./train.sh", args: ["x"] }],
    [["python3", "-O", "train.py"], { kind: "executable", target: "python3", args: ["-O", "train.py"] }],
  ] as const)("read %j as a program", (words, program) => {
    expect(programOf(words)).toEqual(program);
  });

  it("hand ColossalAI words that its shell gives to the program unchanged", () => {
    const all = fc.sample(fc.array(fc.string({ unit: "binary" }).filter((word) => !word.includes("\0") && word.isWellFormed()), { minLength: 1, maxLength: 20 }), 50);
    const script = all.map((words) => {
      const line = command("colossalai", 1, ["python3", "train.py", ...words]);
      return ["printf '%s\\0'", ...line.slice(line.indexOf("--") + 1)].join(" ");
    }).join("\n");
    const shown = execFileSync("sh", ["-c", script], { encoding: "utf8" }).split("\0");
    expect(shown.slice(0, -1)).toEqual(all.flatMap((words) => ["train.py", ...words]));
  });
});

describe("findings about training jobs", () => {
  const messages = (job: TrainingInput, change?: (input: EnvironmentInput) => void): string[] => trainingFindings(site({ tuning: job }, change)).map(({ keys, message }) => `${keys.join(".")} ${message}`);

  it("are none for what is right", () => {
    expect(messages(deepspeedJob)).toEqual([]);
    expect(messages({ ...deepspeedJob, command: ["python3", "t.py", "--deepspeed_config", "$(RACKWRIGHT_DEEPSPEED_CONFIG)"] })).toEqual([]);
    expect(messages({ ...deepspeedJob, command: ["python3", "t.py", "--deepspeed", "own.json"] })).toEqual([]);
  });

  it("are a configuration that says another ZeRO stage", () => {
    expect(messages({ ...deepspeedJob, zeroStage: 2 })).toEqual(["training.tuning.command names a DeepSpeed configuration of stage 3, but zeroStage is 2"]);
    expect(messages({ ...deepspeedJob, zeroStage: 1, command: ["python3", "t.py", "--deepspeed_config=conf/stage-2.json"] })).toHaveLength(1);
  });

  it("are a reference to a configuration that is not made", () => {
    expect(messages({ ...plainJob, command: ["python3", "t.py", "$(RACKWRIGHT_DEEPSPEED_CONFIG)"] })[0]).toContain("which there is only with zeroStage");
  });

  it("are servers without a tier for checkpoints, and a program that ColossalAI cannot start", () => {
    expect(messages({ ...deepspeedJob, servers: ["ctrl-01"] })[0]).toContain("ctrl-01 has no warm tier");
    expect(messages({ ...plainJob, launcher: "colossalai", servers: ["gpu-03"], command: ["./train.sh"] })[0]).toContain("neither a Python script nor a module");
  });
});
