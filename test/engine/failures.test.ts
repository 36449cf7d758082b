import { existsSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { TestStack, TOKEN, withSecret } from "./harness";
import type { Wanted } from "./harness";

const messages = (outcome: { diagnostics: { message: string }[] }): string => outcome.diagnostics.map(({ message }) => message).join("\n");

describe("failures", () => {
  it("finishes what is independent of a failed step, skips what depends on it, and deletes nothing", async () => {
    const stack = new TestStack();
    await stack.up([{ name: "gone", args: stack.logging("gone") }]);
    const wanted: Wanted[] = [
      { name: "bad", args: { create: "echo broken >&2; exit 3" } },
      { name: "after", args: stack.logging("after"), options: { dependsOn: ["bad"] } },
      { name: "beside", args: stack.logging("beside") },
    ];
    const failed = await stack.up(wanted);
    expect(failed.ok).toBe(false);
    expect(messages(failed)).toContain("broken");
    expect(stack.lines()).toEqual(["create gone", "create beside"]);
    expect(stack.names().sort()).toEqual(["beside", "gone"]);
    expect(stack.state().pending).toEqual([]);
    expect(failed.events.some(({ resOpFailedEvent }) => resOpFailedEvent?.metadata.urn.endsWith("::bad"))).toBe(true);
    expect(failed.events.at(-2)?.summaryEvent?.result).toBe("failed");
    const mended = await stack.up([{ name: "bad", args: { create: "true" } }, ...wanted.slice(1)]);
    expect(mended.changes).toEqual({ create: 2, same: 2, delete: 1 });
  });

  it("keeps the old state of a failed update, and tries again", async () => {
    const stack = new TestStack();
    await stack.up([{ name: "first", args: { create: "echo one" } }]);
    const update: Wanted[] = [{ name: "first", args: { create: "echo two", update: "exit 1" } }];
    expect((await stack.up(update)).ok).toBe(false);
    expect(stack.resource("first").inputs).toEqual({ create: "echo one" });
    expect((await stack.preview(update)).changes).toEqual({ same: 1, update: 1 });
  });

  it("keeps the old resource when its replacement cannot be made, and both when the old one cannot be deleted", async () => {
    const stack = new TestStack();
    const one = (create: string, remove: string, trigger: string): Wanted[] => [{ name: "first", args: { create, delete: remove, triggers: [trigger] } }];
    await stack.up(one("true", "exit 1", "a"));
    expect((await stack.up(one("exit 1", "true", "b"))).ok).toBe(false);
    expect(stack.state().resources.filter((state) => state["delete"] === true)).toEqual([]);
    expect((await stack.up(one("true", "true", "b"))).ok).toBe(false);
    expect(stack.state().resources.filter((state) => state["delete"] === true)).toHaveLength(1);
    expect(stack.names()).toEqual(["first", "first"]);
  });

  it("keeps what a failed deletion depends on", async () => {
    const stack = new TestStack();
    await stack.up([
      { name: "first", args: stack.logging("first") },
      { name: "second", args: { create: "true", delete: "exit 1" }, options: { dependsOn: ["first"] } },
    ]);
    expect((await stack.up([])).ok).toBe(false);
    expect(stack.names()).toEqual(["first", "second"]);
    expect(stack.lines()).toEqual(["create first"]);
  });

  it("a program that throws deletes nothing, and its message comes without a stack trace", async () => {
    const stack = new TestStack();
    await stack.up([{ name: "first", args: stack.logging("first") }]);
    const thrown = await stack.up([], { config: { "options:throw": "stacks/x.yaml: servers[0].gpus: must be 1..8" } });
    expect(thrown.ok).toBe(false);
    expect(thrown.changes).not.toHaveProperty("delete");
    expect(messages(thrown)).toContain("must be 1..8");
    expect(messages(thrown)).not.toMatch(/\n\s+at /);
    const killed = await stack.up([], { nodeArgs: ["--eval-that-does-not-exist"] });
    expect(killed.ok).toBe(false);
    expect(stack.lines()).toEqual(["create first"]);
    expect(stack.names()).toEqual(["first"]);
  });

  it("refuses a package it cannot manage by name, and says what to do", async () => {
    const stack = new TestStack({ providers: [] });
    const refused = await stack.preview([{ name: "first", args: { create: "true" } }]);
    expect(refused.ok).toBe(false);
    expect(messages(refused)).toContain("command:local:Command is not covered by the embedded engine; install pulumi");
  });

  it("reports wrong inputs and creates nothing", async () => {
    const stack = new TestStack();
    const wrong = await stack.up([{ name: "first", args: { create: 5 } }]);
    expect(wrong.ok).toBe(false);
    expect(messages(wrong)).toContain("create");
    expect(stack.names()).toEqual([]);
  });

  it("reports two resources of one name", async () => {
    const stack = new TestStack();
    const twice = await stack.preview([{ name: "first", args: { create: "true" } }, { name: "first", args: { create: "true" } }]);
    expect(twice.ok).toBe(false);
    expect(messages(twice)).toContain("::first");
  });

  it("an interrupt lets running steps finish, starts none, and keeps the state", async () => {
    const stack = new TestStack();
    const controller = new AbortController();
    const running = stack.up(
      [
        { name: "slow", args: { create: `echo begun >> ${stack.log}; sleep 2; echo done >> ${stack.log}` } },
        { name: "next", args: stack.logging("next"), options: { dependsOn: ["slow"] } },
      ],
      { signal: controller.signal },
    );
    while (!existsSync(stack.log)) await new Promise((resolve) => setTimeout(resolve, 20));
    controller.abort();
    const stopped = await running;
    expect(stopped.ok).toBe(false);
    expect(messages(stopped)).toContain("interrupted");
    expect(stack.lines()).toEqual(["begun", "done"]);
    expect(stack.names()).toEqual(["slow"]);
    expect(stack.state().pending).toEqual([]);
  });

  it("a second interrupt cancels the running steps", async () => {
    const stack = new TestStack();
    const [soft, hard] = [new AbortController(), new AbortController()];
    const running = stack.up([{ name: "slow", args: { create: `echo begun >> ${stack.log}; sleep 600` } }], { signal: soft.signal, cancelSignal: hard.signal });
    while (!existsSync(stack.log)) await new Promise((resolve) => setTimeout(resolve, 20));
    soft.abort();
    hard.abort();
    const stopped = await running;
    expect(stopped.ok).toBe(false);
    expect(stack.names()).toEqual([]);
  });

  it("no secret is in plain text in state, journal, events or result, even when a command prints it", async () => {
    const stack = new TestStack(withSecret);
    const wanted: Wanted[] = [
      { name: "first", args: { create: "cat" }, secret: ["stdin"], options: { additionalSecretOutputs: ["stdout"] } },
      { name: "second", args: { create: "cat; exit 1" }, secret: ["stdin"] },
    ];
    const outcome = await stack.up(wanted, { config: { "options:export": JSON.stringify(["first.stdout"]) } });
    expect(JSON.stringify(outcome)).not.toContain(TOKEN);
    expect(stack.state().text).not.toContain(TOKEN);
    expect(outcome.outputs).toEqual({ "first.stdout": "[secret]" });
    const preview = await stack.preview(wanted.slice(0, 1));
    expect(JSON.stringify(preview)).not.toContain(TOKEN);
    expect(preview.changes).toEqual({ same: 2 });
  });

  it("previews without a passphrase: a secret counts as unchanged; up asks for the passphrase, and refuses a wrong one", async () => {
    const stack = new TestStack(withSecret);
    const wanted: Wanted[] = [{ name: "first", args: { create: "true", triggers: ["a"] }, secret: ["stdin"] }];
    await stack.up(wanted);
    const preview = await stack.run((options) => {
      const { passphrase: _passphrase, ...without } = options;
      return import("../../engine").then((engine) => engine.preview(without));
    }, wanted);
    expect(preview.changes).toEqual({ same: 2 });
    await expect(stack.up(wanted, { passphrase: "wrong" })).rejects.toThrow("passphrase does not open");
    const { up } = await import("../../engine");
    const { passphrase: _passphrase, ...without } = stack.options(wanted);
    await expect(up(without)).rejects.toThrow("PULUMI_CONFIG_PASSPHRASE");
    expect(existsSync(`${stack.stateFile}.lock`)).toBe(false);
  });
});
