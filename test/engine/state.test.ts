import { appendFileSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { exportStack, importStack, Locked } from "../../engine";
import type { ResourceState } from "../../engine/model";
import { acquireLock } from "../../engine/state/lock";
import { keyOf, ResourceList } from "../../engine/state/resource-list";
import { Crypter, StateSecrets, WrongPassphrase } from "../../engine/state/secrets";
import { journalFile, loadState, StateStore } from "../../engine/state/store";
import { decode, encode } from "../../engine/encoding";
import { Secret } from "../../engine/values";
import { temporaryFolder } from "./harness";

const recorded = JSON.parse(readFileSync(join(__dirname, "recorded", "secrets.json"), "utf8")) as { salt: string; ciphertexts: string[] };

function resource(name: string, more: Partial<ResourceState> = {}): ResourceState {
  return {
    urn: `urn:pulumi:test::p::t:m:R::${name}`, custom: true, id: `id-${name}`, type: "t:m:R", inputs: { name }, outputs: {},
    dependencies: [], propertyDependencies: {}, ...more,
  };
}

describe("secrets of the state", () => {
  let crypter: Crypter;
  beforeAll(async () => {
    crypter = await Crypter.open("test", recorded.salt);
  });

  it("are those of the Pulumi CLI: what it encrypted is read", () => {
    expect(recorded.ciphertexts.map((text) => crypter.decrypt(text))).toEqual(['"s3cr3t"', '"s3cr3t"', '"s3cr3t"']);
  });

  it("refuse another passphrase, and a text that was changed", async () => {
    await expect(Crypter.open("Test", recorded.salt)).rejects.toThrow(WrongPassphrase);
    const [version, nonce, body = ""] = crypter.encrypt("x").split(":");
    const changed = `${body.startsWith("A") ? "B" : "A"}${body.slice(1)}`;
    expect(() => crypter.decrypt(`${String(version)}:${String(nonce)}:${changed}`)).toThrow(WrongPassphrase);
    await expect(Crypter.open("x", "v2:what")).rejects.toThrow("encryption salt");
  });

  it("never repeat a ciphertext, and keep that of an unchanged secret", () => {
    expect(crypter.encrypt("x")).not.toBe(crypter.encrypt("x"));
    const secrets = new StateSecrets(crypter);
    const codec = secrets.codec("urn inputs");
    const written = encode({ a: new Secret("one") }, codec);
    expect(encode({ a: new Secret("one") }, codec)).toEqual(written);
    expect(encode({ a: new Secret("two") }, codec)).not.toEqual(written);
    const read = new StateSecrets(crypter);
    expect(encode(decode(written, read.codec("o")), read.codec("o"))).toEqual(written);
  });

  it("keep secrets inside secrets", () => {
    const nested = { a: new Secret({ user: "root", password: new Secret("not base64!") }) };
    const written = encode(nested, new StateSecrets(crypter).codec("o"));
    expect(JSON.stringify(written)).not.toContain("not base64!");
    expect(decode(written, new StateSecrets(crypter).codec("o"))).toEqual(nested);
  });
});

describe("the list of resources", () => {
  it("is in dependency order whatever the order of its making", () => {
    const graph = fc.array(fc.array(fc.nat({ max: 30 }), { maxLength: 4 }), { maxLength: 30 });
    fc.assert(fc.property(graph, fc.infiniteStream(fc.nat()), (edges, random) => {
      const resources = edges.map((wanted, i) =>
        resource(String(i), { dependencies: wanted.filter((j) => j < i).map((j) => resource(String(j)).urn) }));
      const shuffled = resources.map((item) => ({ item, at: Number(random.next().value) })).sort((a, b) => a.at - b.at).map(({ item }) => item);
      const sorted = new ResourceList(shuffled).sorted();
      expect(sorted).toHaveLength(resources.length);
      sorted.forEach((item, i) => {
        for (const urn of item.dependencies) expect(sorted.slice(0, i).some((before) => before.urn === urn)).toBe(true);
      });
    }));
  });

  it("keeps a replaced resource beside its replacement", () => {
    const list = new ResourceList([resource("a")]);
    list.put(resource("a", { delete: true }));
    list.put(resource("a", { id: "new" }));
    expect(list.sorted().map(keyOf)).toEqual([resource("a").urn, `${resource("a").urn}#id-a`]);
  });
});

describe("the state file", () => {
  const open = (stateFile: string): Promise<StateStore> => StateStore.open({ stateFile });

  it("has every finished step at every moment, and steps under way as pending operations", async () => {
    const stateFile = join(temporaryFolder(), "state.json");
    const store = await open(stateFile);
    const first = await store.begin("creating", resource("a"));
    store.put(resource("a"));
    await store.end(first);
    await store.begin("creating", resource("b"));
    const cut = loadState(stateFile);
    expect(cut.resources.map(({ urn }) => urn)).toEqual([resource("a").urn]);
    expect(cut.pending.map(({ type, resource: { urn } }) => [type, urn])).toEqual([["creating", resource("b").urn]]);
    appendFileSync(journalFile(stateFile), '{"kind":"put","resour');
    expect(loadState(stateFile).resources).toHaveLength(1);
    const exported = JSON.parse(exportStack(stateFile)) as { deployment: { pending_operations: unknown[] } };
    expect(exported.deployment.pending_operations).toHaveLength(1);
  });

  it("is the same when the journal is brought in once or, after being cut off there, twice", async () => {
    const folder = temporaryFolder();
    const stateFile = join(folder, "state.json");
    const store = await open(stateFile);
    await store.end(await store.begin("creating", resource("a")));
    store.put(resource("a"));
    store.put(resource("b", { dependencies: [resource("a").urn] }));
    await store.end(await store.begin("deleting", resource("c")));
    const before = loadState(stateFile);
    const journal = readFileSync(journalFile(stateFile), "utf8");
    await store.close();
    expect(existsSync(journalFile(stateFile))).toBe(false);
    const after = readFileSync(stateFile, "utf8");
    expect(loadState(stateFile).resources).toEqual(before.resources);
    // As left by a kill between the new state file and the end of its journal.
    writeFileSync(journalFile(stateFile), `${journal}{"kind":"folded","state":"${loadState(stateFile).hash}"}\n`);
    const again = await open(stateFile);
    await again.close();
    expect(readFileSync(stateFile, "utf8")).toBe(after);
  });

  it("is not overwritten when somebody changed it under the journal of a run that was cut off", async () => {
    const stateFile = join(temporaryFolder(), "state.json");
    await (await open(stateFile)).close();
    const store = await open(stateFile);
    store.put(resource("a"));
    await store.end(await store.begin("creating", resource("a")));
    writeFileSync(stateFile, '{"version":3,"deployment":{"manifest":{},"resources":[]}}');
    expect(() => loadState(stateFile)).toThrow(journalFile(stateFile));
  });

  it("that is not a deployment is refused with what to do", () => {
    const stateFile = join(temporaryFolder(), "state.json");
    writeFileSync(stateFile, "{");
    expect(() => loadState(stateFile)).toThrow("restore it from a backup");
    writeFileSync(stateFile, '{"version":4}');
    expect(() => loadState(stateFile)).toThrow("version is 4");
    writeFileSync(stateFile, '{"version":3,"deployment":{"secrets_providers":{"type":"cloud"}}}');
    expect(() => loadState(stateFile)).toThrow('"cloud"');
  });

  it("comes back from an export as it was", async () => {
    const folder = temporaryFolder();
    const stateFile = join(folder, "state.json");
    const store = await open(stateFile);
    store.put(resource("a", { protect: true, other: { sourcePosition: "project:///index.ts#1,2" } }));
    await store.close();
    const copy = join(folder, "copy.json");
    importStack(copy, exportStack(stateFile));
    expect(loadState(copy).resources).toEqual(loadState(stateFile).resources);
    expect(loadState(copy).resources[0]?.["sourcePosition"]).toBe("project:///index.ts#1,2");
  });
});

describe("the lock", () => {
  it("refuses a second run and names the first", async () => {
    const stateFile = join(temporaryFolder(), "state.json");
    const store = await StateStore.open({ stateFile });
    await expect(StateStore.open({ stateFile })).rejects.toThrow(Locked);
    await expect(StateStore.open({ stateFile })).rejects.toThrow(String(process.pid));
    expect(() => { importStack(stateFile, '{"version":3,"deployment":{}}'); }).toThrow(Locked);
    await store.close();
    await (await StateStore.open({ stateFile })).close();
  });

  it("of a process that is gone, or whose number another has now, is taken over with a note", () => {
    const path = join(temporaryFolder(), "lock");
    for (const holder of [{ pid: 2 ** 22 + 1, started: "1" }, { pid: process.pid, started: "1" }]) {
      writeFileSync(path, JSON.stringify({ ...holder, since: "then" }));
      const { release, note } = acquireLock(path);
      expect(note).toContain(String(holder.pid));
      release();
      expect(existsSync(path)).toBe(false);
    }
  });

  it("leaves nothing of processes that were killed while they asked for it, and all of those that ask now", () => {
    const path = join(temporaryFolder(), "test.json.lock");
    const own = readFileSync("/proc/self/stat", "utf8").split(" ")[21] ?? "";
    const left = ["dead", "half", "live"].map((_, index) => `${path}.0000000${String(index)}-0000-4000-8000-000000000000`);
    const [dead = "", half = "", live = ""] = left;
    writeFileSync(dead, JSON.stringify({ pid: 2 ** 22 + 1, started: "1", since: "then" }));
    writeFileSync(half, '{"pid":');
    writeFileSync(live, JSON.stringify({ pid: process.pid, started: own, since: "now" }));
    writeFileSync(`${path}.of-a-user`, "");
    acquireLock(path).release();
    expect([dead, half, live, `${path}.of-a-user`].map((file) => existsSync(file))).toEqual([false, false, true, true]);
  });
});
