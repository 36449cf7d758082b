import { formatProblems, type Problem } from "../../components/environment";
import { parsePath } from "../../engine/paths";
import { allRules } from "../../policies/site-rules";
import type { Rule } from "../../policies/rule";
import { version } from "../../package.json";
import { placeIn, type PlannedSource } from "./plan-side";
import type { Review } from "./review";
import { scrub } from "./scrub";
import type { Verdict } from "./verdicts";

/** What this writes of SARIF 2.1.0 (OASIS, sections 3.13 to 3.30). */
export interface SarifLog {
  $schema: string;
  version: "2.1.0";
  runs: [{ tool: { driver: { name: string; version: string; rules: SarifRule[] } }; columnKind: "utf16CodeUnits"; results: SarifResult[] }];
}

interface SarifRule {
  id: string;
  shortDescription: { text: string };
  fullDescription: { text: string };
  help: { text: string };
  defaultConfiguration: { level: Level };
}

export interface SarifResult {
  ruleId: string;
  ruleIndex: number;
  level: Level;
  message: { text: string };
  locations: [{ physicalLocation: { artifactLocation: { uri: string; uriBaseId: "%SRCROOT%" }; region?: { startLine: number; startColumn?: number } } }];
}

type Level = "error" | "warning";

interface Place {
  file: string;
  line?: number;
  column?: number;
}

/** Findings that are of no rule of the pack. */
const ownRules = {
  "environment-file": "An environment's file is read strictly: every key is known, every value is one that is allowed, and what it describes can be made.",
  "program": "The program that makes an environment's resources ends well.",
} as const;

function ruleOf({ name, displayName, description, enforcementLevel, remediationSteps }: Pick<Rule, "name" | "displayName" | "enforcementLevel" | "remediationSteps"> & { description: string }): SarifRule {
  return { id: name, shortDescription: { text: displayName }, fullDescription: { text: description }, help: { text: remediationSteps }, defaultConfiguration: { level: enforcementLevel === "mandatory" ? "error" : "warning" } };
}

/** `servers.gpu-01.gpus.model: the ...`: where in the environment a rule's message is about. */
function pathOf(message: string): (string | number)[] {
  const at = /^([A-Za-z][^\s:]*(?:\[[^\]]*\][^\s:]*)*): /.exec(message)?.[1];
  try {
    return at === undefined ? [] : parsePath(at);
  } catch {
    return [];
  }
}

function verdictPlace(head: PlannedSource, { message }: Verdict): Place {
  const keys = pathOf(message);
  return { file: head.source.file, ...(keys.length === 0 ? {} : placeIn(head.source, keys)) };
}

function location({ file, line, column }: Place): SarifResult["locations"] {
  const region = line === undefined ? {} : { region: { startLine: line, ...(column === undefined ? {} : { startColumn: column }) } };
  return [{ physicalLocation: { artifactLocation: { uri: encodeURI(file), uriBaseId: "%SRCROOT%" }, ...region } }];
}

interface Found {
  ruleId: string;
  level: Level;
  text: string;
  place: Place;
}

function problemFound(head: PlannedSource, problem: Problem): Found {
  const { file = head.source.file, line, column } = problem;
  const { line: _line, column: _column, file: _file, ...plain } = problem;
  const text = formatProblems(file, [plain]).slice(file.length + 2);
  return { ruleId: "environment-file", level: "error", text, place: { file, ...(line === undefined ? {} : { line }), ...(column === undefined ? {} : { column }) } };
}

function foundIn({ head, problems, failures, verdicts }: Review): Found[] {
  if (head === undefined) return [];
  return [
    ...problems.map((problem) => problemFound(head, problem)),
    ...failures.map((text): Found => ({ ruleId: "program", level: "error", text, place: { file: head.source.file } })),
    ...(verdicts?.found ?? []).map((verdict): Found => ({ ruleId: verdict.policy, level: verdict.level === "mandatory" ? "error" : "warning", text: verdict.message, place: verdictPlace(head, verdict) })),
  ];
}

/** The verdicts on the heads of all reviews as one SARIF log, for code scanning: where a rule names a value, at its line of the environment's file. */
export function toSarif(reviews: readonly Review[]): SarifLog {
  const found = reviews.flatMap(foundIn);
  const own = Object.entries(ownRules).map(([name, description]): SarifRule => ruleOf({ name, displayName: name, description, enforcementLevel: "mandatory", remediationSteps: "Do what the message says." }));
  const rules = [...own, ...allRules().map((each) => ruleOf({ ...each, description: each.description }))];
  const unknown = [...new Set(found.map(({ ruleId }) => ruleId))].filter((id) => !rules.some((each) => each.id === id));
  rules.push(...unknown.map((id) => ruleOf({ name: id, displayName: id, description: "A rule of another policy pack.", enforcementLevel: "advisory", remediationSteps: "See that pack." })));
  const index = new Map(rules.map(({ id }, at) => [id, at]));
  return {
    $schema: "https://json.schemastore.org/sarif-2.1.0.json",
    version: "2.1.0",
    runs: [{
      tool: { driver: { name: "rackwright", version, rules } },
      columnKind: "utf16CodeUnits",
      results: found.map(({ ruleId, level, text, place }) => ({ ruleId, ruleIndex: index.get(ruleId) ?? 0, level, message: { text: scrub(text.replace(/[\p{Cc}\p{Cf}]+/gu, " ")) }, locations: location(place) })),
    }],
  };
}
