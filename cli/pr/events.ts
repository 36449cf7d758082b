import { readFileSync, statSync } from "node:fs";
import { z } from "zod";
import type { Diagnostic, EngineEvent, PolicyEvent, StepEventMetadata } from "../../engine/events";
import { detailedDiff } from "../../engine/paths";
import type { PropertyMap } from "../../engine/values";
import { CliError, exitCodes } from "../exit";
import { projectName } from "../project";
import { scrub } from "./scrub";

export type ChangeOp = "create" | "update" | "replace" | "delete" | "same";

/** Inputs of a resource, in the encoding of events. */
export type Inputs = Readonly<Record<string, unknown>>;

/** What becomes of one resource. */
export interface Step {
  op: ChangeOp;
  urn: string;
  type: string;
  name: string;
  /** URN; empty where there is none. */
  parent: string;
  /** Inputs; secrets are masked in them. Absent before a create and after a delete. */
  old?: Inputs;
  new?: Inputs;
  /** Paths of the inputs that differ. Empty for a create or a delete. */
  changed: string[];
}

/** What the renderer reads of a preview, whichever engine made it. */
export interface Preview {
  steps: Step[];
  violations: PolicyEvent[];
  diagnostics: Diagnostic[];
  /** Names of the policy packs that judged it. */
  packs: string[];
  ok: boolean;
}

const ops: Readonly<Record<string, ChangeOp>> = {
  "same": "same", "create": "create", "update": "update", "delete": "delete", "replace": "replace", "create-replacement": "replace", "delete-replaced": "replace",
  "import": "create", "import-replacement": "replace", "discard": "delete",
};
/** Of one URN the weightiest counts: a replacement is told in three steps. */
const weight: Readonly<Record<ChangeOp, number>> = { same: 0, update: 1, create: 1, delete: 1, replace: 2 };

/** Providers and the stack itself say nothing to a reader. */
export const isShown = (type: string): boolean => !type.startsWith("pulumi:providers:") && type !== "pulumi:pulumi:Stack";

export function changedPaths(old: Inputs, now: Inputs): string[] {
  return [...detailedDiff(old as PropertyMap, now as PropertyMap).keys()];
}

function toStep({ op, urn, type, old, new: wanted, detailedDiff: detailed, diffs }: StepEventMetadata): Step | undefined {
  const before: Inputs | undefined = old?.inputs;
  const after: Inputs | undefined = wanted?.inputs;
  const change = ops[op];
  if (change === undefined || !isShown(type)) return undefined;
  const told = Object.keys(detailed ?? {});
  const computed = (): string[] => (before === undefined || after === undefined ? (diffs ?? []) : changedPaths(before, after));
  return {
    op: change, urn, type,
    name: urn.slice(urn.lastIndexOf("::") + 2),
    parent: (wanted ?? old)?.parent ?? "",
    ...(before === undefined || change === "create" ? {} : { old: before }),
    ...(after === undefined || change === "delete" ? {} : { new: after }),
    changed: change === "update" || change === "replace" ? (told.length > 0 ? told : computed()) : [],
  };
}

/** Reads the events of one preview. */
export function readEvents(events: Iterable<EngineEvent>): Preview {
  const steps = new Map<string, Step>();
  const preview: Preview = { steps: [], violations: [], diagnostics: [], packs: [], ok: false };
  for (const { resourcePreEvent, resOutputsEvent, policyEvent, diagnosticEvent, summaryEvent } of events) {
    const metadata = (resourcePreEvent ?? resOutputsEvent)?.metadata;
    const step = metadata === undefined ? undefined : toStep(metadata);
    const known = step === undefined ? undefined : steps.get(step.urn);
    if (step !== undefined && (known === undefined || weight[step.op] >= weight[known.op])) {
      steps.set(step.urn, { ...known, ...step, changed: step.changed.length > 0 ? step.changed : (known?.changed ?? []) });
    }
    if (policyEvent !== undefined) preview.violations.push(policyEvent);
    if (diagnosticEvent !== undefined) preview.diagnostics.push(diagnosticEvent);
    if (summaryEvent !== undefined) {
      preview.packs = Object.keys(summaryEvent.PolicyPacks);
      preview.ok = summaryEvent.result !== "failed";
    }
  }
  return { ...preview, steps: [...steps.values()] };
}

