import { randomUUID } from "node:crypto";
import { UNKNOWN_TEXT } from "../signatures";
import { packageOf } from "../urn";
import { sameValue } from "../values";
import type { DiffResult, Inputs, Outputs, Provider, ProviderInstance } from "./provider";

/** How the inputs of two provider resources of one package differ. */
export function diffProviders(provider: Provider, oldInputs: Inputs, newInputs: Inputs): DiffResult {
  const olds = withoutInternal(oldInputs);
  const news = withoutInternal(newInputs);
  if (provider.diffConfig !== undefined) return provider.diffConfig(olds, news);
  const keys = [...new Set([...Object.keys(olds), ...Object.keys(news)])];
  const changedKeys = keys.filter((key) => !sameValue(olds[key], news[key]));
  return { changes: changedKeys.length === 0 ? "none" : "some", changedKeys, replaceKeys: [], deleteBeforeReplace: false };
}

function withoutInternal(inputs: Inputs): Inputs {
  const result = { ...inputs };
  delete result["__internal"];
  return result;
}

/** The provider of providers: `pulumi:providers:<package>` resources, which exist in state only. */
export function providerResources(providerOf: (packageName: string) => Provider): ProviderInstance {
  const outputsOf = (inputs: Inputs): Outputs => withoutInternal(inputs);
  return {
    check: ({ type, news }) => Promise.resolve({ inputs: news, failures: providerOf(packageOf(type)).checkConfig?.(news) ?? [] }),
    diff: ({ type, oldInputs, newInputs }) => Promise.resolve(diffProviders(providerOf(packageOf(type)), oldInputs, newInputs)),
    create: ({ inputs, preview }) => Promise.resolve({ id: preview ? UNKNOWN_TEXT : randomUUID(), outputs: outputsOf(inputs) }),
    update: ({ newInputs }) => Promise.resolve({ outputs: outputsOf(newInputs) }),
    delete: () => Promise.resolve(),
    read: ({ id, inputs, outputs }) => Promise.resolve({ id, inputs: inputs ?? {}, outputs: outputs ?? {} }),
  };
}
