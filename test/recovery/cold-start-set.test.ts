import { spawnSync } from "node:child_process";
import { appendFileSync, mkdtempSync, readFileSync, readdirSync, renameSync, rmSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import * as fc from "fast-check";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { KeysUnreadable, SetKeys } from "../../components/recovery/cold-start/keys";
import { generationName, isGeneration, type Gap } from "../../components/recovery/cold-start/set";
import { gapsThatMatter, SetRefused, verifySet, WrongSetPassphrase } from "../../components/recovery/cold-start/verify";
import { generations, SetWriter } from "../../components/recovery/cold-start/writer";
import { WrongPassphrase } from "../../engine/state/secrets";

const passphrase = "correct horse battery staple";
const secret = "PLANTED-0123456789-SECRET";
let keys: SetKeys;
let strangers: SetKeys;
let home: string;

beforeAll(async () => {
  keys = await SetKeys.make(passphrase);
  strangers = await SetKeys.make("another");
});
beforeEach(() => {
  home = join(mkdtempSync(join(tmpdir(), "rackwright-set-")), "here");
});
afterEach(() => rmSync(join(home, ".."), { recursive: true, force: true }));

const facts = { environment: "here", createdAt: "2026-11-26T07:30:00.000Z", madeBy: { version: "0.1.0" } };
const at = (second: number): Date => new Date(Date.UTC(2026, 10, 26, 7, 30, second));

/** A small whole set. */
async function saved(second = 0, keep = 3, below = home): Promise<{ folder: string; removed: string[] }> {
  const writer = await SetWriter.begin(below, keys, at(second));
  await writer.text("environment.yaml", "config: {}\n");
  await writer.text("mirror/http/mirror.example/debian/pool/a%2bb.deb", Buffer.from([0, 1, 2, 255]));
  await writer.sealed("servers/gpu-01/host-keys.sealed", Buffer.from(secret));
  await writer.stream("servers/gpu-01/data/srv%2Fwarm.tar", Readable.from([Buffer.alloc(70_000, 7), Buffer.alloc(5, 8)]));
  return writer.finish(facts, keep);
}

async function problemsOf(folder: string, environment = "here"): Promise<readonly string[]> {
  const error: unknown = await verifySet(folder, environment, passphrase).then(() => undefined, (reason: unknown) => reason);
  if (error === undefined) return [];
  expect(error).toBeInstanceOf(SetRefused);
  return (error as SetRefused).problems;
}

describe("a set", () => {
  it("is whole as it was written, and lists every file with its size and checksum", async () => {
    const { folder } = await saved();
    const { inventory } = await verifySet(folder, "here", passphrase);
    expect(inventory.files.map(({ path, bytes }) => [path, bytes])).toEqual([
      ["environment.yaml", 11],
      ["keys.json", readFileSync(join(folder, "keys.json")).length],
      ["mirror/http/mirror.example/debian/pool/a%2bb.deb", 4],
      ["servers/gpu-01/data/srv%2Fwarm.tar", 70_005],
      ["servers/gpu-01/host-keys.sealed", readFileSync(join(folder, "servers/gpu-01/host-keys.sealed")).length],
    ]);
    expect(inventory).toMatchObject({ format: 1, environment: "here", generation: "2026-11-26T07-30-00Z", gaps: [] });
    for (const { path, sha256 } of inventory.files) expect(spawnSync("sha256sum", [join(folder, path)], { encoding: "utf8" }).stdout.replace("\\", "").slice(0, 64)).toBe(sha256);
  });

  it("gives sealed secrets back to who knows the passphrase, and holds them nowhere in the clear", async () => {
    const { folder } = await saved();
    const set = await verifySet(folder, "here", passphrase);
    expect(set.keys.unseal(readFileSync(join(folder, "servers/gpu-01/host-keys.sealed"), "utf8")).toString()).toBe(secret);
    for (const text of [secret, Buffer.from(secret).toString("base64").slice(0, 24), passphrase]) {
      expect(spawnSync("grep", ["--recursive", "--text", "--fixed-strings", text, folder]).status, text).toBe(1);
    }
  });

  it("can be read by nobody but its owner", async () => {
    const { folder } = await saved();
    expect(spawnSync("find", [folder, "-type", "f", "-perm", "/077"], { encoding: "utf8" }).stdout).toBe("");
  });

  it("is refused with every problem at once, each file named", async () => {
    const { folder } = await saved();
    appendFileSync(join(folder, "environment.yaml"), "#");
    rmSync(join(folder, "servers/gpu-01/data/srv%2Fwarm.tar"));
    writeFileSync(join(folder, "mirror/http/mirror.example/debian/pool/a%2bb.deb"), Buffer.from([0, 1, 2, 254]));
    writeFileSync(join(folder, "planted.sh"), "");
    symlinkSync("/etc/passwd", join(folder, "link"));
    expect(await problemsOf(folder)).toEqual([
      "environment.yaml has 12 bytes, 11 were saved",
      expect.stringMatching(/^mirror\/http\/mirror\.example\/debian\/pool\/a%2bb\.deb was changed: its SHA-256 is [0-9a-f]{12}…, saved was [0-9a-f]{12}…$/),
      "servers/gpu-01/data/srv%2Fwarm.tar is missing",
      "link is in no inventory",
      "planted.sh is in no inventory",
    ]);
  });

  it("is refused where any one byte of any one file differs", async () => {
    const { folder } = await saved();
    const files = (await verifySet(folder, "here", passphrase)).inventory.files.filter(({ path }) => path !== "keys.json");
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...files), fc.nat(), fc.integer({ min: 1, max: 255 }), async ({ path, bytes }, place, change) => {
        const file = join(folder, path);
        const whole = readFileSync(file);
        const broken = Buffer.from(whole);
        broken[place % bytes] = (broken[place % bytes] ?? 0) ^ change;
        writeFileSync(file, broken);
        try {
          expect(await problemsOf(folder)).toEqual([expect.stringContaining(`${path} was changed`)]);
        } finally {
          writeFileSync(file, whole);
        }
      }),
      // Each opens the passphrase's key anew, which is slow on purpose.
      { numRuns: 6 },
    );
  });

  it.each([
    ["one byte of the inventory differs", (folder: string) => writeFileSync(join(folder, "inventory.json"), readFileSync(join(folder, "inventory.json"), "utf8").replace('"bytes": 11', '"bytes": 12'))],
    ["the signature is of something else", (folder: string) => writeFileSync(join(folder, "inventory.sig"), strangers.sign(readFileSync(join(folder, "inventory.json"))))],
    ["the signature is cut", (folder: string) => truncateSync(join(folder, "inventory.sig"), 20)],
  ])("is refused where %s", async (_what, change) => {
    const { folder } = await saved();
    change(folder);
    expect(await problemsOf(folder)).toEqual(["inventory.json is not what was signed: it was changed, or it is of another set than keys.json"]);
  });

  it("cannot be signed anew by who does not know the passphrase", async () => {
    const { folder } = await saved();
    writeFileSync(join(folder, "environment.yaml"), "config: {bad: 1}\n");
    writeFileSync(join(folder, "keys.json"), strangers.text);
    writeFileSync(join(folder, "inventory.sig"), strangers.sign(readFileSync(join(folder, "inventory.json"))));
    await expect(verifySet(folder, "here", passphrase)).rejects.toBeInstanceOf(WrongSetPassphrase);
    // The public key that the file names counts for nothing.
    const own = JSON.parse(keys.text) as Record<string, unknown>;
    writeFileSync(join(folder, "keys.json"), JSON.stringify({ ...own, publicKey: (JSON.parse(strangers.text) as Record<string, unknown>)["publicKey"] }));
    expect((await problemsOf(folder))[0]).toContain("inventory.json is not what was signed");
  });

  it.each(["inventory.json", "inventory.sig", "keys.json"])("is refused without %s", async (name) => {
    const { folder } = await saved();
    rmSync(join(folder, name));
    expect(await problemsOf(folder)).toEqual([`${name} cannot be read (ENOENT)`]);
  });

  it("is refused where the keys file is none", async () => {
    const { folder } = await saved();
    writeFileSync(join(folder, "keys.json"), "{}");
    expect(await problemsOf(folder)).toEqual(["keys.json: it is not a keys file of a cold-start set"]);
  });

  it("is refused for another environment, and under a wrong passphrase", async () => {
    const { folder } = await saved();
    expect(await problemsOf(folder, "there")).toEqual(["it is a set of here, not of there"]);
    await expect(verifySet(folder, "here", "wrong")).rejects.toThrow("give the one that the set was saved under in PULUMI_CONFIG_PASSPHRASE");
  });

  it("keeps its identity when it is moved, as to a new mount of the cold tier", async () => {
    const { folder } = await saved();
    const before = (await verifySet(folder, "here", passphrase)).sha256;
    renameSync(folder, join(home, "elsewhere"));
    expect((await verifySet(join(home, "elsewhere"), "here", passphrase)).sha256).toBe(before);
  });
});