const properties = z.record(z.string(), z.unknown());
const state = z.looseObject({ type: z.string(), urn: z.string(), parent: z.string().default(""), inputs: properties.default({}) });
const metadata = z.looseObject({
  op: z.string(), urn: z.string(), type: z.string(), old: state.nullish(), new: state.nullish(),
  diffs: z.array(z.string()).nullish(), detailedDiff: z.record(z.string(), z.unknown()).nullish(),
});
const step = z.looseObject({ metadata });
const event = z.looseObject({
  resourcePreEvent: step.optional(),
  resOutputsEvent: step.optional(),
  policyEvent: z.looseObject({ resourceUrn: z.string().optional(), message: z.string(), policyName: z.string(), policyPackName: z.string(), enforcementLevel: z.enum(["advisory", "mandatory", "remediate", "disabled"]) }).optional(),
  diagnosticEvent: z.looseObject({ urn: z.string().optional(), message: z.string(), severity: z.string() }).optional(),
  summaryEvent: z.looseObject({ resourceChanges: z.record(z.string(), z.number()).nullish(), PolicyPacks: z.record(z.string(), z.string()).nullish().transform((packs) => packs ?? {}), isPreview: z.boolean().optional(), result: z.string().optional() }).optional(),
});

const largestLogBytes = 512 * 1024 * 1024;
const howToMake = "Make one with `PULUMI_DEBUG_COMMANDS=true pulumi preview --policy-pack policies --event-log FILE`.";

function bad(file: string, message: string): CliError {
  return new CliError(`--events: ${scrub(file)} ${message}`, exitCodes.badInput);
}

function readLog(file: string): string {
  try {
    if (statSync(file).size > largestLogBytes) throw bad(file, `has more than ${largestLogBytes / 1024 / 1024} MiB, which no preview's log has.`);
    return readFileSync(file, "utf8");
  } catch (error) {
    if (error instanceof CliError) throw error;
    throw bad(file, `cannot be read (${(error as NodeJS.ErrnoException).code ?? "error"}).`);
  }
}

/** A log's line as an event. What it holds is never repeated in a message: it may be state. */
function parseLine(file: string, line: string, number: number): EngineEvent {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    throw bad(file, `is no event log: line ${number} is not JSON. ${howToMake}`);
  }
  const parsed = event.safeParse(value);
  if (parsed.success) return parsed.data as unknown as EngineEvent;
  const at = parsed.error.issues[0]?.path.filter((key) => typeof key === "string" && /^[A-Za-z]{1,30}$/.test(key)).join(".") ?? "";
  throw bad(file, `is no event log of Pulumi: line ${number} is no engine event${at === "" ? "" : ` (${at})`}. ${howToMake}`);
}

/** A preview from the event log that `pulumi preview` writes, and the stack that it is of. */
export interface LoggedPreview extends Preview {
  stack: string;
}

/**
 * Reads an event log: one engine event a line.
 * @throws CliError with exit code 2 where it is none, is cut off, is of another project, or was judged by no policy pack
 */
export function readEventLog(file: string): LoggedPreview {
  const text = readLog(file).replace(/^\uFEFF/, "");
  if (/^\s*\{\s*"(config|steps)"/.test(text) && !text.trimEnd().includes("\n{")) {
    throw bad(file, `is the summary that \`pulumi preview --json\` prints, which has no verdicts of the rules. ${howToMake}`);
  }
  const events = text.split("\n").flatMap((line, index) => (line.trim() === "" ? [] : [parseLine(file, line, index + 1)]));
  const summary = events.find(({ summaryEvent }) => summaryEvent !== undefined)?.summaryEvent;
  if (summary === undefined) throw bad(file, `has no summary: the preview was cut off, and what is missing is not known. ${howToMake}`);
  if ((summary as { isPreview?: boolean }).isPreview === false) throw bad(file, `is the log of an update, not of a preview. ${howToMake}`);
  const urns = events.flatMap(({ resourcePreEvent, resOutputsEvent }) => (resourcePreEvent ?? resOutputsEvent)?.metadata.urn ?? []);
  const places = new Set(urns.map((urn) => /^urn:pulumi:([A-Za-z0-9._-]+)::([^:]*)::/.exec(urn)).map((match) => `${match?.[1] ?? ""}\0${match?.[2] ?? ""}`));
  const [[stack = "", project] = []] = [...places].map((place) => place.split("\0"));
  if (places.size !== 1 || stack === "" || project !== projectName) throw bad(file, `is not the log of one stack of the project ${projectName}.`);
  const preview = readEvents(events);
  // What no pack has judged must not look as if all rules held.
  if (preview.ok && preview.packs.length === 0) throw bad(file, `was judged by no policy pack. ${howToMake}`);
  return { ...preview, stack };
}
