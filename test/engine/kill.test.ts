import { spawn } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { exportStack } from "../../engine";
import { keyOf } from "../../engine/state/resource-list";
import { journalFile, loadState } from "../../engine/state/store";
import { TestStack } from "./harness";
import type { Wanted } from "./harness";

// A few instants in every run of the tests; RACKWRIGHT_KILLS=50 is the full proof.
const KILLS = Number(process.env["RACKWRIGHT_KILLS"] ?? "8");
const CHAINS = 3;
const STEPS = 4;
// As a run of the program below writes: a begin, a result and an end of each step that does something.
const JOURNAL_LINES = 40;

/** Commands that take a moment, and write down when they begin and when they have done. */
function program(stack: TestStack, round: string): Wanted[] {
  return Array.from({ length: CHAINS * STEPS }, (_, i): Wanted => {
    const name = `step-${String(i)}`;
    const write = (what: string): string => `echo "${what} ${name} ${round}" >> ${stack.log}`;
    const create = `${write("begin")}; sleep 0.05; ${write("done")}`;
    // One of three is made anew in each round, one is changed, one stays as it was.
    const changes = [{ triggers: [round] }, { environment: { ROUND: round } }, {}][i % 3];
    return {
      name,
      args: { create: i % 3 === 2 ? "true" : create, delete: write("delete"), ...changes },
      ...(i < CHAINS ? {} : { options: { dependsOn: [`step-${String(i - CHAINS)}`] } }),
    };
  });
}

function lineCount(file: string): number {
  return existsSync(file) ? readFileSync(file, "utf8").split("\n").length - 1 : 0;
}

/**
 * Runs `up` in a process of its own and kills it a moment after its journal has so many lines.
 * @returns false when it was done before that
 */
async function upKilled(stack: TestStack, wanted: Wanted[], afterLines: number, thenMilliseconds: number): Promise<boolean> {
  const optionsFile = join(stack.folder, "options.json");
  writeFileSync(optionsFile, JSON.stringify(stack.options(wanted)));
  const child = spawn(process.execPath, ["--require", "tsx/cjs", join(__dirname, "fixtures", "kill", "up.ts"), optionsFile], {
    cwd: process.cwd(), stdio: "ignore",
  });
  const ended = new Promise<boolean>((resolve) => child.on("close", (_code, signal) => { resolve(signal === "SIGKILL"); }));
  while (child.exitCode === null && lineCount(journalFile(stack.stateFile)) < afterLines) await setTimeout(1);
  await setTimeout(thenMilliseconds);
  child.kill("SIGKILL");
  return ended;
}

/** Resources that state holds as finished, by name. */
function finished(stack: TestStack): Map<string, string> {
  return new Map(loadState(stack.stateFile).resources.map((raw) => [raw.urn.slice(raw.urn.lastIndexOf("::") + 2), `${keyOf(raw)} ${JSON.stringify(raw.inputs)}`]));
}

describe("kill -9", () => {
  it(`at ${String(KILLS)} instants of an up loses nothing that was done, and a rerun carries on`, { timeout: 60_000 + KILLS * 60_000 }, async () => {
    const reference = new TestStack();
    await reference.up(program(reference, "last"));
    const wanted = [...finished(reference)].map(([name, state]) => [name, state.replaceAll(reference.log, "LOG")]).sort();
    const stack = new TestStack();
    let cutOff = 0;
    for (let kill = 0; kill < KILLS; kill++) {
      const round = String(kill);
      const from = stack.lines().length;
      // Spread evenly over a run, from its first line to its last, and at any moment between two lines.
      await upKilled(stack, program(stack, round), 1 + (kill * JOURNAL_LINES) / KILLS, Math.random() * 60);
      const done = finished(stack);
      const pending = loadState(stack.stateFile).pending;
      if (pending.length > 0) cutOff++;
      expect(() => JSON.parse(exportStack(stack.stateFile)) as unknown).not.toThrow();
      const before = stack.lines().slice(from);
      const settled = before.filter((line) => line.startsWith("done")).map((line) => line.split(" ")[1] ?? "")
        .filter((name) => !pending.some(({ resource }) => resource.urn.endsWith(`::${name}`)))
        .filter((name) => done.get(name)?.includes(`${name} ${round}`));
      const at = stack.lines().length;
      const rerun = await stack.up(program(stack, round));
      expect(rerun.ok).toBe(true);
      const again = stack.lines().slice(at);
      for (const name of settled) expect(again.filter((line) => line === `begin ${name} ${round}`)).toEqual([]);
      for (const { resource, type } of pending.filter((operation) => operation.type === "creating")) {
        const name = resource.urn.slice(resource.urn.lastIndexOf("::") + 2);
        if (type === "creating" && again.length > 0) expect(rerun.diagnostics.some(({ urn }) => urn?.endsWith(`::${name}`))).toBe(true);
      }
      expect(loadState(stack.stateFile).pending).toEqual([]);
      expect(existsSync(`${stack.stateFile}.lock`)).toBe(false);
      expect((await stack.preview(program(stack, round))).changes).toEqual({ same: CHAINS * STEPS + 1 });
    }
    await stack.up(program(stack, "last"));
    expect([...finished(stack)].map(([name, state]) => [name, state.replaceAll(stack.log, "LOG")]).sort()).toEqual(wanted);
    expect(readFileSync(stack.stateFile, "utf8")).not.toContain("pending_operations");
    expect(cutOff).toBeGreaterThan(0);
  });
});
