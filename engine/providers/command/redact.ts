import { Secret, isMap, revealSecrets } from "../../values";
import type { Value } from "../../values";

/** Shorter secrets are left alone, as in Pulumi: masking every "1" would hide the text and give the secret away. */
const SHORTEST_MASKED = 3;

function strings(value: Value, found: Set<string>): void {
  if (typeof value === "string") found.add(value);
  else if (typeof value === "number") found.add(String(value));
  else if (Array.isArray(value)) for (const item of value) strings(item, found);
  else if (isMap(value)) for (const item of Object.values(value)) strings(item, found);
}

function collect(value: Value, found: Set<string>): void {
  if (value instanceof Secret) strings(revealSecrets(value.value), found);
  else if (Array.isArray(value)) for (const item of value) collect(item, found);
  else if (isMap(value)) for (const item of Object.values(value)) collect(item, found);
}

/** Replaces secrets in a text by `[secret]`. */
export type Redact = (text: string) => string;

/**
 * Makes a masker for the secrets in `values`. Each line of a secret of several lines is masked as well, since text is
 * logged by line, and each in the form in which messages quote it. A connection is a secret as a whole; of it only the credentials are masked, or no message could name
 * the host.
 */
export function redactor(values: Record<string, Value>): Redact {
  const found = new Set<string>();
  for (const [name, value] of Object.entries(values)) {
    collect(name === "connection" && value instanceof Secret ? value.value : value, found);
  }
  const masked = new Set<string>();
  for (const secret of found) {
    for (const part of [secret, secret.trim(), ...secret.split(/\r?\n/)]) {
      if (part.length < SHORTEST_MASKED) continue;
      masked.add(part);
      masked.add(JSON.stringify(part).slice(1, -1));
    }
  }
  const longestFirst = [...masked].sort((a, b) => b.length - a.length);
  return (text) => longestFirst.reduce((rest, secret) => rest.replaceAll(secret, "[secret]"), text);
}
