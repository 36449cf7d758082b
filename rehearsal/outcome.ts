/** What came out of one run of an engine. */
export interface EngineOutcome {
  ok: boolean;
  /** Resources by operation, as Pulumi counts them: same, create, update, replace, delete. */
  changes: Readonly<Partial<Record<string, number>>>;
  /** What the run said: diagnostics and what the host scripts wrote. */
  messages: readonly string[];
}

/** Operations that leave everything as it is. */
export const quiet: ReadonlySet<string> = new Set(["same", "read", "refresh"]);

/** The end of what a run said. */
export function messagesOf(outcome: EngineOutcome): string {
  return outcome.messages.slice(-12).join("\n");
}

export function changesOf(outcome: EngineOutcome): string {
  const entries = Object.entries(outcome.changes).filter(([, count]) => (count ?? 0) > 0);
  return entries.map(([operation, count]) => `${count ?? 0} ${operation}`).join(", ") || "nothing";
}
