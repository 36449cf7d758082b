import type { z } from "zod";
import { suggest } from "../catalog";
import { didYouMean, type Finding } from "./problems";
import { allowedText, knownKeys, schemaAt } from "./schema-walk";

type Issue = z.core.$ZodIssue;

function valueAt(input: unknown, keys: readonly PropertyKey[]): unknown {
  let value = input;
  for (const key of keys) {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, key)) return undefined;
    value = (value as Record<PropertyKey, unknown>)[key];
  }
  return value;
}

function unknownKey(keys: readonly PropertyKey[], key: string, known: readonly string[]): Finding {
  if (key === "secure") {
    return {
      keys: [...keys, key],
      message: "is a secret inside the environment, which is kept in plain text",
      fix: "Secrets belong beside the environment: `pulumi config set --secret rackwright:sshPrivateKey`.",
    };
  }
  const near = suggest(key, known);
  return {
    keys: [...keys, key],
    message: "is not a known key",
    ...(known.length === 0 ? {} : { allowed: known.join(", ") }),
    fix: near === undefined ? "Remove it." : `Did you mean ${near}?`,
  };
}

/** Why a key was refused: the first message of the key's own schema. */
function invalidKey(issue: Issue & { code: "invalid_key" }): Finding {
  return { keys: issue.path, message: `is not a valid name: it ${issue.issues[0]?.message ?? "is malformed"}`, fix: "Rename it." };
}

function wrongSize(issue: Issue & { code: "too_small" | "too_big" }, value: unknown, allowed: string | undefined): Finding {
  const { path: keys } = issue;
  const low = issue.code === "too_small";
  const limit = low ? issue.minimum : issue.maximum;
  switch (issue.origin) {
    case "array":
      return { keys, message: low ? `needs at least ${limit} ${limit === 1 ? "entry" : "entries"}` : `may have at most ${limit} entries`, value };
    case "string":
      return low && limit === 1 ? { keys, message: "must not be empty" } : { keys, message: low ? `needs at least ${limit} characters` : `may have at most ${limit} characters`, value };
    default:
      return { keys, message: low ? "is too small" : "is too large", value, ...(allowed === undefined ? {} : { allowed }) };
  }
}

function notOneOf(keys: readonly PropertyKey[], values: readonly unknown[], value: unknown): Finding {
  const known = values.map(String);
  const finding: Finding = { keys, message: value === undefined ? "is required" : "is not one of the values that can be chosen", value, allowed: known.join(", ") };
  const near = typeof value === "string" ? suggest(value, known) : undefined;
  // A number in quotes is the commonest slip: YAML reads it as text.
  if (typeof value === "string" && values.some((choice) => typeof choice === "number" && String(choice) === value)) return { ...finding, fix: "Remove the quotes." };
  if (typeof value === "number" && known.includes(String(value))) return { ...finding, fix: "Put it in quotes." };
  return near === undefined ? finding : { ...finding, fix: `Did you mean ${near}?` };
}

function wrongType(keys: readonly PropertyKey[], value: unknown, allowed: string | undefined): Finding {
  const finding: Finding = { keys, message: value === undefined ? "is required" : "is of the wrong kind", value, ...(allowed === undefined ? {} : { allowed }) };
  if (value === null) return { ...finding, message: "is empty", fix: "Give a value or remove the key." };
  if (typeof value === "string" && allowed !== undefined && /number/.test(allowed) && value.trim() !== "" && Number.isFinite(Number(value))) return { ...finding, fix: "Remove the quotes." };
  return finding;
}

/** For a value that is not in a catalog: what is, and the nearest of it. */
function adviceOnId(params: Readonly<Record<string, unknown>> | undefined, value: unknown): Pick<Finding, "allowed" | "fix"> {
  if (params === undefined || typeof value !== "string") return {};
  const { known, otherwise } = params as { known: readonly string[]; otherwise: string };
  return { allowed: known.join(", "), fix: didYouMean(value, known, otherwise) };
}

/** What zod found, in words for the person who wrote the environment. */
export function findingsOfIssues(issues: readonly Issue[], schema: z.core.$ZodType, input: unknown): Finding[] {
  const findings: Finding[] = [];
  const seen = new Set<string>();
  for (const issue of issues) {
    const keys = issue.path;
    const at = schemaAt(schema, keys);
    if (issue.code === "unrecognized_keys") {
      findings.push(...issue.keys.map((key) => unknownKey(keys, key, knownKeys(at))));
      continue;
    }
    // One problem a place: what follows the first is its consequence.
    const place = JSON.stringify(keys);
    if (seen.has(place)) continue;
    seen.add(place);
    const value = valueAt(input, keys);
    switch (issue.code) {
      case "invalid_key":
        findings.push(invalidKey(issue));
        break;
      case "invalid_type":
        findings.push(wrongType(keys, value, allowedText(at)));
        break;
      case "invalid_value":
        findings.push(notOneOf(keys, issue.values, value));
        break;
      case "invalid_union":
        findings.push(notOneOf(keys, "options" in issue ? (issue.options as unknown[]) : [], value));
        break;
      case "too_small":
      case "too_big":
        findings.push(wrongSize(issue, value, allowedText(at)));
        break;
      case "invalid_format":
        findings.push({ keys, message: formatMessage(issue), value });
        break;
      case "custom":
        findings.push({ keys, message: issue.message, value, ...adviceOnId(issue.params, value) });
        break;
      default:
        findings.push({ keys, message: issue.message, value });
    }
  }
  return findings;
}

function formatMessage(issue: Issue & { code: "invalid_format" }): string {
  if (issue.format === "url") return "must be an address that begins with http:// or https://";
  if (issue.format === "email") return "must be an e-mail address";
  return issue.message;
}
