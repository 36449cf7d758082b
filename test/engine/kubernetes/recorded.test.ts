import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { PropertyMap } from "../../../engine/values";
import { Objects } from "./objects";

interface Recorded {
  step: string;
  urn: string;
  type: string;
  op: "create" | "same" | "update" | "replace";
  /** As the program gave it. */
  given: PropertyMap;
  /** As the plugin's check left it. */
  inputs: PropertyMap;
  old?: { inputs: PropertyMap; outputs: PropertyMap };
  detailedDiff?: Record<string, { diffKind: string }>;
  keys?: string[];
}

const recorded = JSON.parse(readFileSync(join(__dirname, "recorded", "plugin.json"), "utf8")) as Recorded[];
// Leads nowhere; nothing here asks a cluster.
const objects = new Objects({ kubeconfig: JSON.stringify({ apiVersion: "v1", kind: "Config", "current-context": "c", clusters: [{ name: "c", cluster: { server: "https://127.0.0.1:9" } }], users: [], contexts: [{ name: "c", context: { cluster: "c", user: "c" } }] }) });

describe("the same objects and changes as recorded with the Pulumi CLI and the plugin", () => {
  it.each(recorded.map((one) => [`${one.step}: ${one.op} ${one.urn.slice(one.urn.lastIndexOf("::") + 2)}`, one] as const))("%s", async (_name, one) => {
    const { urn, type, given, old } = one;
    const { inputs, failures } = await objects.instance.check({ urn, type, news: given, ...(old === undefined ? {} : { olds: old.inputs }) });
    expect(failures).toEqual([]);
    expect(inputs).toEqual(one.inputs);
    if (old === undefined) return;
    const diff = await objects.instance.diff({ urn, type, id: "", oldInputs: old.inputs, oldOutputs: old.outputs, newInputs: inputs, ignoreChanges: [] });
    expect(diff.changes).toBe(one.op === "same" ? "none" : "some");
    const kinds = Object.entries(one.detailedDiff ?? {}).map(([path, { diffKind }]) => [path, diffKind.replace("-replace", "")]);
    expect(diff.detailedDiff).toEqual(Object.fromEntries(kinds));
    const replacing = Object.entries(one.detailedDiff ?? {}).filter(([, { diffKind }]) => diffKind.endsWith("-replace")).map(([path]) => path);
    expect([...diff.replaceKeys].sort()).toEqual(replacing.sort());
  });
});
