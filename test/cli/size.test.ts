import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import * as path from "node:path";
import { stripVTControlCharacters, styleText } from "node:util";
import { afterAll, describe, expect, it } from "vitest";
import { size, sizeModel, sizeWays, type SizeResult } from "../../cli/commands/size";
import { readSizeInput, type SizeOptions } from "../../cli/commands/size-input";
import { CliError } from "../../cli/exit";
import { renderSize } from "../../cli/render/size";
import type { Paper } from "../../cli/terminal";
import { displayWidth } from "../../cli/text";
import { configs } from "../inference/sizing/configs";
import { plainPaper, plainTerminal } from "../support/paper";

const folder = mkdtempSync(path.join(tmpdir(), "rackwright-size-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function run(model: string | undefined, options: SizeOptions): Promise<{ code: number; text: string }> {
  let text = "";
  const terminal = plainTerminal((more) => void (text += more));
  try {
    return { code: await size(terminal, model, options), text };
  } catch (error) {
    if (error instanceof CliError) return { code: error.code, text: error.message };
    throw error;
  }
}

function configFile(content: string): string {
  const file = path.join(folder, "config.json");
  writeFileSync(file, content);
  return file;
}

describe("rackwright size", () => {
  it("says how many GPUs, what of their memory is left, and that speed is an estimate", async () => {
    const { code, text } = await run("llama-3.1-70b", { gpus: "4xA100-80GB" });
    expect(code).toBe(0);
    expect(text).toContain("A100-80GB is taken as a100-80gb-sxm4");
    expect(text).toContain("4 GPUs: tensor parallel 4, pipeline parallel 1");
    for (const line of ["█ weights             32.9 GiB", "▓ KV cache            5.0 GiB", "  KV cache per token  80.0 KiB", "▒ overhead", "░ margin", "estimate: ", "It fits."]) expect(text).toContain(line);
  });

  it.each([60, 72, 80, 100])("keeps within %d columns in every paper, and a pipe gets no escapes", (columns) => {
    for (const [model, gpus] of [["llama-3.1-70b", "4xA100-80GB"], ["llama-3.1-70b", "2xa100-80gb-sxm4"], ["deepseek-v3", "8xh100-80gb-sxm5"], ["vit-l-16", "rtx-4090"], ["qwen3-235b-a22b", "8xrtx-pro-6000-blackwell-max-q"]] as const) {
      const input = readSizeInput(model, { gpus, servers: "2" });
      const drawn = (paper: Partial<Paper>): string => renderSize(sizeModel(input), sizeWays(input), input, { ...plainPaper, columns, ...paper });
      for (const line of drawn({}).split("\n")) expect(displayWidth(line), line).toBeLessThanOrEqual(columns);
      expect(drawn({})).not.toContain("\u001b");
      expect(stripVTControlCharacters(drawn({ style: (style, text) => styleText(style, text, { validateStream: false }) }))).toBe(drawn({}));
      expect(drawn({ unicode: false })).toMatch(/^[\n\u0020-\u007e]+$/);
    }
  });

  it("draws the memory of one GPU: what is taken, what is free, what the engine leaves alone", async () => {
    const { text } = await run("llama-3.1-70b", { gpus: "4xa100-80gb-sxm4" });
    expect(text).toContain(
      `Per GPU
  █████████████████████▓▓▓▒▒░░░░░░░░░░░░░░░░░░░░····  79.1 GiB
  █ weights             32.9 GiB  bf16
  ▓ KV cache            5.0 GiB   8 requests of 8,192 tokens
  ▒ overhead            3.0 GiB   activations, graphs, communication
  ░ margin              31.9 GiB  free for more cache
    budget              72.8 GiB  memory setting of vllm: 0.92
  · left alone          6.3 GiB
    usable memory       79.1 GiB  what a program can have, not the label
`,
    );
  });

  it("marks in the bar what may be taken where that is less than what would be", async () => {
    const { text } = await run("llama-3.1-70b", { gpus: "1xa100-80gb-sxm4" });
    expect(text).toContain(
      `Per GPU
  ███████████████████████████████████████████▓▓▓▓▓▓▒  154.5 GiB
   72.8 GiB may be taken ^
  █ weights`,
    );
    expect(text).not.toContain("░ ");
  });

  it("sets the ways to cut a replica side by side, with what each would hold and the one that was taken", async () => {
    const { text } = await run("llama-3.1-70b", { gpus: "8xa100-80gb-sxm4", servers: "2" });
    expect(text).toContain(
      `Ways to cut it, and what each GPU holds of what it may
     1 GPU  whole                 ███████████>  154.5 GiB  does not fit
    2 GPUs  tensor 2              ███████████>   79.1 GiB  does not fit
    4 GPUs  tensor 4              ███████░░░░░   40.9 GiB  290 tokens/s, chosen
    8 GPUs  tensor 8              ████░░░░░░░░   21.7 GiB  540 tokens/s
  2x8 GPUs  tensor 8, pipeline 2  ██░░░░░░░░░░   12.3 GiB  540 tokens/s
`,
    );
  });

  it("compares nothing where there is one way only, or none", async () => {
    expect((await run("qwen2.5-7b", { gpus: "rtx-4090" })).text).not.toContain("Ways to cut it");
    expect((await run("phi-4", { gpus: "4xa40", tensorParallel: "4" })).text).not.toContain("Ways to cut it");
  });

  it("ends with 1 and the smallest change where it does not fit, and that change makes it fit", async () => {
    const { code, text } = await run("llama-3.1-70b", { gpus: "2xa100-80gb-sxm4" });
    expect(code).toBe(1);
    expect(text).toContain("It does not fit.");
    const precision = /--precision (\w+)/.exec(text)?.[1];
    expect(precision).toBe("fp8");
    expect((await run("llama-3.1-70b", { gpus: "2xa100-80gb-sxm4", precision: "fp8" })).code).toBe(0);
    expect(text).toContain("or: --gpus 3xa100-80gb-sxm4\n");
    expect((await run("llama-3.1-70b", { gpus: "3xa100-80gb-sxm4" })).code).toBe(0);
  });

  it("says why a stated split cannot be", async () => {
    const { code, text } = await run("phi-4", { gpus: "4xa40", tensorParallel: "4" });
    expect(code).toBe(1);
    expect(text).toContain("10 key-value heads neither divide by 4 nor into it");
  });

  it("keeps to what is stated", async () => {
    const { text } = await run("llama-3.1-8b", { gpus: "8xh100-80gb-sxm5", tensorParallel: "2", context: "16384", concurrency: "32", memoryUtilization: "0.8", kvPrecision: "fp8", precision: "int8", json: true });
    const { choice } = JSON.parse(text) as SizeResult;
    expect(choice?.sizing).toMatchObject({ tensorParallel: 2, contextTokens: 16384, concurrency: 32, memoryUtilization: 0.8 });
    expect(choice?.sizing.memory.keyValueBytesPerToken).toBe(131_072 / 2 / 2);
  });

  it("prints one JSON document with all of it", async () => {
    const { code, text } = await run("gpt-oss-120b", { gpus: "1xH100-SXM5", context: "8192", concurrency: "4", json: true });
    const result = JSON.parse(text) as SizeResult;
    expect(code).toBe(0);
    expect(result).toMatchObject({ fits: true, gpu: "h100-80gb-sxm5", choice: { split: { tensorParallel: 1 } } });
    expect(result.choice?.sizing.estimate?.assumptions.length).toBeGreaterThan(1);
  });

  it("sizes a model by its config.json", async () => {
    const { code, text } = await run("own", { gpus: "1xl40s", config: configFile(JSON.stringify(configs["qwen3-4b"])) });
    expect(code).toBe(0);
    expect(text).toContain("own on 1x NVIDIA L40S");
  });

  it.each([
    ["an unknown model", "lama-3.1-70b", { gpus: "4xa40" }, "Did you mean llama-3.1-70b?"],
    ["no model", undefined, { gpus: "4xa40" }, "Name a model"],
    ["an unknown GPU", "llama-3.1-8b", { gpus: "4xa4O" }, "Did you mean a40?"],
    ["no GPU", "llama-3.1-8b", { gpus: "4x" }, "is not a GPU of the catalog"],
    ["too many GPUs", "llama-3.1-8b", { gpus: "99xa40" }, "--gpus must be a whole number from 1 to 16"],
    ["an unknown precision", "llama-3.1-8b", { gpus: "a40", precision: "fp9" }, "Did you mean fp8?"],
    ["a context that the model has not", "llama-3.1-8b", { gpus: "a40", context: "999999" }, "--context must be a whole number from 1 to 131072"],
    ["a share above 1", "llama-3.1-8b", { gpus: "a40", memoryUtilization: "92" }, "--memory-utilization must be above 0 and at most 1"],
    ["NVLink that the GPU has not", "llama-3.1-8b", { gpus: "l40s", nvlink: "bridge" }, "NVIDIA L40S has no NVLink"],
    ["a file that is not there", "own", { gpus: "a40", config: "/nowhere/config.json" }, "cannot be read (ENOENT)"],
  ] as const)("ends with 2 and advice at %s", async (_, model, options, advice) => {
    const { code, text } = await run(model, options);
    expect(code).toBe(2);
    expect(text).toContain(advice);
  });

  it("names every fault of a config.json with its place", async () => {
    const { code, text } = await run("own", { gpus: "a40", config: configFile('{"model_type":"llama"}') });
    expect(code).toBe(2);
    expect(text).toContain("num_hidden_layers is missing");
    expect(text).toContain("vocab_size is missing");
    expect((await run("own", { gpus: "a40", config: configFile("{") })).text).toContain("is not JSON");
  });
});
