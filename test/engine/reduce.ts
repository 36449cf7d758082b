import type { EngineEvent } from "../../engine";

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

const VARYING = new Set(["created", "modified", "sourcePosition", "stackTrace"]);
const UUID = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";

/** A value without what differs from run to run: ids, times, places in the source, ciphertexts, the order of dependencies. */
export function steady(value: unknown, key = ""): Json {
  if (typeof value === "string") {
    if (key === "ciphertext") return "<ciphertext>";
    if (value.endsWith(UNKNOWN)) return value;
    const steadyText = value.replace(UUID, "<uuid>");
    return key === "id" ? steadyText.replace(/[0-9a-f]{8}$/, "<8 hex>") : steadyText;
  }
  if (Array.isArray(value)) {
    const items = value.map((item) => steady(item));
    return key === "dependencies" || key === "diffs" || key === "keys" ? items.map(String).sort() : items;
  }
  if (typeof value !== "object" || value === null) return value as Json;
  const entries = Object.entries(value).filter(([name, item]) => !VARYING.has(name) && item !== undefined);
  return Object.fromEntries(entries.map(([name, item]) => [name, steady(item, name)]));
}

export interface Reduced {
  changes: Json;
  succeeded: boolean;
  /** Metadata of every finished step, sorted by URN and step: independent steps finish in any order. */
  steps: Json[];
  violations: Json[];
  remediations: Json[];
}

/** What two runs of one program have in common, whatever engine ran them. */
export function reduceEvents(events: EngineEvent[]): Reduced {
  const summary = events.find((event) => event.summaryEvent !== undefined)?.summaryEvent;
  const byStep = new Map<string, Json>();
  for (const { resOutputsEvent } of events) {
    const metadata = resOutputsEvent?.metadata;
    // A component's event is sent again when its outputs are known; the last one counts.
    if (metadata !== undefined) byStep.set(`${metadata.urn} ${metadata.op}`, steady(metadata));
  }
  const sorted = (items: Json[]): Json[] => items.map((item) => JSON.stringify(item)).sort().map((item) => JSON.parse(item) as Json);
  return {
    changes: summary?.resourceChanges ?? {},
    succeeded: summary?.result === "succeeded",
    steps: [...byStep].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, metadata]) => metadata),
    violations: sorted(events.flatMap(({ policyEvent }) => (policyEvent === undefined ? [] : [steady({ ...policyEvent, color: "" })]))),
    remediations: sorted(events.flatMap(({ policyRemediationEvent }) =>
      policyRemediationEvent === undefined ? [] : [steady({ ...policyRemediationEvent, color: "" })])),
  };
}

/** Resources of an exported stack by URN, without what differs from run to run. */
export function reduceState(stack: { deployment: { resources?: { urn: string; delete?: boolean }[] } }): Record<string, Json> {
  const resources = stack.deployment.resources ?? [];
  const named = resources.map((resource): [string, Json] => [`${resource.urn}${resource.delete === true ? " (delete)" : ""}`, steady(resource)]);
  return Object.fromEntries(named);
}
