import type { PolicyEvent } from "../../engine/events";
import { allRules } from "../../policies/site-rules";
import { toChecks, type Check } from "../render/checks";

/** One rule's verdict on the head, and whether the base has the same one. */
export interface Verdict extends Check {
  /** False where the base breaks the rule at the same place. Undefined where that is not known. */
  isNew: boolean | undefined;
  /** What to do, from the rule. Empty where it is no rule of the pack. */
  remediation: string;
}

export interface Verdicts {
  found: Verdict[];
  /** Those of the base that the head no longer has. */
  mended: Check[];
}

/** The same rule broken at the same place: other words about it, such as another value, are no news. */
const keyOf = ({ policy, message, level }: Check): string => `${policy}\0${level}\0${message.split(": ", 1)[0] ?? ""}`;

/** @param base Absent where the base was not judged */
export function judge(head: readonly PolicyEvent[], base: readonly PolicyEvent[] | undefined): Verdicts {
  const rules = new Map(allRules().map((rule) => [rule.name, rule.remediationSteps]));
  const before = base === undefined ? undefined : toChecks(base.filter(({ enforcementLevel }) => enforcementLevel !== "disabled"));
  const known = before === undefined ? undefined : new Set(before.map(keyOf));
  const found = toChecks(head.filter(({ enforcementLevel }) => enforcementLevel !== "disabled")).map((check) => ({ ...check, isNew: known === undefined ? undefined : !known.has(keyOf(check)), remediation: rules.get(check.policy) ?? "" }));
  const now = new Set(found.map(keyOf));
  return { found, mended: (before ?? []).filter((check) => !now.has(keyOf(check))) };
}

export const isMandatory = ({ level }: Check): boolean => level === "mandatory";
