import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { decodeMap, wireSecrets } from "../../../engine/encoding";
import { CommandProvider } from "../../../engine/providers/command";
import type { PropertyMap } from "../../../engine/values";
import { CASES, setStage } from "./cases";
import type { Call, Outcome, Stage, WireMap } from "./cases";
import recorded from "./recorded.json";

const OUTCOMES = new Map<string, Outcome>(recorded.outcomes.map((item) => [item.case.name, item.outcome as unknown as Outcome]));

/** Secrets reach the screen in the real provider's lines, where the CLI masks what it knows. Ours never leave. */
const MASKED: Record<string, [string, string]> = {
  "local:Command create: environment": ["1 2three", "1 2[secret]"],
  "local:Command update: a secret earlier output": ["u OUT|ERR", "u [secret]|ERR"],
};

let stage: Stage;
let provider: CommandProvider;

beforeAll(async () => {
  delete process.env["SSH_AUTH_SOCK"];
  stage = await setStage();
  provider = new CommandProvider({ programDir: stage.program });
});
beforeEach(() => stage.clear());
afterAll(async () => {
  provider.close();
  await stage.stop();
});

/** An outcome with decoded properties, so that the order of keys and empty fields of assets do not count. */
interface Decoded extends Omit<Outcome, "inputs" | "outputs"> {
  inputs?: PropertyMap;
  outputs?: PropertyMap;
}

function values(map: WireMap): PropertyMap {
  return decodeMap(map, wireSecrets);
}

async function run(type: string, call: Call, lines: string[]): Promise<Decoded> {
  const urn = `urn:pulumi:dev::rack::${type}::gpu-01`;
  const step = {
    urn,
    type,
    signal: new AbortController().signal,
    log: (_severity: string, message: string) => void lines.push(message),
  };
  switch (call.call) {
    case "check":
      return provider.check({ urn, type, news: values(call.news) });
    case "diff": {
      const request = {
        oldInputs: values(call.oldInputs),
        oldOutputs: values(call.oldOutputs),
        newInputs: values(call.newInputs),
        ignoreChanges: call.ignoreChanges ?? [],
      };
      const result = await provider.diff({ urn, type, id: "id", ...request });
      expect(result.changes).toBe(result.changedKeys.length === 0 ? "none" : "some");
      expect(result.deleteBeforeReplace).toBe(false);
      const detailed = Object.fromEntries(Object.entries(result.detailedDiff).sort());
      return { diff: { changed: result.changedKeys, replace: result.replaceKeys, detailed } };
    }
    case "create": {
      const { id, outputs } = await provider.create({ ...step, inputs: values(call.inputs), preview: call.preview === true });
      return { id: id.replace(/[0-9a-f]{8}$/, "<RANDOM>"), outputs };
    }
    case "update":
      return provider.update({
        ...step,
        id: "id",
        oldInputs: values(call.oldInputs),
        oldOutputs: values(call.oldOutputs),
        newInputs: values(call.newInputs),
        preview: call.preview === true,
      });
    case "delete":
      await provider.delete({ ...step, id: "id", inputs: values(call.inputs), outputs: values(call.outputs) });
      return {};
  }
}

describe("the real provider and this one do the same", () => {
  it("has an outcome for every case", () => {
    expect([...OUTCOMES.keys()].sort()).toEqual(CASES.map((item) => item.name).sort());
  });

  it.each(CASES.map((item) => [item.name, item] as const))("%s", async (name, { type, call }) => {
    const lines: string[] = [];
    let outcome: Decoded;
    try {
      outcome = await run(type, stage.fill(call), lines);
    } catch (error) {
      outcome = { error: error instanceof Error ? error.message : String(error) };
    }
    const expected = stage.fill(OUTCOMES.get(name) ?? {});
    const { inputs, outputs, log, files, failures, ...rest } = expected;
    expect({ ...outcome, inputs: undefined, outputs: undefined, failures: undefined }).toEqual(rest);
    if (failures !== undefined) {
      const byText = (list: { reason: string }[]): string[] => list.map((failure) => JSON.stringify(failure)).sort();
      expect(byText(outcome.failures ?? [])).toEqual(byText(failures));
      // What a refused resource would have had as inputs is never used.
      if (failures.length === 0 && inputs !== undefined) expect(outcome.inputs).toEqual(values(inputs));
    }
    if (outputs !== undefined) expect(outcome.outputs).toEqual(values(outputs));
    const [theirs, ours] = MASKED[name] ?? ["", ""];
    if (log !== undefined) expect([...lines].sort()).toEqual(log.map((line) => (line === theirs ? ours : line)));
    if (files !== undefined) expect(stage.files()).toEqual(files);
  });
});
