import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeAll, describe, expect, it } from "vitest";
import type { EngineId } from "../../../components/catalog";
import type { ServicePlan } from "../../../components/inference/plan-types";
import { containerOf } from "./container";
import { planOf, twoServers, workloadOf } from "./plans";

const scripts = join(__dirname, "../../../components/inference/engines/scripts");
const environment = twoServers();
const key = "a key of the tests";

interface Running {
  process: ChildProcess;
  url: string;
  output: () => string;
  log: () => Record<string, unknown>[];
  /** What it ended with. */
  ended: Promise<number | null>;
}

const running: Running[] = [];
let folder = "";
let missing: string | undefined;

beforeAll(() => {
  if (spawnSync("python3", ["--version"]).status !== 0) missing = "python3 is not installed";
  if (missing !== undefined) process.stdout.write(`Our servers for engines without one are not run: ${missing}\n`);
});

afterEach(async () => {
  for (const { process: child, ended } of running.splice(0)) {
    child.kill("SIGKILL");
    await ended;
  }
  if (folder !== "") rmSync(folder, { recursive: true, force: true });
  folder = "";
});

async function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });
}

/** Runs the container's own command line, with stand-ins for the libraries and a free port. */
async function start(service: ServicePlan, { drainSeconds, without = "" }: { drainSeconds?: number; without?: string } = {}): Promise<Running> {
  const container = containerOf(environment, service);
  folder = mkdtempSync(join(tmpdir(), "rackwright-engine-"));
  const port = await freePort();
  const script = container.command[1]?.replace("/etc/engine", scripts) ?? "";
  const args = container.args.map((arg, index) => (container.args[index - 1] === "--port" ? String(port) : container.args[index - 1] === "--drain-seconds" && drainSeconds !== undefined ? String(drainSeconds) : arg));
  const logFile = join(folder, "log");
  const child = spawn("python3", [script, ...args], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, PYTHONPATH: join(__dirname, "stand-ins"), PYTHONDONTWRITEBYTECODE: "1", PYTHONUNBUFFERED: "1", INFERENCE_API_KEY: key, STAND_IN_LOG: logFile, STAND_IN_WITHOUT: without },
  });
  let output = "";
  child.stdout.on("data", (data: Buffer) => (output += data.toString()));
  child.stderr.on("data", (data: Buffer) => (output += data.toString()));
  const ended = new Promise<number | null>((resolve) => child.once("exit", resolve));
  const started: Running = {
    process: child, ended, url: `http://127.0.0.1:${port}`, output: () => output,
    log: () => readFileSync(logFile, "utf8").trim().split("\n").map((line) => JSON.parse(line) as Record<string, unknown>),
  };
  running.push(started);
  const deadline = Date.now() + 20_000;
  while (!output.includes("serving ")) {
    if (child.exitCode !== null || Date.now() > deadline) throw new Error(`the server does not start: ${output}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return started;
}

async function post(server: Running, body: unknown, authorization = `Bearer ${key}`, path = "/v1/completions"): Promise<{ status: number; body: Record<string, unknown> }> {
  const answer = await fetch(`${server.url}${path}`, { method: "POST", headers: { authorization, "content-type": "application/json" }, body: typeof body === "string" ? body : JSON.stringify(body) });
  return { status: answer.status, body: (await answer.json()) as Record<string, unknown> };
}

const text = ({ body }: { body: Record<string, unknown> }): unknown => (body.choices as { text: string }[] | undefined)?.map((choice) => choice.text);
const engine = (id: EngineId, spec: object = {}, parallel = 1): ServicePlan => planOf("writer", id, { model: "qwen2.5-7b", ...spec }, [workloadOf("writer", {}, { tensorParallel: parallel })]);

describe("our servers for engines that have none", () => {
  it.each(["deepspeed", "colossalai", "pytorch"] as const)("%s answers a request with the names that the library itself has", async (id) => {
    if (missing !== undefined) return;
    const server = await start(engine(id));
    expect(text(await post(server, { prompt: "abc", max_tokens: 2 }))).toEqual(["cb"]);
    expect(text(await post(server, { prompt: ["abc", "de"], max_tokens: 3, temperature: 0 }))).toEqual(["cba", "ed"]);
  });

  it("asks for the key everywhere but for health and metrics", async () => {
    if (missing !== undefined) return;
    const server = await start(engine("pytorch"));
    expect((await post(server, { prompt: "abc" }, "Bearer wrong")).status).toBe(401);
    expect((await post(server, { prompt: "abc" }, key)).status).toBe(401);
    expect((await fetch(`${server.url}/v1/models`)).status).toBe(401);
    expect((await fetch(`${server.url}/health`)).status).toBe(200);
    await post(server, { prompt: "abc" });
    const metrics = await (await fetch(`${server.url}/metrics`)).text();
    expect(metrics).toContain('engine_requests_total{outcome="answered"} 1');
    expect(metrics).not.toContain(key);
  });

  it("says what is wrong with a request, and goes on", async () => {
    if (missing !== undefined) return;
    const server = await start(engine("pytorch"));
    const cases: [unknown, number, RegExp][] = [
      [{}, 400, /prompt must be/],
      [{ prompt: 3 }, 400, /prompt must be/],
      [{ prompt: "a", max_tokens: 0 }, 400, /max_tokens must be/],
      [{ prompt: "a", max_tokens: true }, 400, /max_tokens must be/],
      [{ prompt: "a", temperature: 3 }, 400, /temperature must be/],
      [{ prompt: Array(9).fill("a") }, 400, /at most 8 prompts/],
      [{ prompt: "a", max_tokens: 8192 }, 400, /above 8192/],
      [{ prompt: "a", stream: true }, 400, /does not stream/],
      ["[]", 400, /JSON object/],
      ["{", 400, /Expecting/],
      [{ prompt: "broken" }, 500, /the engine failed/],
    ];
    for (const [body, status, words] of cases) {
      const answer = await post(server, body);
      expect([answer.status, JSON.stringify(answer.body)], JSON.stringify(body)).toEqual([status, expect.stringMatching(words)]);
    }
    expect((await post(server, { input: "a" }, `Bearer ${key}`, "/v1/embeddings")).status).toBe(404);
    expect(text(await post(server, { prompt: "abc" }))).toEqual(["cba"]);
  });

  it("computes each request on every GPU of a split model, and ends with all of them", async () => {
    if (missing !== undefined) return;
    const server = await start(engine("deepspeed", {}, 2));
    expect(text(await post(server, { prompt: "abc" }))).toEqual(["cba"]);
    const deadline = Date.now() + 10_000;
    const ranks = (): unknown[] => server.log().filter(({ prompts }) => prompts !== undefined).map(({ rank, world }) => [rank, world]).sort();
    while (ranks().length < 2 && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 20));
    expect(ranks()).toEqual([["0", "2"], ["1", "2"]]);
    server.process.kill("SIGTERM");
    expect(await server.ended).toBe(0);
  });

  it("is not healthy once a process of a split model is gone", async () => {
    if (missing !== undefined) return;
    const server = await start(engine("deepspeed", {}, 2));
    await post(server, { prompt: "abc" });
    const deadline = Date.now() + 10_000;
    const second = (): Record<string, unknown> | undefined => server.log().find(({ rank }) => rank === "1");
    while (second() === undefined && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 20));
    process.kill(Number(second()?.process), "SIGKILL");
    let status = 200;
    while (status === 200 && Date.now() < deadline) status = (await fetch(`${server.url}/health`)).status;
    expect(status).toBe(503);
  });

  it("lets a request finish when it is told to end, and says meanwhile that it is ending", async () => {
    if (missing !== undefined) return;
    const server = await start(engine("pytorch"));
    const slow = post(server, { prompt: "slow" });
    await new Promise((resolve) => setTimeout(resolve, 300));
    server.process.kill("SIGTERM");
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect((await fetch(`${server.url}/health`)).status).toBe(503);
    expect(text(await slow)).toEqual(["wols"]);
    expect(await server.ended).toBe(0);
  });

  it("ends in its time although a request still computes, says so, and is not ended by a signal", async () => {
    if (missing !== undefined) return;
    const server = await start(engine("pytorch"), { drainSeconds: 0.3 });
    const cutOff = post(server, { prompt: "endless" }).catch((error: unknown) => error);
    await new Promise((resolve) => setTimeout(resolve, 300));
    server.process.kill("SIGTERM");
    expect(await server.ended, server.output()).toBe(1);
    expect(server.output()).toContain("ended after 0.3 s with 1 request unanswered");
    expect(await cutOff).toBeInstanceOf(Error);
  });

  it("needs no torchao for a model that is not quantised", async () => {
    if (missing !== undefined) return;
    const server = await start(engine("pytorch"), { without: "torchao" });
    expect(text(await post(server, { prompt: "abc" }))).toEqual(["cba"]);
  });

  it.each([
    ["fp8", "l40s", "Float8DynamicActivationFloat8WeightConfig"],
    ["fp8", "a100-80gb-pcie", "Float8WeightOnlyConfig"],
    ["int8", "a100-80gb-pcie", "Int8WeightOnlyConfig"],
    ["int4", "a100-80gb-pcie", "Int4WeightOnlyConfig"],
  ] as const)("quantises to %s on %s with torchao's %s", async (precision, accelerator, config) => {
    if (missing !== undefined) return;
    const service = planOf("writer", "pytorch", { model: "qwen2.5-7b", precision }, [workloadOf("writer", { accelerator })]);
    const server = await start(service);
    expect(server.log().map(({ quantised }) => quantised)).toContain(config);
  });

  it("gives ColossalAI half of the context for prompts and half for answers", async () => {
    if (missing !== undefined) return;
    const server = await start(engine("colossalai"));
    expect(server.log().find(({ config }) => config !== undefined)?.config).toEqual({ max_batch_size: 8, max_input_len: 4096, max_output_len: 4096, tp_size: 1 });
    expect((await post(server, { prompt: "a", max_tokens: 4097 })).body).toEqual({ error: { message: "max_tokens must be at most 4096", type: "invalid_request_error" } });
  });
});
