import type { EngineResult } from "../../engine";
import type { EngineEvent } from "../../engine/events";
import type { StepOp } from "../../engine/model";
import type { Terminal } from "../terminal";
import { renderChanges } from "./steps";

const doing: Partial<Record<StepOp, string>> = {
  create: "creating",
  update: "updating",
  "create-replacement": "running again",
  delete: "forgetting",
  "delete-replaced": "forgetting the old",
  read: "reading",
};

const nameOf = (urn: string): string => urn.slice(urn.lastIndexOf("::") + 2);

/** Shows which steps are running, with the last line that one of them wrote. */
export function progressOf(terminal: Terminal): (event: EngineEvent) => void {
  const running = new Map<string, string>();
  const lastLine = new Map<string, string>();
  const show = (): void => {
    const texts = [...running].map(([urn, verb]) => {
      const line = lastLine.get(urn);
      return `${verb} ${nameOf(urn)}${line === undefined ? "" : `: ${line}`}`;
    });
    if (texts.length > 0) terminal.progress.doing(texts.slice(0, 3).join("; ") + (texts.length > 3 ? `; and ${texts.length - 3} more` : ""));
  };
  return ({ resourcePreEvent, resOutputsEvent, resOpFailedEvent, diagnosticEvent }) => {
    if (resourcePreEvent !== undefined) {
      const { op, urn, type } = resourcePreEvent.metadata;
      const verb = doing[op];
      if (verb !== undefined && type.startsWith("command:")) running.set(urn, verb);
    }
    const ended = (resOutputsEvent ?? resOpFailedEvent)?.metadata.urn;
    if (ended !== undefined) running.delete(ended);
    if (diagnosticEvent?.urn !== undefined && diagnosticEvent.severity === "info") lastLine.set(diagnosticEvent.urn, diagnosticEvent.message.trim().split("\n").at(-1) ?? "");
    show();
  };
}

/** How a run ended: what failed and why, then what was done. */
export function renderOutcome(result: EngineResult, style: Terminal["style"]): string {
  const complaints = result.diagnostics
    .filter(({ severity }) => severity === "error" || severity === "warning")
    .map(({ severity, urn, message }) => `${style(severity === "error" ? "red" : "yellow", severity)}  ${urn === undefined ? "" : `${nameOf(urn)}: `}${message.trim()}\n`);
  const sum = renderChanges(result.changes).replaceAll("to create", "created").replaceAll("to update", "updated").replaceAll("to replace", "run again").replaceAll("to delete", "forgotten");
  const end = result.ok ? style("green", "Done") : style("red", "Failed; what was done is kept, run again to carry on");
  return `${complaints.join("")}${end}: ${sum}, ${Math.round(result.durationSeconds)} s.\n`;
}