describe("keys", () => {
  it("stay the same over sets, so that the fingerprint can be kept", async () => {
    const again = await SetKeys.open(keys.text, passphrase);
    expect(again.fingerprint).toBe(keys.fingerprint);
    expect(again.fingerprint).toMatch(/^SHA256:[A-Za-z0-9+/]{43}$/);
    expect(again.unseal(keys.seal(Buffer.from(secret))).toString()).toBe(secret);
    expect(again.verifies(Buffer.from("x"), keys.sign(Buffer.from("x")))).toBe(true);
    expect(again.verifies(Buffer.from("y"), keys.sign(Buffer.from("x")))).toBe(false);
  });

  it("open under no other passphrase, and say so where the file is none", async () => {
    await expect(SetKeys.open(keys.text, "wrong")).rejects.toBeInstanceOf(WrongPassphrase);
    for (const text of ["", "[]", '{"format":2}', keys.text.replace('"v1:', '"v2:')]) await expect(SetKeys.open(text, passphrase)).rejects.toBeInstanceOf(KeysUnreadable);
  });

  it("unseal nothing that was changed", () => {
    const sealed = keys.seal(Buffer.from(secret));
    const parts = sealed.trim().split(":");
    // Bytes, not letters: the last letters of base64 have bits that nobody reads.
    const bytes = Buffer.from(parts.pop() ?? "", "base64");
    for (let place = 0; place < bytes.length; place++) {
      const changed = Buffer.from(bytes);
      changed.writeUInt8(changed.readUInt8(place) ^ 1, place);
      expect(() => keys.unseal([...parts, changed.toString("base64")].join(":")), `byte ${place}`).toThrow(WrongPassphrase);
    }
    expect(() => strangers.unseal(sealed)).toThrow(WrongPassphrase);
  });
});

