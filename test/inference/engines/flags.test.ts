import { readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { engineRequirements, type EngineId } from "../../../components/catalog";
import type { Environment } from "../../../components/environment";
import { enginePod } from "../../../components/inference/engines/pod";
import { planWorkloads } from "../../../components/inference/placement";
import type { ServicePlan } from "../../../components/inference/plan-types";
import { containerOf, options } from "./container";
import { arbitraryPlan, planOf, stackEnvironments, twoServers, workloadOf } from "./plans";

interface Recorded {
  flags: string[];
  choices?: Record<string, string[]>;
  environment?: string[];
  restricted?: string[];
  streamerKeys?: string[];
  engineArguments?: string[];
}

function recorded(name: string): Recorded {
  return JSON.parse(readFileSync(join(__dirname, "recorded", `${name}.json`), "utf8")) as Recorded;
}

const parsers: Partial<Record<EngineId, Recorded>> = {
  "vllm": recorded("vllm-0.33.0"),
  "sglang": recorded("sglang-0.5.23"),
  "triton": recorded("triton-2.71.0"),
  "tensorrt-llm": recorded("tensorrt-llm-1.2"),
};

const serving = readFileSync(join(__dirname, "../../../components/inference/engines/scripts/serving.py"), "utf8");
const ownFlags = [...serving.matchAll(/add_argument\("(--[a-z-]+)"/g)].map(([, flag]) => flag ?? "");

/** Everything in a plan's command lines that the engine's own parser does not know. */
function unknowns(environment: Environment, service: ServicePlan, parser: Recorded = parsers[service.engine] ?? { flags: ownFlags }): string[] {
  return service.workloads.filter(({ servers }) => servers.length === 1).flatMap((workload) => {
    const container = containerOf(environment, service, workload);
    const given = [...options(container.args)];
    const flags = given.map(([flag]) => flag).filter((flag) => !parser.flags.includes(flag));
    const values = given.flatMap(([flag, found]) => {
      const allowed = parser.choices?.[flag];
      return allowed === undefined ? [] : found.filter((value) => !allowed.includes(value)).map((value) => `${flag} ${value}`);
    });
    const variables = container.env.map(({ name }) => name).filter((name) => /^VLLM_/.test(name) && !(parsers.vllm?.environment ?? []).includes(name));
    return [...flags, ...values, ...variables];
  });
}

describe("command lines hold only what the engine's own parser takes", () => {
  it("in every environment of the repository", () => {
    for (const [name, environment] of Object.entries(stackEnvironments())) {
      const { services, findings } = planWorkloads(environment);
      expect(findings, name).toEqual([]);
      for (const service of Object.values(services)) expect(unknowns(environment, service), `${name}: ${service.name}`).toEqual([]);
    }
  });

  it("whatever a plan asks for", () => {
    const environment = twoServers();
    fc.assert(fc.property(arbitraryPlan, (service) => {
      expect(unknowns(environment, service)).toEqual([]);
    }), { numRuns: 400 });
  });

  it("is a check that can fail", () => {
    const environment = twoServers();
    const service = planOf("service", "vllm", { model: "qwen2.5-7b" });
    const parser = parsers.vllm ?? { flags: [] };
    expect(unknowns(environment, service, { ...parser, flags: parser.flags.filter((flag) => flag !== "--shutdown-timeout") })).toEqual(["--shutdown-timeout"]);
    expect(unknowns(environment, service, { ...parser, choices: { "--load-format": ["auto"] } })).toEqual(["--load-format runai_streamer"]);
  });

  it("for the engine that the catalog pins", () => {
    for (const engine of ["vllm", "sglang", "triton", "deepspeed", "colossalai"] as const) {
      expect(() => recorded(`${engine}-${engineRequirements[engine].version}`), engine).not.toThrow();
    }
    expect(engineRequirements["tensorrt-llm"].version).toMatch(/^1\.2\./);
  });

  it("for each member of a replica that spans servers", () => {
    const environment = twoServers();
    for (const engine of ["vllm", "sglang"] as const) {
      for (const through of ["native", "ray"] as const) {
        for (const leads of [true, false]) {
          const workload = workloadOf("big", { servers: ["gpu-0001", "gpu-0002"], devicesPerPod: 4 }, { tensorParallel: 4, pipelineParallel: 2 });
          const service = planOf("big", engine, { model: "llama-3.1-405b", precision: "int4" }, [workload]);
          const container = containerOf(environment, service, workload, { leads, server: leads ? "gpu-0001" : "gpu-0002", rank: leads ? "0" : "$(LWS_WORKER_INDEX)", leaderAddress: "$(LWS_LEADER_ADDRESS)", pods: 2, through });
          const known = parsers[engine]?.flags ?? [];
          expect([...options(container.args).keys()].filter((flag) => !known.includes(flag))).toEqual([]);
        }
      }
    }
  });
});

describe("what is passed inside an option", () => {
  it("is what the Run:ai streamer's settings take", () => {
    const container = containerOf(twoServers(), planOf("service", "vllm", { model: "qwen2.5-7b" }));
    const [settings] = options(container.args).get("--model-loader-extra-config") ?? [];
    const keys = Object.keys(JSON.parse(settings ?? "{}") as object);
    expect(keys).not.toEqual([]);
    expect(keys.filter((key) => !parsers.vllm?.streamerKeys?.includes(key))).toEqual([]);
  });

  it("is what vLLM's engine arguments have, inside of Triton", () => {
    const service = planOf("writer", "triton", { model: "qwen2.5-7b", kvCachePrecision: "fp8" });
    const { program } = enginePod({ environment: twoServers(), service, workload: workloadOf("writer") });
    const file = program.files.find(({ path }) => path.endsWith("model.json"));
    const fields = Object.keys(JSON.parse(file?.content ?? "{}") as object);
    expect(fields).toContain("model");
    expect(fields.filter((field) => !parsers.vllm?.engineArguments?.includes(field))).toEqual([]);
  });

  it("is what Triton can restrict", () => {
    const container = containerOf(twoServers(), planOf("camera", "triton", { model: "vit-l-16", precision: "fp16" }));
    for (const flag of ["--http-restricted-api", "--grpc-restricted-protocol"]) {
      const [value] = options(container.args).get(flag) ?? [];
      const [, names = "", rest] = /^([^:]+):(.*)$/.exec(value ?? "") ?? [];
      expect(names.split(",").filter((name) => !parsers.triton?.restricted?.includes(name))).toEqual([]);
      expect(names.split(",")).toEqual(expect.arrayContaining(["inference", "model-repository"]));
      expect(rest).toBe("api-key=$(INFERENCE_API_KEY)");
    }
  });
});
