import type { Problem } from "../../components/environment";
import { compareSteps } from "./compare";
import type { Preview, Step } from "./events";
import { findHazards, type Hazard } from "./hazards";
import { pairServers, type Comparison } from "./pairs";
import type { PlannedSource } from "./plan-side";
import { isMandatory, judge, type Verdicts } from "./verdicts";

/** All that a comment says of one environment. */
export interface Review {
  name: string;
  what: "added" | "removed" | "changed";
  base?: PlannedSource;
  head?: PlannedSource;
  /** Absent where a side is missing or cannot be read. */
  comparison?: Comparison;
  /** What the engine would do; of an event log, to what stands there, else from one commit to the other. */
  steps: Step[];
  /** Whether the steps are against the state of a stack, from an event log. */
  logged: boolean;
  hazards: Hazard[];
  /** Absent where the head was not judged. */
  verdicts?: Verdicts;
  /** What stands against the head, of its file, its planners or its program. */
  problems: Problem[];
  failures: string[];
}

/** What a program that failed said. Mandatory violations are told as verdicts. */
function failuresOf(preview: Preview | undefined): string[] {
  if (preview === undefined) return [];
  const errors = preview.diagnostics.filter(({ severity }) => severity === "error").map(({ message }) => message);
  if (errors.length > 0 || preview.ok || preview.violations.some(({ enforcementLevel }) => enforcementLevel === "mandatory")) return errors;
  return ["the preview failed, and its events do not say why"];
}

function stepsOf(base: PlannedSource | undefined, head: PlannedSource | undefined): Step[] {
  if (head === undefined) return compareSteps(base?.preview?.steps ?? [], []);
  if (head.preview === undefined) return [];
  // Against nothing all of it would look new.
  if (base !== undefined && base.preview === undefined) return [];
  return compareSteps(base?.preview?.steps ?? [], head.preview.steps);
}

/** @param log The engine's own preview of the head against a stack's state, in place of the comparison of two plans */
export function review(name: string, sides: { base?: PlannedSource; head?: PlannedSource }, log?: Preview): Review {
  const { base, head } = sides;
  const steps = log === undefined ? stepsOf(base, head) : log.steps;
  const judged = log ?? head?.preview;
  const comparison = base?.side === undefined || head?.side === undefined ? undefined : { base: base.side, head: head.side, servers: pairServers(base.side, head.side), steps };
  return {
    name, ...sides, steps,
    what: base === undefined ? "added" : head === undefined ? "removed" : "changed",
    ...(comparison === undefined ? {} : { comparison }),
    logged: log !== undefined,
    hazards: comparison === undefined ? [] : findHazards(comparison),
    ...(judged === undefined ? {} : { verdicts: judge(judged.violations, log === undefined ? base?.preview?.violations : undefined) }),
    problems: head?.problems ?? [],
    failures: failuresOf(judged),
  };
}

/** Whether a pull request must not be merged as it is: a mandatory rule is broken, or the environment cannot be made. */
export function blocks({ verdicts, problems, failures }: Review): boolean {
  return problems.length > 0 || failures.length > 0 || verdicts?.found.some(isMandatory) === true;
}
