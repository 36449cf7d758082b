import { spawnSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { serveS3 } from "./s3-server";
import { cannotRun, layoutScript, shells, StoreBench, type LayoutRun } from "./store-bench";

if (cannotRun !== undefined) process.stderr.write(`the layout's tests are skipped: ${cannotRun}\n`);

const benches: StoreBench[] = [];
afterEach(() => {
  for (const bench of benches.splice(0)) bench.close();
});
function bench(): StoreBench {
  const made = new StoreBench();
  benches.push(made);
  return made;
}

const sha256 = (content: string | Buffer): string => createHash("sha256").update(content).digest("hex");
const named = (run: LayoutRun, event: string): Record<string, unknown>[] => run.events.filter((each) => each.event === event);
const shard = (seed: string): string => sha256(seed).repeat(400);
const files = { "model-00001-of-00002.safetensors": shard("a"), "model-00002-of-00002.safetensors": shard("b"), "config.json": "{}", "sub folder/tokenizer.json": "[]" };

describe.skipIf(cannotRun !== undefined)("the layout of a model", () => {
  it.each(shells)("copies what the manifest lists, verifies it and says so last of all, under %s", async (shell) => {
    const store = bench();
    const sum = store.put("own/model", files);
    writeFileSync(join(store.store, "own/model/README.md"), "not listed");
    const run = await store.run(["--model", "own/model"], { shell });
    expect(run.stderr).toBe("");
    expect(run.code).toBe(0);
    for (const [path, content] of Object.entries(files)) expect(store.read(`own/model/${path}`)).toBe(content);
    expect(store.read("own/model/README.md")).toBeUndefined();
    expect(store.read("own/model/.complete")?.split("\n")[0]).toBe(`manifest ${sum}`);
    expect(existsSync(join(store.target, "own/model/.partial"))).toBe(false);
    expect(run.summary).toMatchObject({ event: "summary", ok: true, models: 1, filesCopied: 4, filesKept: 0, fetchedAgain: 0 });
    const again = await store.run(["--model", `own/model=${sum}`], { shell, rclone: "exit 99" });
    expect(again).toMatchObject({ code: 0, summary: { ok: true, filesCopied: 0, filesKept: 4, bytesCopied: 0 } });
  });

  it("reads nothing but the manifest from the store on a second run, and not even that where it is pinned", async () => {
    const store = bench();
    const sum = store.put("m", files);
    await store.run(["--model", "m"]);
    const log = join(store.folder, "calls");
    const second = await store.run(["--model", "m"], { rclone: `echo "$@" >>${log}; exec "$RCLONE" "$@"` });
    expect(second).toMatchObject({ code: 0, summary: { filesCopied: 0, filesKept: 4 } });
    expect(readFileSync(log, "utf8").trim().split("\n")).toEqual([expect.stringMatching(/ cat --head \d+ .*\/m\/manifest\.sha256$/)]);
    rmSync(store.store, { recursive: true });
    expect(await store.run(["--model", `m=${sum}`])).toMatchObject({ code: 0, summary: { filesKept: 4 } });
  });

  it("keeps a complete folder when the store does not answer, and fails without one", async () => {
    const store = bench();
    store.put("m", files);
    await store.run(["--model", "m"]);
    const down = "echo 'connection refused' >&2; exit 1";
    const kept = await store.run(["--model", "m"], { rclone: down });
    expect(kept).toMatchObject({ code: 0, summary: { ok: true, filesKept: 4 } });
    expect(named(kept, "store-unreachable")).toHaveLength(1);
    expect(await store.run(["--model", "other"], { rclone: down })).toMatchObject({ code: 4, summary: { ok: false, message: expect.stringContaining("the store does not answer: connection refused") as string } });
  });

  it("is carried on after kill -9 in the middle of a copy", async () => {
    const store = bench();
    const large = { ...files, "large.bin": randomBytes(4 << 20) };
    store.put("m", large);
    const partial = join(store.target, "m/.partial");
    const cut = await store.run(["--model", "m", "--streams", "1"], {
      env: { RCLONE_BWLIMIT: "1M" },
      started: (child) => {
        const timer = setInterval(() => {
          // Small files arrive first; the large one is then under way.
          if (!existsSync(join(partial, "config.json")) || child.pid === undefined) return;
          clearInterval(timer);
          setTimeout(() => process.kill(-(child.pid ?? 0), "SIGKILL"), 300);
        }, 20);
        child.on("close", () => clearInterval(timer));
      },
    });
    expect(cut.code).toBeNull();
    expect(store.read("m/.complete")).toBeUndefined();
    expect(existsSync(partial)).toBe(true);
    const resumed = await store.run(["--model", "m"]);
    expect(resumed).toMatchObject({ code: 0, summary: { ok: true } });
    expect(Number(named(resumed, "plan")[0]?.resumed)).toBeGreaterThan(0);
    expect(sha256(readFileSync(join(store.target, "m/large.bin")))).toBe(sha256(large["large.bin"]));
    expect(existsSync(partial)).toBe(false);
  });

  it("ends well when two run at once: one copies, the other waits and finds all done", async () => {
    const store = bench();
    store.put("m", files);
    const slow = 'case "$*" in *" copy "*) sleep 1 ;; esac; exec "$RCLONE" "$@"';
    const runs = await Promise.all([store.run(["--model", "m"], { rclone: slow }), store.run(["--model", "m"], { rclone: slow })]);
    expect(runs.map(({ code }) => code)).toEqual([0, 0]);
    expect(runs.map(({ summary }) => summary.filesCopied).sort()).toEqual([0, 4]);
    expect(runs.flatMap((run) => named(run, "waiting"))).toHaveLength(1);
  });
});

describe.skipIf(cannotRun !== undefined)("a damaged file", () => {
  it("in the store is named with both sums after it was fetched twice, and nothing is published", async () => {
    const store = bench();
    store.put("m", files);
    writeFileSync(join(store.store, "m/config.json"), "{!");
    const run = await store.run(["--model", "m"]);
    expect(run.code).toBe(5);
    expect(named(run, "bad-file")).toEqual(Array.from({ length: 2 }, () => ({ event: "bad-file", model: "m", file: "config.json", expected: sha256("{}"), actual: sha256("{!") })));
    expect(run.summary.message).toContain(`config.json: expected ${sha256("{}")}, got ${sha256("{!")}`);
    expect(store.read("m/.complete")).toBeUndefined();
    expect(store.read("m/config.json")).toBeUndefined();
    store.put("m", files);
    const mended = await store.run(["--model", "m"]);
    expect(mended).toMatchObject({ code: 0, summary: { filesCopied: 1 } });
    expect(named(mended, "plan")).toMatchObject([{ resumed: 3 }]);
  });

  it.each(shells)("on the way from an object store is named and fetched again, under %s", async (shell) => {
    const store = bench();
    const sum = store.put("m", files);
    const objects = Object.fromEntries([...Object.keys(files), "manifest.sha256"].map((path) => [`weights/m/${path}`, readFileSync(join(store.store, "m", path))]));
    const bad = "weights/m/model-00002-of-00002.safetensors";
    const server = await serveS3("bucket", objects, (key, time, content) => (key === bad && time === 1 ? Buffer.from(content.map((byte, index) => (index === 5 ? byte ^ 1 : byte))) : content));
    try {
      const run = await store.run(["--model", `m=${sum}`], { shell, source: "store:bucket/weights", env: server.env });
      expect(run.code).toBe(0);
      expect(named(run, "bad-file")).toMatchObject([{ file: "model-00002-of-00002.safetensors", expected: sha256(shard("b")) }]);
      expect(run.summary).toMatchObject({ ok: true, fetchedAgain: 1, filesCopied: 4 });
      expect(server.requests.filter((request) => request === `GET ${bad}`)).toHaveLength(2);
      for (const [path, content] of Object.entries(files)) expect(store.read(`m/${path}`)).toBe(content);
      expect(`${run.stderr}${JSON.stringify(run.events)}`).not.toContain("not a secret");
    } finally {
      await server.close();
    }
  });

  it("on the hot tier is found by its size or time, and by a full verification where neither changed", async () => {
    const store = bench();
    store.put("m", files);
    await store.run(["--model", "m"]);
    const file = join(store.target, "m/config.json");
    writeFileSync(file, "{ }");
    const quick = await store.run(["--model", "m"]);
    expect(named(quick, "bad-file")).toMatchObject([{ file: "config.json", expected: sha256("{}"), actual: sha256("{ }") }]);
    expect(quick).toMatchObject({ code: 0, summary: { filesCopied: 1 } });
    const { mtime } = statSync(file);
    writeFileSync(file, "[]");
    utimesSync(file, mtime, mtime);
    expect((await store.run(["--model", "m"])).summary).toMatchObject({ filesCopied: 0 });
    const full = await store.run(["--model", "m", "--verify", "full"]);
    expect(named(full, "bad-file")).toMatchObject([{ file: "config.json", actual: sha256("[]") }]);
    expect(store.read("m/config.json")).toBe("{}");
  });
});

describe.skipIf(cannotRun !== undefined)("a manifest", () => {
  it("that is missing is an error that says how to make it, and the command makes one that works", async () => {
    const store = bench();
    store.put("m", files);
    rmSync(join(store.store, "m/manifest.sha256"));
    const run = await store.run(["--model", "m"]);
    expect(run.code).toBe(4);
    const command = /Make it where the weights are put into the store: (.*)$/.exec(String(run.summary.message))?.[1] ?? "";
    expect(readFileSync(join(__dirname, "../../../docs/model-store.md"), "utf8")).toContain(command.replace("cd FOLDER && ", ""));
    expect(spawnSync("bash", ["-c", command.replace("FOLDER", join(store.store, "m"))]).status).toBe(0);
    expect(await store.run(["--model", "m"])).toMatchObject({ code: 0, summary: { filesCopied: 4 } });
  });

  it("with another sum than the pinned one is refused before anything is copied", async () => {
    const store = bench();
    const sum = store.put("m", files);
    const pin = "0".repeat(64);
    const run = await store.run(["--model", `m=${pin}`]);
    expect(run.code).toBe(6);
    expect(run.summary.message).toContain(sum);
    expect(run.summary.message).toContain(pin);
    expect(existsSync(join(store.target, "m"))).toBe(false);
  });

  it.each([
    ["a path that climbs", "../outside"],
    ["a path that climbs later", "sub/../../outside"],
    ["an absolute path", "/etc/passwd"],
    ["a control character", "a\tb"],
    ["a carriage return", "config.json\r"],
    ["characters outside ASCII", "modèle.bin"],
    ["a command", "$(touch hacked)"],
    ["the layout's own mark", ".complete"],
    ["the layout's own folder", ".partial/a"],
    ["itself", "manifest.sha256"],
    ["no path", ""],
    ["a folder", "sub/"],
  ])("with %s is refused before anything is copied", async (_what, path) => {
    const store = bench();
    store.put("m", { "config.json": "{}" });
    store.putManifest("m", `${sha256("{}")}  ${path}\n${sha256("{}")}  config.json\n`);
    const run = await store.run(["--model", "m"]);
    expect(run).toMatchObject({ code: 6, summary: { ok: false, message: expect.stringMatching(/^m: manifest\.sha256 is refused: line 1 /) as string } });
    expect(existsSync(join(store.target, "m/config.json"))).toBe(false);
  });

  it.each([
    ["nothing in it", "\n", /not in the format/],
    ["no sum", "config.json\n", /not in the format/],
    ["a short sum", "abc  config.json\n", /not in the format/],
    ["a file twice", `${sha256("{}")}  config.json\n${sha256("[]")}  ./config.json\n`, /line 2 names config.json a second time/],
    ["a file below a file", `${sha256("{}")}  config.json\n${sha256("[]")}  config.json/a\n`, /line 2 names config.json\/a below the file config.json/],
  ])("with %s is refused", async (_what, text, message) => {
    const store = bench();
    store.put("m", { "config.json": "{}" });
    store.putManifest("m", text);
    expect(await store.run(["--model", "m"])).toMatchObject({ code: 6, summary: { message: expect.stringMatching(message) as string } });
  });

  it("that lists a file which the store lacks is an error that names it before anything is copied", async () => {
    const store = bench();
    store.put("m", files);
    rmSync(join(store.store, "m/model-00001-of-00002.safetensors"));
    const run = await store.run(["--model", "m"]);
    expect(run).toMatchObject({ code: 4, summary: { message: expect.stringContaining("model-00001-of-00002.safetensors") as string } });
    expect(existsSync(join(store.target, "m"))).toBe(false);
  });

  it("that changed brings what is new, removes what it no longer lists, and leaves files that were never ours", async () => {
    const store = bench();
    store.put("m", files);
    await store.run(["--model", "m"]);
    writeFileSync(join(store.target, "m/notes.txt"), "somebody's");
    const { "sub folder/tokenizer.json": _gone, ...rest } = files;
    store.put("m", { ...rest, "config.json": '{"v":2}' });
    const run = await store.run(["--model", "m"]);
    expect(run).toMatchObject({ code: 0, summary: { filesCopied: 1, filesKept: 2 } });
    expect(store.read("m/config.json")).toBe('{"v":2}');
    expect(existsSync(join(store.target, "m/sub folder"))).toBe(false);
    expect(store.read("m/notes.txt")).toBe("somebody's");
    expect(existsSync(join(store.target, "m/.superseded"))).toBe(false);
  });
});

describe.skipIf(cannotRun !== undefined)("the hot tier", () => {
  const isRoot = process.getuid?.() === 0;
  if (!isRoot) process.stderr.write("a full hot tier is not tried: mounting a small one needs root\n");

  it.skipIf(!isRoot)("that is too small for all models together is an error before the first is copied", async () => {
    const store = bench();
    store.put("small", { "a.bin": randomBytes(2 << 20) });
    store.put("large", { "b.bin": randomBytes(4 << 20) });
    // Its own mount namespace: the small file system goes with the run.
    const within = ["unshare", "--mount", "sh", "-c", `mount -t tmpfs -o size=5m none '${store.target}' && "$@"; code=$?; find '${store.target}' -type f >'${store.folder}/left'; exit $code`, "sh"];
    const run = await store.run(["--model", "small", "--model", "large"], { within, shell: "dash" });
    expect(run.code).toBe(3);
    expect(run.summary.message).toMatch(/needed/);
    expect(run.summary.message).toContain(String(Math.round((6 << 20) * 1.01)));
    expect(run.summary.message).toMatch(/\d+ bytes \(5\.\d MB\) are free/);
    expect(readFileSync(`${store.folder}/left`, "utf8").trim()).toBe(join(store.target, ".layout.lock"));
    expect(await store.run(["--model", "small"], { within, shell: "dash" })).toMatchObject({ code: 0 });
  });

  it("keeps and reports models that no service uses any more", async () => {
    const store = bench();
    store.put("old", { "a.bin": "12345" });
    store.put("new", { "a.bin": "1" });
    await store.run(["--model", "old"]);
    const run = await store.run(["--model", "new"]);
    expect(named(run, "unused")).toEqual([{ event: "unused", model: "old", bytes: 5 }]);
    expect(store.read("old/a.bin")).toBe("12345");
  });

  it("that is not there is an error", async () => {
    const store = bench();
    store.put("m", files);
    rmSync(store.target, { recursive: true });
    expect(await store.run(["--model", "m"])).toMatchObject({ code: 7, summary: { message: expect.stringContaining("not mounted") as string } });
    mkdirSync(store.target);
  });
});

describe.skipIf(cannotRun !== undefined)("flags of the layout", () => {
  it.each([
    ["an unknown one", ["--model", "m", "--fast"]],
    ["one without its value", ["--model"]],
    ["a model that climbs", ["--model", "../m"]],
    ["an absolute model", ["--model", "/m"]],
    ["a pin that is no sum", ["--model", "m=abc"]],
    ["too many streams", ["--model", "m", "--streams", "65"]],
    ["no model", []],
  ])("are refused with exit code 2: %s", async (_what, flags) => {
    const run = await bench().run(flags);
    expect(run).toMatchObject({ code: 2, summary: { ok: false, exitCode: 2 } });
  });

  it("are what the help says, and the script is clean to shellcheck", () => {
    expect(spawnSync("sh", [layoutScript, "--help"], { encoding: "utf8" }).stdout).toContain("--verify quick|full");
    const { status, stdout } = spawnSync("shellcheck", [layoutScript], { encoding: "utf8" });
    expect(stdout).toBe("");
    expect(status).toBe(0);
  });
});
