import { suggest } from "../catalog";

/** One thing that is wrong in an environment, in words for the person who wrote it. */
export interface Problem {
  /** Where: `servers.gpu-01.gpus.count`; `environment` for the whole of it. */
  path: string;
  /** What is wrong, as the rest of a sentence that begins with the path. */
  message: string;
  /** What was given: shortened, and never a secret. Absent where nothing was given. */
  value?: unknown;
  /** What would be right. */
  allowed?: string;
  /** What to do. */
  fix?: string;
  /** The file, where it is another one than the one that is being reported on. */
  file?: string;
  /** Place in the file, counted from 1. Absent where there is no file. */
  line?: number;
  column?: number;
}

/** A problem whose place is still a list of keys, so that it can be found again in the file. */
export interface Finding extends Omit<Problem, "path" | "file" | "line" | "column"> {
  keys: readonly PropertyKey[];
}

const longestShownText = 80;
const mostShownProblems = 100;
/** Control characters and those that reverse the direction of text: a terminal would obey them. */
const unprintable = /[\p{Cc}\u202a-\u202e\u2066-\u2069]/gu;
const secretName = /secret|password|passphrase|token|private|credential/i;
const secretText = /PRIVATE KEY|^[a-z]+:\/\/[^/?#]*@/i;

/** A value as it may be shown: short, plain and without secrets. */
function presentable(value: unknown, keys: readonly PropertyKey[]): unknown {
  if (value === undefined) return undefined;
  if (keys.some((key) => typeof key === "string" && secretName.test(key))) return "[secret]";
  switch (typeof value) {
    case "string":
      if (secretText.test(value)) return "[secret]";
      return value.length > longestShownText ? `${value.slice(0, longestShownText)}…` : value;
    case "number":
      return Number.isFinite(value) ? value : String(value);
    case "boolean":
      return value;
    case "object":
      if (value === null) return null;
      return Array.isArray(value) ? `[a list of ${value.length}]` : "[a mapping]";
    default:
      return `[a ${typeof value}]`;
  }
}

/** Keys that read well between dots; others are quoted in brackets. */
const plainKey = /^[A-Za-z_][A-Za-z0-9_:+-]*$/;
const longestShownKey = 120;

/** `["servers", "gpu-01", "drives", 0]` as `servers.gpu-01.drives[0]`. */
export function pathText(keys: readonly PropertyKey[]): string {
  let text = "";
  for (const key of keys) {
    if (typeof key === "number") text += `[${key}]`;
    else {
      const whole = String(key);
      const shown = whole.length > longestShownKey ? `${whole.slice(0, longestShownKey)}…` : whole;
      text += plainKey.test(shown) ? `${text === "" ? "" : "."}${shown}` : `[${JSON.stringify(shown)}]`;
    }
  }
  return text === "" ? "environment" : text;
}

/** "Did you mean …?" where a known word is near, else another piece of advice. */
export function didYouMean(written: string, known: readonly string[], otherwise: string): string {
  const near = suggest(written, known);
  return near === undefined ? otherwise : `Did you mean ${near}?`;
}

export function toProblem(finding: Finding): Problem {
  const { keys, value, ...rest } = finding;
  const shown = presentable(value, keys);
  return { path: pathText(keys), ...rest, ...(shown === undefined ? {} : { value: shown }) };
}

function given(value: unknown): string {
  if (typeof value === "string" && /^\[(secret|a .*)\]$/.test(value)) return value.slice(1, -1);
  return JSON.stringify(value);
}

function line(reportedFile: string, problem: Problem): string {
  const file = problem.file ?? reportedFile;
  const place = problem.line === undefined ? file : `${file}:${problem.line}${problem.column === undefined ? "" : `:${problem.column}`}`;
  let text = `${place}: ${problem.path} ${problem.message}`;
  if (problem.value !== undefined) text += `, got ${given(problem.value)}`;
  if (problem.allowed !== undefined) text += `; allowed: ${problem.allowed}`;
  if (problem.fix !== undefined) text += `. ${problem.fix}`;
  return text.replace(unprintable, " ");
}

/** All problems of a file, one a line, in the form that editors and terminals make clickable. */
export function formatProblems(file: string, problems: readonly Problem[]): string {
  const lines = problems.slice(0, mostShownProblems).map((problem) => line(file, problem));
  if (problems.length > mostShownProblems) lines.push(`${file}: and ${problems.length - mostShownProblems} more problems`);
  return lines.join("\n");
}