describe("writing a set", () => {
  it("keeps as many as it is told, the oldest go first", async () => {
    for (const second of [1, 2, 3]) expect((await saved(second, 3)).removed).toEqual([]);
    expect((await saved(4, 3)).removed).toEqual(["2026-11-26T07-30-01Z"]);
    expect((await saved(5, 1)).removed).toEqual(["2026-11-26T07-30-02Z", "2026-11-26T07-30-03Z", "2026-11-26T07-30-04Z"]);
    expect(readdirSync(home)).toEqual(["2026-11-26T07-30-05Z"]);
  });

  it("leaves nothing that looks like a set when it is cut off, and the next one removes what was left", async () => {
    await saved(1);
    const writer = await SetWriter.begin(home, keys, at(2));
    await writer.text("environment.yaml", "half");
    expect(await generations(home)).toEqual(["2026-11-26T07-30-01Z"]);
    await saved(3);
    expect(readdirSync(home).sort()).toEqual(["2026-11-26T07-30-01Z", "2026-11-26T07-30-03Z"]);
    expect(await problemsOf(join(home, "2026-11-26T07-30-01Z"))).toEqual([]);
  });

  it("stops before it gives the set its name when it is told to", async () => {
    const writer = await SetWriter.begin(home, keys, at(1));
    await writer.text("environment.yaml", "");
    await expect(writer.finish(facts, 3, AbortSignal.abort())).rejects.toThrow();
    expect(await generations(home)).toEqual([]);
    await writer.discard();
    expect(readdirSync(home)).toEqual([]);
  });

  it("refuses what is no file, so that a server cannot send a link", async () => {
    const writer = await SetWriter.begin(home, keys, at(1));
    symlinkSync("/etc/shadow", join(writer.folder, "mirror"));
    await expect(writer.finish(facts, 3)).rejects.toThrow("the set would hold what is no file: mirror");
    expect(await generations(home)).toEqual([]);
  });

  it("does not take a second in which there is a set already", async () => {
    await saved(1);
    await expect(saved(1)).rejects.toThrow("there is a set 2026-11-26T07-30-01Z already");
  });
});

