import { readFileSync } from "node:fs";
import * as path from "node:path";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { z } from "zod";
import { listEnvironments } from "../../components/environment";
import { jsonSchemaFile, jsonSchemaText, stackFileJsonSchema } from "../../components/environment/json-schema";

const stacksDir = path.resolve(__dirname, "../../stacks");
const stackData = (name: string): unknown => parse(readFileSync(path.join(stacksDir, `Pulumi.${name}.yaml`), "utf8"));

describe("the JSON Schema for editors", () => {
  it("is current: `npm run schema` after a change of the model", () => {
    expect(readFileSync(jsonSchemaFile, "utf8")).toBe(jsonSchemaText());
  });

  const schema = z.fromJSONSchema(stackFileJsonSchema() as Parameters<typeof z.fromJSONSchema>[0]);

  it.each(listEnvironments(stacksDir))("accepts %s", (name) => {
    expect(schema.safeParse(stackData(name)).error?.issues ?? []).toEqual([]);
  });

  it.each([
    ["an unknown key", ["config", "rackwright:environment", "site", "nmae"], "x"],
    ["an unknown top-level key", ["confg"], {}],
    ["a GPU that is in no catalog", ["config", "rackwright:environment", "servers", "gpu-01", "gpus", "model"], "voodoo2"],
    ["a model that is in no catalog", ["config", "rackwright:environment", "services", "assistant", "model"], "hal-9000"],
    ["a secret in plain text", ["config", "rackwright:sshPrivateKey"], "x"],
  ] as const)("refuses %s", (_name, keys, value) => {
    const data = structuredClone(stackData("dev-test")) as Record<string, unknown>;
    let parent = data;
    for (const key of keys.slice(0, -1)) parent = parent[key] as Record<string, unknown>;
    parent[keys.at(-1) ?? ""] = value;
    expect(schema.safeParse(data).success).toBe(false);
  });

  it("offers catalog ids for completion", () => {
    for (const id of ["rtx-4090", "h100-80gb-sxm5", "epyc-7543", "llama-3.1-70b"]) expect(jsonSchemaText()).toContain(`"${id}"`);
  });
});
