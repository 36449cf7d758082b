import { areas } from "../../../policies/all";
import type { Rule } from "../../../policies/rule";
import type { Check } from "../../render/checks";
import type { Mark, Table } from "../types";
import { plural } from "../words";

export interface RulesData {
  verdict: Mark;
  /** Everything that is violated, worst first. */
  violated: Table;
  areas: Table[];
}

const rulesSource = "policies/, described in docs/rules.md";
const titles: Readonly<Record<string, string>> = { hardware: "Hardware", storage: "Storage", inference: "Inference", operations: "Operations", recovery: "Recovery", security: "Security", site: "Rules of the site" };

const isViolation = ({ level }: Check): boolean => level === "mandatory";

/** How a check reads: mandatory ones stop a plan. */
const levelMark = (check: Check): Mark => (isViolation(check) ? { mark: "bad", text: "violated" } : { mark: "warning", text: "warning" });

function areaOf({ name }: Rule): string {
  return Object.entries(areas).find(([, members]) => members.some((member) => member.name === name))?.[0] ?? "site";
}

export function rulesVerdict(rules: number, checks: readonly Check[], judged: boolean): Mark {
  const violated = checks.filter(isViolation).length;
  const warnings = checks.length - violated;
  const found = [...(violated > 0 ? [`${violated} violated`] : []), ...(warnings > 0 ? [plural(warnings, "warning")] : [])].join(", ");
  if (!judged) return { mark: "bad", text: `the plan failed, so that not all of the ${rules} rules were judged${found === "" ? "" : `; ${found}`}` };
  if (found === "") return { mark: "good", text: `all ${rules} rules hold` };
  return { mark: violated > 0 ? "bad" : "warning", text: `${rules} rules: ${found}` };
}

/**
 * The pack over the environment, as `plan` runs it.
 * @param judged false where the plan failed before the pack had seen everything: what is not violated is then not known to hold
 */
export function rulesData(rules: readonly Rule[], checks: readonly Check[], judged: boolean): RulesData {
  const verdictOf = ({ name }: Rule): Mark => {
    const own = checks.filter(({ policy }) => policy === name);
    const worst = own.find(isViolation) ?? own[0];
    if (worst === undefined) return judged ? { mark: "good", text: "holds" } : { mark: "warning", text: "not judged" };
    const mark = levelMark(worst);
    return own.length === 1 ? mark : { ...mark, text: `${mark.text}, ${own.length} times` };
  };
  return {
    verdict: rulesVerdict(rules.length, checks, judged),
    violated: {
      caption: "What speaks against it",
      columns: [{ title: "Rule", source: rulesSource }, { title: "Verdict" }, { title: "What, what is allowed, what to do", kind: "wide" }],
      rows: checks.map((check) => [check.policy, levelMark(check), check.message]),
    },
    areas: Object.keys(titles).flatMap((area) => {
      const members = rules.filter((rule) => areaOf(rule) === area);
      if (members.length === 0) return [];
      return [{
        caption: titles[area] ?? area,
        columns: [{ title: "Rule", source: rulesSource }, { title: "Requires", kind: "wide" as const }, { title: "Level" }, { title: "Comes from", source: "guide: docs/guide.md; facts: docs/facts.md" }, { title: "Verdict" }],
        rows: members.map((rule) => [rule.name, rule.description, rule.enforcementLevel, rule.section, verdictOf(rule)]),
      }];
    }),
  };
}
