import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import * as path from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { CliError } from "../../../cli/exit";
import { renderComment } from "../../../cli/pr/comment";
import { readEventLog, readEvents } from "../../../cli/pr/events";
import { Repository } from "../../../cli/pr/git";
import { planSource } from "../../../cli/pr/plan-side";
import { reviewPullRequest } from "../../../cli/pr/pull-request";
import { blocks } from "../../../cli/pr/review";
import { toSarif } from "../../../cli/pr/sarif";
import { toJson } from "../../../cli/pr/json";
import { StackRepository } from "./fixture";
import { faults } from "./inert";
import { worst } from "./payloads";

const root = path.resolve(__dirname, "../../..");
const folder = mkdtempSync(path.join(tmpdir(), "pr-events-"));
const repository = new StackRepository();
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
  repository.remove();
});

type Event = Record<string, unknown>;

let files = 0;
function logOf(events: readonly (Event | string)[]): string {
  const file = path.join(folder, `log-${files++}.ndjson`);
  writeFileSync(file, events.map((event) => (typeof event === "string" ? event : JSON.stringify({ sequence: 0, timestamp: 1, ...event }))).join("\n"));
  return file;
}

const summary: Event = { summaryEvent: { maybeCorrupt: false, durationSeconds: 1, resourceChanges: {}, PolicyPacks: { rackwright: "0.1.0" }, isPreview: true } };

function step(op: string, name: string, sides: { old?: unknown; new?: unknown; type?: string; diffs?: string[]; detailedDiff?: unknown } = {}): Event {
  const type = sides.type ?? "kubernetes:core/v1:ConfigMap";
  const urn = `urn:pulumi:dev-test::rackwright::${type}::${name}`;
  const state = (inputs: unknown): unknown => (inputs === undefined ? null : { type, urn, custom: true, id: "x", parent: "urn:pulumi:dev-test::rackwright::pulumi:pulumi:Stack::rackwright-dev-test", inputs, outputs: {}, provider: "p" });
  return { resourcePreEvent: { metadata: { op, urn, type, old: state(sides.old), new: state(sides.new), detailedDiff: sides.detailedDiff ?? null, diffs: sides.diffs ?? [], provider: "p" }, planning: true } };
}

/** What the real Pulumi CLI printed for an environment, as one event log again. */
function recordedLog(environment: string): { file: string; changes: Record<string, number>; violations: { policyName: string }[] } {
  const recorded = JSON.parse(readFileSync(path.join(root, "test/engine/recorded/environments", `${environment}.json`), "utf8")) as { changes: Record<string, number>; steps: Event[]; violations: { policyName: string }[] };
  const events = [...recorded.steps.map((metadata) => ({ resOutputsEvent: { metadata, planning: true } })), ...recorded.violations.map((policyEvent) => ({ policyEvent })), summary];
  return { file: logOf(events), changes: recorded.changes, violations: recorded.violations };
}

function refusal(file: string): CliError {
  try {
    readEventLog(file);
  } catch (error) {
    if (error instanceof CliError) return error;
    throw error;
  }
  throw new Error("the log was taken");
}

describe("events of the real Pulumi CLI", () => {
  it("are rendered as the embedded engine's are, with the rules' verdicts and nothing planned", async () => {
    const { file, changes, violations } = recordedLog("dev-test");
    repository.write("stacks/Pulumi.dev-test.yaml", readFileSync(path.join(root, "stacks/Pulumi.dev-test.yaml"), "utf8"));
    repository.commit("dev-test");
    const withPreview: boolean[] = [];
    const found = await reviewPullRequest(new Repository(repository.folder), {
      base: "main", head: "main", logs: [readEventLog(file)],
      plan: (source, options) => { withPreview.push(options.withPreview); return planSource(source, options); },
    });
    expect(withPreview).toEqual([false, false]);
    const comment = renderComment({ ...found, base: "a", head: "b" });
    // The stack and the providers are resources to the engine, and nothing to a reader.
    const shown = readEventLog(file).steps.length;
    expect(changes["create"]).toBeGreaterThanOrEqual(shown);
    expect(comment).toContain(`<details><summary>Resources in the stack: ${shown} to create</summary>`);
    for (const { policyName } of violations) expect(comment).toContain(`\`${policyName}\``);
    expect(faults(comment)).toEqual([]);
  });
});

