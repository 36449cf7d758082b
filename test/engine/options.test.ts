import { describe, expect, it } from "vitest";
import { TestStack, withSecret } from "./harness";
import type { Wanted } from "./harness";

const GROUP = "options:index:Group";

describe("resource options", () => {
  it("creates, leaves alone, updates and deletes, dependents first", async () => {
    const stack = new TestStack();
    const pair: Wanted[] = [
      { name: "first", args: stack.logging("first") },
      { name: "second", args: stack.logging("second"), options: { dependsOn: ["first"] } },
    ];
    expect((await stack.up(pair)).changes).toEqual({ create: 3 });
    expect(stack.lines()).toEqual(["create first", "create second"]);
    expect((await stack.up(pair)).changes).toEqual({ same: 3 });
    const changed = pair.map((wanted) => ({ ...wanted, args: { ...wanted.args, environment: { ROUND: "2" } } }));
    expect((await stack.up(changed)).changes).toEqual({ same: 1, update: 2 });
    expect((await stack.up([])).changes).toEqual({ same: 1, delete: 2 });
    expect(stack.lines().slice(2)).toEqual(["update first", "update second", "delete second", "delete first"]);
    expect(stack.names()).toEqual([]);
  });

  it("replaces by creating first and deleting after dependents have moved", async () => {
    const stack = new TestStack();
    const pair = (trigger: string): Wanted[] => [
      { name: "first", args: stack.logging("first", { triggers: [trigger] }) },
      { name: "second", args: stack.logging("second"), from: { stdin: "first.id" } },
    ];
    await stack.up(pair("a"));
    const before = stack.resource("first").id;
    const replaced = await stack.up(pair("b"));
    expect(replaced.changes).toEqual({ same: 1, replace: 1, update: 1 });
    expect(stack.lines().slice(2)).toEqual(["create first", "update second", "delete first"]);
    expect(stack.resource("first").id).not.toBe(before);
    expect(stack.names()).toEqual(["first", "second"]);
  });

  it("deleteBeforeReplace deletes first, together with dependents that would be replaced", async () => {
    const stack = new TestStack();
    const chain = (trigger: string): Wanted[] => [
      { name: "first", args: stack.logging("first", { triggers: [trigger] }), options: { deleteBeforeReplace: true } },
      { name: "second", args: stack.logging("second"), from: { triggers: "first.triggers" } },
      { name: "third", args: stack.logging("third"), options: { dependsOn: ["first"] } },
    ];
    await stack.up(chain("a"));
    const replaced = await stack.up(chain("b"));
    expect(stack.lines().slice(3)).toEqual(["delete second", "delete first", "create first", "create second"]);
    expect(replaced.changes).toEqual({ same: 2, replace: 2 });
    expect(stack.state().resources.filter((state) => state["pendingReplacement"] === true || state["delete"] === true)).toEqual([]);
  });

  it("protect refuses a replacement and a deletion, and touches nothing", async () => {
    const stack = new TestStack();
    const one = (trigger: string): Wanted[] => [
      { name: "first", args: stack.logging("first", { triggers: [trigger] }), options: { protect: true } },
    ];
    await stack.up(one("a"));
    const replaced = await stack.up(one("b"));
    expect(replaced.ok).toBe(false);
    const gone = await stack.up([]);
    expect(gone.ok).toBe(false);
    expect(gone.diagnostics.map(({ message }) => message).join()).toContain("is protected");
    expect((await stack.preview([])).ok).toBe(false);
    expect((await stack.destroy()).ok).toBe(false);
    expect(stack.lines()).toEqual(["create first"]);
    expect(stack.names()).toEqual(["first"]);
    await stack.up([{ name: "first", args: stack.logging("first", { triggers: ["a"] }) }]);
    expect((await stack.destroy()).ok).toBe(true);
    expect(stack.lines()).toEqual(["create first", "delete first"]);
  });

  it("retainOnDelete leaves the thing and forgets the resource", async () => {
    const stack = new TestStack();
    await stack.up([{ name: "first", args: stack.logging("first"), options: { retainOnDelete: true } }]);
    expect((await stack.up([])).changes).toEqual({ same: 1, delete: 1 });
    expect(stack.lines()).toEqual(["create first"]);
    expect(stack.names()).toEqual([]);
  });

  it("replaceOnChanges makes a change of that input a replacement", async () => {
    const stack = new TestStack();
    const one = (color: string): Wanted[] => [
      { name: "first", args: stack.logging("first", { environment: { COLOR: color } }), options: { replaceOnChanges: ["environment.COLOR"] } },
    ];
    await stack.up(one("red"));
    const replaced = await stack.up(one("blue"));
    expect(replaced.changes).toEqual({ same: 1, replace: 1 });
    expect(stack.lines()).toEqual(["create first", "create first", "delete first"]);
  });

  it("ignoreChanges keeps the old value, also of one key of a map", async () => {
    const stack = new TestStack();
    const one = (color: string, size: string): Wanted[] => [
      { name: "first", args: stack.logging("first", { environment: { COLOR: color, SIZE: size } }), options: { ignoreChanges: ["environment.COLOR"] } },
    ];
    await stack.up(one("red", "s"));
    expect((await stack.up(one("blue", "s"))).changes).toEqual({ same: 2 });
    expect((await stack.up(one("blue", "m"))).changes).toEqual({ same: 1, update: 1 });
    expect(stack.resource("first").inputs?.["environment"]).toEqual({ COLOR: "red", SIZE: "m" });
  });

  it("aliases keep a resource that has another name, parent or type, and its children", async () => {
    const stack = new TestStack();
    await stack.up([
      { name: "app", component: GROUP },
      { name: "app-step", args: stack.logging("step"), options: { parent: "app" } },
      { name: "lone", args: stack.logging("lone") },
    ]);
    const renamed = await stack.up([
      { name: "shop", component: "options:index:Shop", options: { aliases: [{ name: "app", type: GROUP }] } },
      { name: "shop-step", args: stack.logging("step"), options: { parent: "shop" } },
      { name: "lone", args: stack.logging("lone"), options: { parent: "shop", aliases: [{ noParent: true }] } },
    ]);
    expect(renamed.changes).toEqual({ same: 4 });
    expect(stack.names()).toEqual(["shop", "shop-step", "lone"]);
    expect(stack.resource("shop-step")["parent"]).toBe("urn:pulumi:test::options::options:index:Shop::shop");
    expect(stack.resource("lone").urn).toBe("urn:pulumi:test::options::options:index:Shop$command:local:Command::lone");
    const byUrn = await stack.up([
      { name: "shop", component: "options:index:Shop" },
      { name: "shop-step", args: stack.logging("step"), options: { parent: "shop" } },
      { name: "single", args: stack.logging("lone"), options: { aliases: [stack.resource("lone").urn] } },
    ]);
    expect(byUrn.changes).toEqual({ same: 4 });
    expect(stack.lines()).toHaveLength(2);
  });

  it("refuses two resources with one alias", async () => {
    const stack = new TestStack();
    await stack.up([{ name: "old", args: stack.logging("old") }]);
    const both = await stack.up(["a", "b"].map((name) => ({ name, args: stack.logging(name), options: { aliases: [{ name: "old" }] } })));
    expect(both.ok).toBe(false);
    expect(both.diagnostics.some(({ message }) => message.includes("::old"))).toBe(true);
  });

  it("deletedWith forgets a resource whose host goes, without running its deletion", async () => {
    const stack = new TestStack();
    await stack.up([
      { name: "host", args: stack.logging("host") },
      { name: "guest", args: stack.logging("guest"), options: { deletedWith: "host" } },
    ]);
    await stack.up([]);
    expect(stack.lines()).toEqual(["create host", "create guest", "delete host"]);
    expect(stack.names()).toEqual([]);
  });

  it("additionalSecretOutputs encrypts an output that would be plain", async () => {
    const stack = new TestStack(withSecret);
    await stack.up([{ name: "first", args: { create: "echo from-the-command" }, options: { additionalSecretOutputs: ["stdout"] } }]);
    expect(JSON.stringify(stack.resource("first").outputs?.["stdout"])).toContain("ciphertext");
    expect(stack.state().text).not.toContain('"from-the-command"');
  });

  it("customTimeouts ends a step that takes too long, and keeps the seconds in state", async () => {
    const stack = new TestStack();
    const one = (seconds: string): Wanted[] => [
      { name: "slow", args: { create: seconds === "" ? "true" : `sleep ${seconds}` }, options: { customTimeouts: { create: "1s", delete: "1h30m" } } },
    ];
    const late = await stack.up(one("30"));
    expect(late.ok).toBe(false);
    expect(late.durationSeconds).toBeLessThan(25);
    await stack.up(one(""));
    expect(stack.resource("slow")["customTimeouts"]).toEqual({ create: 1, delete: 5400 });
  });

  it("replace makes the named resources anew although nothing changed", async () => {
    const stack = new TestStack();
    const pair: Wanted[] = ["first", "second"].map((name) => ({ name, args: stack.logging(name) }));
    await stack.up(pair);
    const again = await stack.up(pair, { replace: [stack.resource("second").urn] });
    expect(again.changes).toEqual({ same: 2, replace: 1 });
    expect(stack.lines().slice(2)).toEqual(["create second", "delete second"]);
  });

  it("runs no more steps at a time than allowed, and independent ones together", async () => {
    const stack = new TestStack();
    const many: Wanted[] = Array.from({ length: 6 }, (_, i) => ({
      name: `step-${String(i)}`, args: { create: `echo begin >> ${stack.log}; sleep 0.3; echo end >> ${stack.log}` },
    }));
    await stack.up(many, { parallel: 2 });
    let running = 0;
    const peaks = stack.lines().map((line) => (running += line === "begin" ? 1 : -1));
    expect(Math.max(...peaks)).toBe(2);
  });
});
