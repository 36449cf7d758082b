import { randomUUID } from "node:crypto";
import type { Provider } from "../../engine";
import { withHashes } from "../../engine/providers/command";
import { UNKNOWN } from "../../engine/values";

type Properties = Record<string, unknown>;

/** What hosts answer that nobody can reach: every step succeeds, and the one file that the program reads is the cluster's kubeconfig. */
export function answerOf(inputs: Properties, kubeconfig: unknown): Properties {
  const create = typeof inputs["create"] === "string" ? inputs["create"] : "";
  const stdout = create.endsWith("/k3s.yaml") ? kubeconfig : create.endsWith("/node-token") ? "token" : "";
  return { ...inputs, stdout, stderr: "" };
}

/** Inputs as text. Files count by their hash, whatever form they are given in. */
export function comparable(inputs: unknown): string {
  return JSON.stringify(inputs, (_key, value: unknown) => (typeof value === "object" && value !== null && "hash" in value ? value.hash : value));
}

/** What the command plugin adds to the inputs of its provider resource. */
export const providerInputs = { "__pulumi-go-provider-version": "1.2.0" };

/** In place of `command:*` in the embedded engine. */
export function standInForHosts(kubeconfig: string, programDir: string): Provider {
  return {
    package: "command",
    version: "1.2.1",
    providerInputs,
    supports: (type) => type.startsWith("command:"),
    configure: () => ({
      // The hashes of files are the engine's to add with the CLI, and the provider's here.
      check: async ({ news }) => ({ inputs: { ...news, ...("source" in news ? { source: await withHashes(news["source"] ?? null, programDir) } : {}) }, failures: [] }),
      diff: ({ oldInputs, newInputs }) => {
        const changedKeys = Object.keys({ ...oldInputs, ...newInputs }).filter((key) => comparable(oldInputs[key]) !== comparable(newInputs[key]));
        return Promise.resolve({ changes: changedKeys.length === 0 ? "none" : "some", replaceKeys: [], changedKeys, deleteBeforeReplace: false });
      },
      create: ({ inputs, preview }) => Promise.resolve({ id: randomUUID(), outputs: answerOf(inputs, preview ? UNKNOWN : kubeconfig) as typeof inputs }),
      update: ({ newInputs, preview }) => Promise.resolve({ outputs: answerOf(newInputs, preview ? UNKNOWN : kubeconfig) as typeof newInputs }),
      delete: () => Promise.resolve(),
      read: ({ id, inputs = {}, outputs = {} }) => Promise.resolve({ id, inputs, outputs }),
    }),
  };
}
