import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import * as path from "node:path";
import { parse, stringify } from "yaml";
import { planSource, type PlannedSource, type PlanningOptions } from "../../../cli/pr/plan-side";
import type { Source } from "../../../cli/pr/sources";
import type { EnvironmentInput } from "../../../components/environment";
import { hostKey } from "../../support/environments";

type ServerInput = EnvironmentInput["servers"][string];

/** A server with two cards, a hot tier without redundancy, a mirrored warm and a mirrored cold one. */
export function gpuServer(number: number): ServerInput {
  const id = (model: string, drive: number): string => `${model}_SN${number}0${drive}`;
  const [hotA, hotB] = [id("nvme-FAST", 1), id("nvme-FAST", 2)];
  const [warmA, warmB] = [id("ata-WARM", 3), id("ata-WARM", 4)];
  const [coldA, coldB] = [id("ata-COLD", 5), id("ata-COLD", 6)];
  return {
    address: `192.0.2.${10 + number}`,
    hostKey: hostKey(`pr-${number}`),
    roles: number === 1 ? ["worker", "control-plane"] : ["worker"],
    rack: { name: "rack-a", unit: 4 * number, heightUnits: 4 },
    cpu: { model: "epyc-7543" },
    memoryGiB: 256,
    pcieGeneration: 4,
    gpus: { model: "l40s", count: 2 },
    nics: { eno1: { speedGbps: 25, rdma: "roce" } },
    maxPowerWatts: 2400,
    drives: {
      [hotA]: { kind: "nvme", capacityGB: 3840 }, [hotB]: { kind: "nvme", capacityGB: 3840 },
      [warmA]: { kind: "sata-ssd", capacityGB: 3840 }, [warmB]: { kind: "sata-ssd", capacityGB: 3840 },
      [coldA]: { kind: "hdd", capacityGB: 16000 }, [coldB]: { kind: "hdd", capacityGB: 16000 },
    },
    tiers: { hot: { level: "raid0", drives: [hotA, hotB] }, warm: { level: "raid1", drives: [warmA, warmB] }, cold: { level: "raid1", drives: [coldA, coldB] } },
  };
}

/** Two servers, one service with a standby on the other one. */
export function labEnvironment(): EnvironmentInput {
  return {
    site: { name: "lab", currency: "USD", internetAccess: true, racks: { "rack-a": {} }, power: { pricePerKWh: 0.2 } },
    ssh: { user: "ops" },
    servers: { "gpu-01": gpuServer(1), "gpu-02": gpuServer(2) },
    cluster: { distribution: "k3s", controlPlane: ["gpu-01"] },
    services: { assistant: { model: "qwen2.5-7b", engine: "vllm", contextTokens: 8192, concurrency: 8, standbyReplicas: 1, gpusPerReplica: 1 } },
    monitoring: { enabled: false },
    recovery: { standby: { mode: "kubernetes" } },
  };
}

export interface StackParts {
  secrets?: Record<string, string>;
  salt?: string;
}

/** A stack file as users write it. */
export function stackText(environment: unknown, { secrets = {}, salt }: StackParts = {}): string {
  const secure = Object.fromEntries(Object.entries(secrets).map(([key, secret]) => [`rackwright:${key}`, { secure: secret }]));
  return stringify({ ...(salt === undefined ? {} : { encryptionsalt: salt }), config: { ...secure, "rackwright:environment": environment } });
}

/** A Git repository with stack files, written commit by commit. */
export class StackRepository {
  readonly folder = mkdtempSync(path.join(tmpdir(), "pr-repository-"));

  constructor() {
    this.git("init", "--quiet", "--initial-branch=main");
    mkdirSync(path.join(this.folder, "stacks"));
  }

  git(...parameters: string[]): string {
    const identity = { GIT_AUTHOR_NAME: "a", GIT_AUTHOR_EMAIL: "a@example.org", GIT_COMMITTER_NAME: "a", GIT_COMMITTER_EMAIL: "a@example.org", GIT_CONFIG_GLOBAL: "/dev/null" };
    return execFileSync("git", parameters, { cwd: this.folder, encoding: "utf8", env: { ...process.env, ...identity }, stdio: ["ignore", "pipe", "pipe"] }).trim();
  }

  write(file: string, text: string): void {
    mkdirSync(path.dirname(path.join(this.folder, file)), { recursive: true });
    writeFileSync(path.join(this.folder, file), text);
  }

  /** Commits what was written, on the branch that is checked out. */
  commit(message: string): string {
    this.git("add", "--all");
    this.git("commit", "--quiet", "--allow-empty", "-m", message);
    return this.git("rev-parse", "HEAD");
  }

  /** A commit on a branch of its own that begins at main, with stack files changed; undefined takes one away. */
  branch(name: string, files: Record<string, string | undefined>): void {
    this.git("checkout", "--quiet", "-B", name, "main");
    for (const [file, text] of Object.entries(files)) {
      if (text === undefined) rmSync(path.join(this.folder, file));
      else this.write(file, text);
    }
    this.commit(name);
    this.git("checkout", "--quiet", "main");
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** What an engine is given of a source: comments and ciphertexts are not in it. */
function engineInput({ name, text }: Source): string {
  const { config } = parse(text) as { config: Record<string, unknown> };
  return JSON.stringify([name, Object.entries(config).map(([key, value]) => (typeof value === "object" && value !== null && "secure" in value ? key : [key, value]))]);
}

/** Plans each content once, for all tests of a file, and runs the engine once for what is the same to it. */
export function plansOnce(): { plan: (source: Source, options: PlanningOptions) => Promise<PlannedSource>; planned: string[] } {
  const known = new Map<string, Promise<PlannedSource>>();
  const previews = new Map<string, Promise<PlannedSource>>();
  const planned: string[] = [];
  return {
    planned,
    plan: (source, options) => {
      const key = `${source.name} ${source.key} ${options.withPreview}`;
      let plan = known.get(key);
      if (plan === undefined) {
        planned.push(key);
        const same = previews.get(engineInput(source));
        plan = same === undefined ? planSource(source, options) : Promise.all([planSource(source, { ...options, withPreview: false }), same]).then(([own, { preview }]) => ({ ...own, ...(preview === undefined ? {} : { preview }) }));
        if (options.withPreview) previews.set(engineInput(source), plan);
        known.set(key, plan);
      }
      return plan.then((result) => ({ ...result, source }));
    },
  };
}
