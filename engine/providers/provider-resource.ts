import { randomUUID } from "node:crypto";
import { UNKNOWN_TEXT } from "../signatures";
import { sameValue } from "../values";
import type { Outputs, Provider } from "./provider";

/** The provider of providers: `pulumi:providers:<package>` resources, which exist in state only. */
export function providerResources(covers: (type: string) => boolean): Provider {
  const outputsOf = (inputs: Outputs): Outputs => {
    const outputs = { ...inputs };
    delete outputs["__internal"];
    return outputs;
  };
  return {
    package: "pulumi",
    version: "",
    supports: covers,
    check: ({ news }) => Promise.resolve({ inputs: news, failures: [] }),
    diff: ({ oldInputs, newInputs }) => {
      const keys = [...new Set([...Object.keys(oldInputs), ...Object.keys(newInputs)])];
      const changedKeys = keys.filter((key) => !sameValue(oldInputs[key], newInputs[key]));
      const changes = changedKeys.length === 0 ? "none" : "some";
      return Promise.resolve({ changes, changedKeys, replaceKeys: [], deleteBeforeReplace: false });
    },
    create: ({ inputs, preview }) => Promise.resolve({ id: preview ? UNKNOWN_TEXT : randomUUID(), outputs: outputsOf(inputs) }),
    update: ({ newInputs }) => Promise.resolve({ outputs: outputsOf(newInputs) }),
    delete: () => Promise.resolve(),
    read: ({ id, inputs, outputs }) => Promise.resolve({ id, inputs: inputs ?? {}, outputs: outputs ?? {} }),
  };
}
