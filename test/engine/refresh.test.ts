import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { TestStack, withSecret } from "./harness";

describe("refresh", () => {
  it("runs no program and no command, and leaves the state byte for byte", async () => {
    const stack = new TestStack(withSecret);
    const resource = { name: "first", args: stack.logging("first") };
    expect((await stack.up([resource])).ok).toBe(true);
    const state = readFileSync(stack.stateFile, "utf8");

    const refreshed = await stack.refresh();
    expect([refreshed.ok, refreshed.diagnostics]).toEqual([true, []]);
    expect(stack.lines()).toEqual(["create first"]);
    expect(readFileSync(stack.stateFile, "utf8")).toBe(state);

    const again = await stack.up([resource]);
    expect([again.ok, again.changes.create ?? 0, again.changes.delete ?? 0]).toEqual([true, 0, 0]);
  });
});
