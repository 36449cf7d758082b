import { existsSync, readFileSync } from "node:fs";
import { stateFile } from "./project";

/** URNs that the embedded engine's state of an environment holds. */
export function embeddedUrns(environment: string): Set<string> {
  return urnsIn(stateFile(environment));
}

/** URNs in a state file; none where the file does not exist. */
export function urnsIn(file: string): Set<string> {
  if (!existsSync(file)) return new Set();
  const state = JSON.parse(readFileSync(file, "utf8")) as { deployment?: { resources?: { urn: string }[] } };
  return new Set((state.deployment?.resources ?? []).map(({ urn }) => urn));
}