describe("an event log", () => {
  it("tells a replacement, an update, a deletion and what stays", () => {
    const { steps } = readEventLog(logOf([
      step("create-replacement", "a", { old: { x: 1 }, new: { x: 2 }, detailedDiff: { "data.x": { diffKind: "update-replace", inputDiff: false } } }),
      step("replace", "a", { old: { x: 1 }, new: { x: 2 }, detailedDiff: { "data.x": { diffKind: "update-replace", inputDiff: false } } }),
      step("delete-replaced", "a", { old: { x: 1 } }),
      step("update", "b", { old: { x: 1, y: { z: 1 } }, new: { x: 1, y: { z: 2 } }, diffs: ["y"] }),
      step("delete", "c", { old: { x: 1 } }),
      step("same", "d", { old: { x: 1 }, new: { x: 1 } }),
      step("read", "e", { new: { x: 1 } }),
      step("create", "default", { new: {}, type: "pulumi:providers:kubernetes" }),
      summary,
    ]));
    expect(steps.map(({ name, op, changed }) => [name, op, changed])).toEqual([["a", "replace", ["data.x"]], ["b", "update", ["y.z"]], ["c", "delete", []], ["d", "same", []]]);
  });

  it("is refused where it is none, without a word of what is in it", () => {
    const planted = "planted-s3cr3t-in-the-log";
    const cases: [string, string][] = [
      [logOf([`not json ${planted}`, summary]), "line 1 is not JSON"],
      [logOf([step("create", "a", { new: {} }), { resourcePreEvent: { metadata: { op: 1, urn: planted } } }, summary]), "line 2 is no engine event"],
      [logOf([JSON.stringify({ config: {}, steps: [{ op: "create", urn: planted }] }, null, 2)]), "has no verdicts of the rules"],
      [logOf([step("create", "a", { new: { planted } })]), "was cut off"],
      [logOf([step("create", "a", { new: {} }), { summaryEvent: { ...(summary["summaryEvent"] as object), PolicyPacks: {} } }]), "judged by no policy pack"],
      [logOf([step("create", "a", { new: {} }), { summaryEvent: { ...(summary["summaryEvent"] as object), isPreview: false } }]), "of an update"],
      [logOf([summary]), "not the log of one stack"],
      [logOf([step("create", "a", { new: {} }), { resourcePreEvent: { metadata: { op: "create", urn: `urn:pulumi:other::rackwright::a:b:C::${planted}`, type: "a:b:C", old: null, new: null } } }, summary]), "not the log of one stack"],
      [logOf([{ resourcePreEvent: { metadata: { op: "create", urn: `urn:pulumi:dev-test::elsewhere::a:b:C::${planted}`, type: "a:b:C", old: null, new: null } } }, summary]), "not the log of one stack of the project rackwright"],
      [path.join(folder, "nowhere"), "cannot be read (ENOENT)"],
      [folder, "cannot be read (EISDIR)"],
    ];
    for (const [file, message] of cases) {
      const error = refusal(file);
      expect([error.code, error.message]).toEqual([2, expect.stringContaining(message)]);
      expect(error.message).not.toContain(planted);
    }
  });

  it("is refused for a stack that the head has no file of", async () => {
    const file = logOf([{ resourcePreEvent: { metadata: { op: "create", urn: "urn:pulumi:nowhere::rackwright::a:b:C::x", type: "a:b:C", old: null, new: null } } }, summary]);
    await expect(reviewPullRequest(new Repository(repository.folder), { base: "main", head: "main", logs: [readEventLog(file)] })).rejects.toThrow("the head has no stacks/Pulumi.nowhere.yaml");
  });

  it("never shows state, secrets or places, whatever it says", async () => {
    const planted = ["planted-state-value", "ghp_plantedplantedplantedplanted12345", "/home/planted/site"];
    const state = { data: { value: "planted-state-value", token: "ghp_plantedplantedplantedplanted12345" } };
    const said = `it failed with password=planted-password at /home/planted/site/index.ts, ghp_plantedplantedplantedplanted12345 ${worst}`;
    const file = logOf([
      step("update", worst, { old: state, new: { data: { value: "planted-state-value-2" } } }),
      step("replace", "b /home/planted/site", { old: state, new: {}, detailedDiff: { [worst]: { kind: "update" } } }),
      { diagnosticEvent: { message: said, severity: "error", color: "never" } },
      { policyEvent: { message: `rule\nservers.gpu-01: ${said}`, policyName: "own-rule", policyPackName: "x", policyPackVersion: "1", policyPackVersionTag: "1", enforcementLevel: "mandatory", color: "never" } },
      { summaryEvent: { ...(summary["summaryEvent"] as object), result: "failed" } },
    ]);
    const found = await reviewPullRequest(new Repository(repository.folder), { base: "main", head: "main", logs: [readEventLog(file)] });
    expect(found.reviews.every(blocks)).toBe(true);
    const comment = renderComment({ ...found, base: "a", head: "b" });
    expect(comment).toContain("own-rule");
    expect(faults(comment)).toEqual([]);
    for (const text of [comment, JSON.stringify(toSarif(found.reviews)), JSON.stringify(toJson(found, comment))]) {
      for (const secret of [...planted, "planted-password", "planted-state-value-2"]) expect(text).not.toContain(secret);
    }
  });

  it("counts as failed where the engine says so, even without a reason", () => {
    expect(readEvents([{ sequence: 0, timestamp: 0, summaryEvent: { maybeCorrupt: false, durationSeconds: 1, resourceChanges: {}, PolicyPacks: {}, isPreview: true, result: "failed" } }]).ok).toBe(false);
    expect(readEvents([]).ok).toBe(false);
  });
});
