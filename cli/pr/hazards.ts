import { hostHazards } from "./hazards-hosts";
import { recoveryHazards } from "./hazards-recovery";
import { workloadHazards } from "./hazards-services";
import { storageHazards } from "./hazards-storage";
import { listed, md, prose, type Markdown } from "./markdown";
import type { Comparison } from "./pairs";
import { plural } from "./words";

/**
 * Something that a reviewer must know before all else. destroys: data is lost. interrupts: something stops for a while or
 * for good. unprotected: it goes on, and the next fault stops it. deletes: objects of the cluster
 * go. by-hand: a person has to do something, or data stays behind.
 */
export interface Hazard {
  kind: "destroys" | "interrupts" | "unprotected" | "deletes" | "by-hand";
  text: Markdown;
}

const order: readonly Hazard["kind"][] = ["destroys", "interrupts", "unprotected", "deletes", "by-hand"];

/** Objects that go although nothing above says so: no deletion is silent. */
function deletedObjects({ steps, servers }: Comparison): Hazard[] {
  const goneServers = new Set([...servers.removed.map(({ name }) => name), ...servers.renamed.map(({ was }) => was)]);
  const ofGoneServer = (urn: string): boolean => [...goneServers].some((name) => urn.includes(`rackwright:servers:Server::${name}`) || urn.includes(`::${name}-`));
  const objects = steps.filter(({ op, type, urn }) => (op === "delete" || op === "replace") && type.startsWith("kubernetes:") && !ofGoneServer(urn));
  const groups: [string, typeof objects][] = [["deleted", objects.filter(({ op }) => op === "delete")], ["deleted and made again", objects.filter(({ op }) => op === "replace")]];
  return groups.flatMap(([what, group]): Hazard[] => (group.length === 0 ? [] : [{ kind: "deletes", text: md`${prose(plural(group.length, "object"))} of the cluster ${prose(group.length === 1 ? "is" : "are")} ${prose(what)}: ${listed(group.map(({ name }) => name))}. Folders behind volumes stay as they are.` }]));
}

/** What a change destroys or interrupts, the worst first. */
export function findHazards(comparison: Comparison): Hazard[] {
  const found = [...storageHazards(comparison), ...hostHazards(comparison), ...workloadHazards(comparison), ...recoveryHazards(comparison), ...deletedObjects(comparison)];
  const known = new Set<string>();
  return order.flatMap((kind) => found.filter((hazard) => hazard.kind === kind)).filter(({ text }) => !known.has(text.text) && known.add(text.text));
}
