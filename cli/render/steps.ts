import type { EngineEvent, StepEventMetadata } from "../../engine/events";
import type { StepOp } from "../../engine/model";
import { table } from "../table";
import type { Paper } from "../terminal";

/** One resource of a plan, as users read it. */
export interface PlannedStep {
  op: StepOp;
  urn: string;
  type: string;
  name: string;
  parent: string;
  /** Number of components above it. */
  depth: number;
  /** Top-level inputs that differ. Empty for a create or a delete. */
  changed: string[];
}

const signs: Partial<Record<StepOp, { sign: string; style: "green" | "yellow" | "red" | "dim" }>> = {
  create: { sign: "+", style: "green" },
  update: { sign: "~", style: "yellow" },
  replace: { sign: "+-", style: "yellow" },
  delete: { sign: "-", style: "red" },
  same: { sign: " ", style: "dim" },
};

/** The steps of a preview, each resource once, children behind their parents. */
export function plannedSteps(events: readonly EngineEvent[]): PlannedStep[] {
  const steps = new Map<string, PlannedStep>();
  for (const { resourcePreEvent } of events) {
    const metadata = resourcePreEvent?.metadata;
    if (metadata === undefined || signs[metadata.op] === undefined || metadata.type.startsWith("pulumi:providers:")) continue;
    steps.set(metadata.urn, toStep(metadata));
  }
  return inTreeOrder([...steps.values()]);
}

function toStep({ op, urn, type, diffs, old, new: wanted }: StepEventMetadata): PlannedStep {
  return {
    op,
    urn,
    type,
    name: urn.slice(urn.lastIndexOf("::") + 2),
    parent: (wanted ?? old)?.parent ?? "",
    depth: 0,
    changed: op === "update" || op === "replace" ? (diffs ?? []) : [],
  };
}

/** From the ground up: servers, the cluster on them, weights, services, training jobs. */
const layers = ["rackwright:servers:", "rackwright:cluster:", "rackwright:inference:ModelStore", "rackwright:inference:", "rackwright:training:"];

/**
 * Siblings as they are read. What is independent reaches the engine in any order, and two plans of one environment must
 * read alike. A server's own steps come one after another and keep the order of the program.
 */
function inReadingOrder(siblings: readonly PlannedStep[]): PlannedStep[] {
  const layer = ({ type }: PlannedStep): number => {
    const index = layers.findIndex((prefix) => type.startsWith(prefix));
    return index === -1 ? layers.length : index;
  };
  const ofServer = siblings.some(({ parent }) => parent.includes("rackwright:servers:Server::"));
  return ofServer ? [...siblings] : [...siblings].sort((a, b) => layer(a) - layer(b) || a.name.localeCompare(b.name, "en", { numeric: true }));
}

/** Children behind their parents; the stack itself, which says nothing, is left out. */
function inTreeOrder(steps: readonly PlannedStep[]): PlannedStep[] {
  const below = new Map<string, PlannedStep[]>();
  const known = new Set(steps.map(({ urn }) => urn));
  for (const step of steps) {
    const parent = known.has(step.parent) ? step.parent : "";
    const siblings = below.get(parent);
    if (siblings === undefined) below.set(parent, [step]);
    else siblings.push(step);
  }
  const walk = (parent: string, depth: number): PlannedStep[] =>
    inReadingOrder(below.get(parent) ?? []).flatMap((step) =>
      step.type === "pulumi:pulumi:Stack" ? walk(step.urn, depth) : [{ ...step, depth }, ...walk(step.urn, depth + 1)],
    );
  return walk("", 0);
}

/** A type that the name does not say already: an object's name begins with its kind. */
function shownType({ name, type }: PlannedStep): string {
  const kind = type.slice(type.lastIndexOf(":") + 1).toLowerCase();
  return type.startsWith("kubernetes:") && name.startsWith(`${kind}-`) ? "" : type;
}

/** The resources that change, indented by their depth in the tree. */
export function renderSteps(steps: readonly PlannedStep[], { style, columns }: Paper): string {
  const changing = steps.filter((step) => step.op !== "same");
  return table(
    changing.map((step) => {
      const sign = signs[step.op] ?? { sign: "?", style: "dim" };
      const type = shownType(step);
      const after = [...(type === "" ? [] : [style("dim", type)]), ...(step.changed.length === 0 ? [] : [step.changed.join(", ")])];
      return [style(sign.style, sign.sign.padEnd(2)), "  ".repeat(step.depth) + step.name, after.join("  ")];
    }),
    "  ",
    columns,
  );
}

const words: readonly [StepOp, string][] = [
  ["create", "to create"],
  ["update", "to update"],
  ["replace", "to replace"],
  ["delete", "to delete"],
  ["same", "unchanged"],
];

/** `13 to create, 2 unchanged`. */
export function renderChanges(changes: Partial<Record<StepOp, number>>): string {
  const parts = words.filter(([op]) => (changes[op] ?? 0) > 0).map(([op, word]) => `${changes[op] ?? 0} ${word}`);
  return parts.length === 0 ? "no resources" : parts.join(", ");
}
