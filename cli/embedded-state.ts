import { existsSync } from "node:fs";
import { exportStack } from "../engine";
import { stateFile } from "./project";

/** URNs that the embedded engine's state of an environment holds. */
export function embeddedUrns(environment: string): Set<string> {
  return urnsIn(stateFile(environment));
}

/** URNs in a state file, without providers, steps of a run that was cut off included; none where the file does not exist. */
export function urnsIn(file: string): Set<string> {
  if (!existsSync(file)) return new Set();
  const state = JSON.parse(exportStack(file)) as { deployment?: { resources?: { urn: string }[] } };
  const urns = (state.deployment?.resources ?? []).map(({ urn }) => urn);
  return new Set(urns.filter((urn) => !urn.includes("::pulumi:providers:")));
}
