import type { PolicyViolation } from "../../engine/events";
import type { Paper } from "../terminal";
import { wrap } from "../text";

/** A violated rule, as `--json` has it. */
export interface Check {
  policy: string;
  level: PolicyViolation["enforcementLevel"];
  severity: string;
  resource: string;
  message: string;
}

/** Violations as checks: mandatory ones first, then by rule. Pulumi repeats the rule's description in front of each message; it is left out. */
export function toChecks(violations: readonly PolicyViolation[]): Check[] {
  const rank = (level: string): number => (level === "mandatory" ? 0 : 1);
  return violations
    .map((violation) => ({
      policy: violation.policyName,
      level: violation.enforcementLevel,
      severity: violation.severity ?? "",
      resource: violation.resourceUrn === undefined ? "" : violation.resourceUrn.slice(violation.resourceUrn.lastIndexOf("::") + 2),
      message: violation.message.trim().split("\n").slice(1).join("\n").trim() || violation.message.trim(),
    }))
    .sort((a, b) => rank(a.level) - rank(b.level) || a.policy.localeCompare(b.policy) || a.message.localeCompare(b.message));
}

/** A paragraph a violated rule and one sum. */
export function renderChecks(checks: readonly Check[], rules: number, { style, columns }: Paper): string {
  const lines = checks.map((check) => {
    const label = check.level === "mandatory" ? style("red", "violation") : style("yellow", "warning  ");
    const [head = "", ...more] = `${check.policy}: ${check.message}`.split("\n");
    return wrap(head, `  ${label}  `, columns) + more.map((line) => wrap(line, " ".repeat(13), columns)).join("");
  });
  const mandatory = checks.filter((check) => check.level === "mandatory").length;
  const advisory = checks.length - mandatory;
  const sum = checks.length === 0 ? style("green", "all hold") : [mandatory > 0 ? `${mandatory} violated` : "", advisory > 0 ? `${advisory} warning${advisory === 1 ? "" : "s"}` : ""].filter(Boolean).join(", ");
  return `${lines.join("")}  ${rules} rules: ${sum}\n`;
}