describe("a full disk", () => {
  let mount: string;
  let mounted = false;
  beforeAll(() => {
    mount = mkdtempSync(join(tmpdir(), "rackwright-full-"));
    mounted = spawnSync("mount", ["-t", "tmpfs", "-o", "size=300k", "tmpfs", mount]).status === 0;
  });
  afterAll(() => {
    if (mounted) spawnSync("umount", [mount]);
    rmSync(mount, { recursive: true, force: true });
  });

  it("leaves the earlier set as it was, and no part of the new one", async () => {
    if (!mounted) process.stderr.write("no file system could be mounted here (needs root): a full disk was not tried\n");
    else {
      const there = join(mount, "here");
      const { folder } = await saved(1, 3, there);
      const writer = await SetWriter.begin(there, keys, at(2));
      await expect(writer.stream("big", Readable.from(Array.from({ length: 10 }, () => Buffer.alloc(50_000, 1))))).rejects.toMatchObject({ code: "ENOSPC" });
      await writer.discard();
      expect(readdirSync(there)).toEqual(["2026-11-26T07-30-01Z"]);
      expect(await problemsOf(folder)).toEqual([]);
    }
  });
});

describe("names of sets", () => {
  it("sort as their times do, and are told from other names", () => {
    fc.assert(
      fc.property(fc.date({ min: new Date("2020-01-01"), max: new Date("2100-01-01"), noInvalidDate: true }), fc.date({ min: new Date("2020-01-01"), max: new Date("2100-01-01"), noInvalidDate: true }), (a, b) => {
        const seconds = (date: Date): number => Math.floor(date.getTime() / 1000);
        expect(isGeneration(generationName(a))).toBe(true);
        expect(Math.sign(generationName(a) < generationName(b) ? -1 : generationName(a) > generationName(b) ? 1 : 0)).toBe(Math.sign(seconds(a) - seconds(b)));
      }),
    );
    for (const name of [".lock", ".unfinished-2026-11-26T07-30-00Z", "2026-11-26", "2026-11-26T07-30-00Z.old"]) expect(isGeneration(name)).toBe(false);
  });
});

describe("gaps", () => {
  const gap = (kind: Gap["kind"], server?: string): Gap => ({ kind, name: "x", reason: "y", ...(server === undefined ? {} : { server }) });
  const inventory = { gaps: [gap("image"), gap("package", "gpu-01"), gap("data", "gpu-02")] } as never;

  it("matter to the servers that have them, and to all where they concern the site", () => {
    expect(gapsThatMatter(inventory, ["gpu-01"], new Set()).map(({ kind }) => kind)).toEqual(["image", "package"]);
    expect(gapsThatMatter(inventory, ["gpu-02"], new Set(["image"])).map(({ kind }) => kind)).toEqual(["data"]);
    expect(gapsThatMatter(inventory, [], new Set(["image"]))).toEqual([]);
  });
});
