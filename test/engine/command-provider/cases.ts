import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { makeKey, startSshd, temporaryFolder } from "./sshd";

/** Plain JSON with Pulumi's signatures and, in texts, the placeholders of `Stage`. */
export type Wire = null | boolean | number | string | Wire[] | { [key: string]: Wire };
export type WireMap = Record<string, Wire>;

export type Call =
  | { call: "check"; news: WireMap }
  | { call: "diff"; oldInputs: WireMap; oldOutputs: WireMap; newInputs: WireMap; ignoreChanges?: string[] }
  | { call: "create"; inputs: WireMap; preview?: true }
  | { call: "update"; oldInputs: WireMap; oldOutputs: WireMap; newInputs: WireMap; preview?: true }
  | { call: "delete"; inputs: WireMap; outputs: WireMap };

export interface Case {
  name: string;
  type: string;
  call: Call;
}

/** What came of a case; only what applies is there. */
export interface Outcome {
  inputs?: WireMap;
  failures?: { property: string; reason: string }[];
  diff?: { changed: string[]; replace: string[]; detailed: Record<string, string> };
  /** With the random part replaced by `<RANDOM>`. */
  id?: string;
  outputs?: WireMap;
  error?: string;
  /** Lines for the user, sorted: two streams have no order. */
  log?: string[];
  /** Files below `<DIR>/out` afterwards. */
  files?: Record<string, string>;
}

const SIGNATURE = "4dabf18193072939515e22adb298388d";
export const UNKNOWN_TEXT = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";

export function sealed(value: Wire): WireMap {
  return { [SIGNATURE]: "1b47061264138c4ac30d75fd1eb44270", value };
}
function asset(fields: WireMap): WireMap {
  return { [SIGNATURE]: "c44067f5952c0a294b673a41bacd8c17", ...fields };
}
function archive(fields: WireMap): WireMap {
  return { [SIGNATURE]: "0def7320c3a5731c473e5ecbe6d01bc7", ...fields };
}

/** A folder and two SSH servers for the cases; the same for the real provider and for ours. */
export interface Stage {
  directory: string;
  program: string;
  fill<T>(value: T): T;
  /** Puts the placeholders back, so that outcomes from two stages can be compared. */
  strip<T>(value: T): T;
  clear(): void;
  files(): Record<string, string>;
  stop(): Promise<void>;
}

function listFiles(folder: string, under = ""): string[] {
  return readdirSync(join(folder, under), { withFileTypes: true }).flatMap((entry) => {
    const path = under === "" ? entry.name : `${under}/${entry.name}`;
    return entry.isDirectory() ? [`${path}/`, ...listFiles(folder, path)] : [path];
  });
}

export async function setStage(): Promise<Stage> {
  const directory = temporaryFolder();
  const program = join(directory, "program");
  const out = join(directory, "out");
  mkdirSync(join(program, "scripts", "lib", "empty"), { recursive: true });
  writeFileSync(join(program, "scripts", "a.sh"), "echo a\n");
  writeFileSync(join(program, "scripts", "lib", "b.sh"), "echo b\n");
  symlinkSync("a.sh", join(program, "scripts", "link.sh"));
  writeFileSync(join(program, "one.txt"), "one\n");
  mkdirSync(join(directory, "work"));
  const key = makeKey(directory, "key");
  const host = await startSshd([key.publicKey]);
  const bastion = await startSshd([key.publicKey]);
  const values: [string, string][] = [
    ["<DIR>", directory],
    ["<KEY>", key.privateKey],
    ["<HOST_KEY>", host.hostKey],
    ["<BASTION_KEY>", bastion.hostKey],
    ["<USER>", host.user],
  ];
  const ports: [string, number][] = [
    ['"<PORT>"', host.port],
    ['"<BASTION_PORT>"', bastion.port],
  ];
  const inText = (value: string): string => JSON.stringify(value).slice(1, -1);
  return {
    directory,
    program,
    fill: (value) => {
      let text = JSON.stringify(value);
      for (const [name, given] of values) text = text.replaceAll(name, inText(given));
      for (const [name, port] of ports) text = text.replaceAll(name, String(port));
      return JSON.parse(text) as typeof value;
    },
    strip: (value) => {
      let text = JSON.stringify(value);
      for (const [name, given] of values) text = text.replaceAll(`"${inText(given)}`, `"${name}`).replaceAll(inText(given), name);
      for (const [name, port] of ports) text = text.replaceAll(`:${String(port)},`, `:${name},`).replaceAll(`:${String(port)}}`, `:${name}}`);
      return JSON.parse(text) as typeof value;
    },
    clear: () => {
      rmSync(out, { recursive: true, force: true });
      mkdirSync(join(out, "folder"), { recursive: true });
      writeFileSync(join(out, "file"), "old");
      rmSync(join(directory, "work"), { recursive: true, force: true });
      mkdirSync(join(directory, "work"));
    },
    files: () =>
      Object.fromEntries(listFiles(out).map((path) => [path, path.endsWith("/") ? "" : readFileSync(join(out, path), "utf8")])),
    stop: async () => {
      await host.stop();
      await bastion.stop();
      execFileSync("rm", ["-rf", directory]);
    },
  };
}

const LOCAL = "command:local:Command";
const REMOTE = "command:remote:Command";
const COPY = "command:remote:CopyToRemote";

const plainConnection: WireMap = { host: "127.0.0.1", port: "<PORT>", user: "<USER>", dialErrorLimit: 0, perDialTimeout: 15 };
const connection = sealed({ ...plainConnection, privateKey: sealed("<KEY>"), hostKey: "<HOST_KEY>" });
const bastion: WireMap = { host: "127.0.0.1", port: "<BASTION_PORT>", user: "<USER>", dialErrorLimit: 0, perDialTimeout: 15 };
const throughBastion = sealed({
  ...plainConnection,
  privateKey: sealed("<KEY>"),
  hostKey: "<HOST_KEY>",
  proxy: { ...bastion, privateKey: sealed("<KEY>"), hostKey: "<BASTION_KEY>" },
});

function check(name: string, type: string, news: WireMap): Case {
  return { name: `check: ${name}`, type, call: { call: "check", news } };
}
function create(name: string, type: string, inputs: WireMap, preview?: true): Case {
  const call: Call = { call: "create", inputs };
  return { name: `${preview === true ? "preview of create" : "create"}: ${name}`, type, call: preview === true ? { ...call, preview } : call };
}
function diff(name: string, type: string, oldInputs: WireMap, newInputs: WireMap, ignoreChanges: string[] = []): Case {
  const oldOutputs = { ...oldInputs, stdout: "", stderr: "" };
  return { name: `diff: ${name}`, type, call: { call: "diff", oldInputs, oldOutputs, newInputs, ignoreChanges } };
}
function update(name: string, type: string, oldOutputs: WireMap, newInputs: WireMap, preview?: true): Case {
  const { stdout: _out, stderr: _err, assets: _assets, archive: _archive, ...oldInputs } = oldOutputs;
  const call: Call = { call: "update", oldInputs, oldOutputs, newInputs };
  return { name: `${preview === true ? "preview of update" : "update"}: ${name}`, type, call: preview === true ? { ...call, preview } : call };
}
function remove(name: string, type: string, outputs: WireMap): Case {
  return { name: `delete: ${name}`, type, call: { call: "delete", inputs: {}, outputs } };
}

const said = "$PULUMI_COMMAND_STDOUT|$PULUMI_COMMAND_STDERR";
const life: WireMap = { create: `echo "c ${said}"`, update: `echo "u ${said}"`, delete: `printf "d ${said}" > <DIR>/out/deleted` };
const state: WireMap = { ...life, stdout: "OUT", stderr: "ERR" };
const file = asset({ path: "one.txt", hash: "2c8b08da5ce60398e1f19af0e5dccc744df274b826abe585eaba68c525434806" });
const copyTo = (remotePath: string, source: WireMap): WireMap => ({ connection, remotePath, source });
const folder = (path: string): WireMap => archive({ path, hash: "f0f0" });

const checks: Case[] = [
  check("nothing", LOCAL, {}),
  check("a field that does not exist", LOCAL, { create: "x", nope: 1 }),
  check("wrong types", LOCAL, { create: 5, environment: { A: 1 }, interpreter: "x", triggers: "x", addPreviousOutputInEnv: "yes" }),
  check("wrong types inside lists", LOCAL, { interpreter: ["sh", 1], assetPaths: "x" }),
  check("logging is not checked", LOCAL, { logging: "bogus" }),
  check("nulls are dropped, empty things are kept", LOCAL, { create: null, environment: {}, triggers: [], assetPaths: [] }),
  check("secrets and unknowns stay where they are", LOCAL, {
    create: sealed("x"),
    environment: { A: sealed("y"), B: UNKNOWN_TEXT },
    triggers: [UNKNOWN_TEXT, sealed(1), { a: [1, null] }],
  }),
  check("unknown as a whole", LOCAL, { create: UNKNOWN_TEXT, environment: UNKNOWN_TEXT, triggers: UNKNOWN_TEXT }),
  check("connection defaults", REMOTE, { create: "x", connection: { host: "h" } }),
  check("connection credentials become secret, the bastion's too", REMOTE, {
    connection: { host: "h", privateKey: "k", privateKeyPassword: "p", proxy: { host: "b", password: sealed("pw"), hostKey: "ssh-ed25519 x" } },
  }),
  check("given connection values are kept", REMOTE, {
    connection: sealed({ host: "h", privateKey: sealed("k"), port: 2222, dialErrorLimit: -1, perDialTimeout: 0, user: "" }),
  }),
  check("no connection", REMOTE, { create: "x" }),
  check("no host", REMOTE, { connection: {} }),
  check("no bastion host", REMOTE, { connection: { host: "h", proxy: { port: 1 } } }),
  check("unknown host", REMOTE, { connection: { host: UNKNOWN_TEXT, password: UNKNOWN_TEXT } }),
  check("wrong types in the connection", REMOTE, { connection: { host: "h", port: "22", foo: 1 }, environment: 4 }),
  check("a secret environment", REMOTE, { connection: { host: "h" }, environment: sealed({ A: "b" }) }),
  check("copy of a file", COPY, { connection: { host: "h" }, remotePath: "/x", source: file }),
  check("copy of a text", COPY, { connection: { host: "h" }, remotePath: "/x", source: asset({ text: "t", hash: "aa" }) }),
  check("copy of a secret file", COPY, { connection: { host: "h" }, remotePath: "/x", triggers: [1], source: sealed(file) }),
  check("copy of a folder", COPY, { connection: { host: "h" }, remotePath: "/x", source: folder("scripts") }),
  check("copy of an archive of assets", COPY, {
    connection: { host: "h" },
    remotePath: "/x",
    source: archive({ assets: { a: asset({ text: "t", hash: "bb" }) }, hash: "cc" }),
  }),
  check("copy from an address", COPY, { connection: { host: "h" }, remotePath: "/x", source: asset({ uri: "http://x", hash: "bb" }) }),
  check("copy of an archive from an address", COPY, { connection: { host: "h" }, remotePath: "/x", source: archive({ uri: "http://x", hash: "bb" }) }),
  check("copy of an unknown source", COPY, { connection: { host: "h" }, remotePath: UNKNOWN_TEXT, source: UNKNOWN_TEXT }),
];

const base: WireMap = { create: "echo hi" };
const diffs: Case[] = [
  diff("the same", LOCAL, base, base),
  diff("create", LOCAL, base, { create: "x" }),
  diff("update is given", LOCAL, base, { ...base, update: "x" }),
  diff("delete is taken away", LOCAL, { ...base, delete: "x" }, base),
  diff("triggers are given", LOCAL, base, { ...base, triggers: [1] }),
  diff("triggers are given, empty", LOCAL, base, { ...base, triggers: [] }),
  diff("triggers are taken away", LOCAL, { ...base, triggers: [1] }, base),
  diff("a trigger changes", LOCAL, { ...base, triggers: [1, "a"] }, { ...base, triggers: [2, "a"] }),
  diff("a trigger is added", LOCAL, { ...base, triggers: [1] }, { ...base, triggers: [1, 2] }),
  diff("a trigger is dropped", LOCAL, { ...base, triggers: [1, 2] }, { ...base, triggers: [1] }),
  diff("inside a trigger", LOCAL, { ...base, triggers: [{ a: 1, "b.c": 1 }] }, { ...base, triggers: [{ a: 2, "b.c": 2 }] }),
  diff("a trigger becomes unknown", LOCAL, { ...base, triggers: [1] }, { ...base, triggers: [UNKNOWN_TEXT] }),
  diff("the triggers become unknown", LOCAL, { ...base, triggers: [1] }, { ...base, triggers: UNKNOWN_TEXT }),
  diff("a secret trigger changes", LOCAL, { ...base, triggers: [sealed(1)] }, { ...base, triggers: [sealed(2)] }),
  diff("secret triggers change", LOCAL, { ...base, triggers: sealed([1]) }, { ...base, triggers: sealed([2]) }),
  diff("triggers and a command", LOCAL, { ...base, triggers: [1] }, { create: "x", triggers: [2] }),
  diff("environment", LOCAL, { ...base, environment: { A: "1", C: "3" } }, { ...base, environment: { A: "2", B: "x" } }),
  diff("environment is taken away", LOCAL, { ...base, environment: { A: "1" } }, base),
  diff("environment is given, empty", LOCAL, base, { ...base, environment: {} }),
  diff("every other input", LOCAL, base, {
    ...base,
    stdin: "a",
    logging: "none",
    interpreter: ["sh"],
    dir: "/",
    assetPaths: ["a"],
    archivePaths: ["a"],
    addPreviousOutputInEnv: false,
  }),
  diff("the same secret", LOCAL, { create: sealed("a") }, { create: sealed("a") }),
  diff("a secret changes", LOCAL, { create: sealed("a") }, { create: sealed("b") }),
  diff("secret to plain", LOCAL, { create: sealed("a") }, { create: "a" }),
  diff("plain to secret", LOCAL, { create: "a" }, { create: sealed("a") }),
  diff("unknown command", LOCAL, base, { create: UNKNOWN_TEXT }),
  diff("an unknown command is given", LOCAL, {}, { create: UNKNOWN_TEXT }),
  diff("ignored", LOCAL, base, { create: "x" }, ["create"]),
  diff("connection", REMOTE, { ...base, connection: sealed({ host: "a" }) }, { ...base, connection: sealed({ host: "b" }) }),
  diff("connection key", REMOTE, { connection: sealed({ host: "a", privateKey: sealed("a") }) }, { connection: sealed({ host: "a", privateKey: sealed("b") }) }),
  diff("the same connection", REMOTE, { connection: sealed({ host: "a", privateKey: sealed("a") }) }, { connection: sealed({ host: "a", privateKey: sealed("a") }) }),
  diff("another file of the same content", COPY, copyTo("/x", asset({ path: "a", hash: "1" })), copyTo("/x", asset({ path: "b", hash: "1" }))),
  diff("a file of other content", COPY, copyTo("/x", asset({ path: "a", hash: "1" })), copyTo("/x", asset({ path: "a", hash: "2" }))),
  diff("a folder instead of a file, elsewhere", COPY, copyTo("/x", asset({ path: "a", hash: "1" })), copyTo("/y", archive({ path: "a", hash: "1" }))),
];

const previews: Case[] = [
  create("a command", LOCAL, { create: "echo hi", triggers: [1] }, true),
  create("a secret command with files", LOCAL, { create: sealed("x"), environment: { A: sealed("b") }, assetPaths: ["*"] }, true),
  create("a remote command", REMOTE, { create: "x", connection }, true),
  create("a remote command with an unknown part", REMOTE, { create: UNKNOWN_TEXT, connection, environment: { A: UNKNOWN_TEXT } }, true),
  create("a copy", COPY, copyTo("/x", file), true),
  update("nothing changes", LOCAL, state, life, true),
  update("create changes", LOCAL, state, { ...life, create: "x" }, true),
  update("triggers are given", LOCAL, state, { ...life, triggers: [1] }, true),
  update("an input is taken away", LOCAL, state, { create: life["create"] ?? "" }, true),
  update("create becomes unknown", LOCAL, state, { ...life, create: UNKNOWN_TEXT }, true),
  update("an unknown input is given", LOCAL, state, { ...life, stdin: UNKNOWN_TEXT }, true),
  update("a command with files changes", LOCAL, { ...state, assetPaths: ["*"], assets: { a: asset({ path: "/a", hash: "1" }) } }, { create: "x", assetPaths: ["*"] }, true),
  update("a copy changes", COPY, copyTo("/x", file), copyTo("/y", file), true),
];

const locals: Case[] = [
  create("output on both streams", LOCAL, { create: "echo hi; echo err >&2" }),
  create("one line end is dropped, not more", LOCAL, { create: "printf 'x\\n\\n'; printf 'e\\r\\n' >&2" }),
  create("no command", LOCAL, { triggers: [1] }),
  create("empty things are kept", LOCAL, { create: "cat", stdin: "", environment: {}, triggers: [], interpreter: [] }),
  create("standard input", LOCAL, { create: "cat", stdin: "a\nb\n" }),
  create("environment", LOCAL, { create: "echo $A$B", environment: { A: "1 2", B: sealed("three") } }),
  create("output of a secret command stays plain", LOCAL, { create: sealed("echo hi"), environment: sealed({ A: "b" }) }),
  create("interpreter", LOCAL, { create: "echo 1", interpreter: ["/bin/sh", "-c", 'echo "$0"; eval "$0"'] }),
  create("working directory is the program's", LOCAL, { create: "pwd" }),
  create("a relative dir", LOCAL, { create: "pwd; ls", dir: "scripts" }),
  create("logs stdout", LOCAL, { create: "echo o; echo e >&2", logging: "stdout" }),
  create("logs stderr", LOCAL, { create: "echo o; echo e >&2", logging: "stderr" }),
  create("logs both", LOCAL, { create: "echo o; echo e >&2", logging: "stdoutAndStderr" }),
  create("logs nothing", LOCAL, { create: "echo o; echo e >&2", logging: "none" }),
  create("logs nothing for a word it does not know", LOCAL, { create: "echo o", logging: "bogus" }),
  create("fails", LOCAL, { create: "echo out; sleep 0.1; echo err >&2; exit 7" }),
  create("is killed", LOCAL, { create: "kill -9 $$" }),
  create("is terminated", LOCAL, { create: "kill -15 $$" }),
  create("no such directory", LOCAL, { create: "true", dir: "/nope" }),
  create("no such interpreter", LOCAL, { create: "true", interpreter: ["/nope/x"] }),
  create("no such interpreter on the path", LOCAL, { create: "true", interpreter: ["nope-x"] }),
  create("files", LOCAL, {
    create: "mkdir -p d/e; echo 1 >d/a.txt; echo 2 >d/e/b.txt; echo 3 >d/.h; echo 4 >top",
    dir: "<DIR>/work",
    assetPaths: ["d/*", "!d/.h"],
    archivePaths: ["**", "!d/?.txt"],
  }),
  create("files by classes and alternatives", LOCAL, {
    create: "touch a1 a2 b1 c1 'x[y]' 'k,l'",
    dir: "<DIR>/work",
    assetPaths: ["[ab]?", "!a[!1]", "{c1,k*}", "x\\[*"],
  }),
  create("no files found", LOCAL, { create: "true", dir: "<DIR>/work", assetPaths: ["zz"], archivePaths: ["zz"] }),
  create("the hash of an archive with long and foreign names", LOCAL, {
    create:
      'l=$(printf "%090d" 7); mkdir -p $l/$l "d/ü"; echo 1 > $l/$l/x; echo 2 > $l/12345678901; echo 3 > "d/ü/ö"; ' +
      'printf "%0600d" 5 > big; : > empty; n=$(printf "%0150d" 9); echo 4 > $n; mkdir a; echo 5 > a/b; echo 6 > a.b',
    dir: "<DIR>/work",
    archivePaths: ["**"],
  }),
  update("runs update with the earlier output", LOCAL, state, { ...life, triggers: [1] }),
  update("runs create where update is not given", LOCAL, state, { create: life["create"] ?? "" }),
  update("without the earlier output", LOCAL, state, { ...life, addPreviousOutputInEnv: false }),
  update("nothing to run keeps the earlier output", LOCAL, state, { triggers: [1] }),
  update("earlier empty output is not passed on", LOCAL, { ...life, stdout: "", stderr: "" }, { create: "echo ${PULUMI_COMMAND_STDOUT-none}" }),
  update("a secret earlier output", LOCAL, { ...state, stdout: sealed("OUT") }, { ...life, triggers: [1] }),
  update("earlier files are kept", LOCAL, { ...state, assets: { a: asset({ path: "/a", hash: "1" }) } }, { create: "true" }),
  update("fails", LOCAL, state, { create: "echo x; exit 3" }),
  remove("runs delete with the earlier output", LOCAL, state),
  remove("without a delete command", LOCAL, { ...base, stdout: "OUT", stderr: "" }),
  remove("fails", LOCAL, { ...state, delete: "echo bad >&2; exit 3" }),
];

const remoteState: WireMap = { ...state, connection };
const remotes: Case[] = [
  create("output on both streams", REMOTE, { connection, create: "echo hi; echo err >&2" }),
  create("one line end is dropped, not more", REMOTE, { connection, create: "printf 'x\\n\\n'; printf 'e\\r\\n' >&2" }),
  create("no command", REMOTE, { connection }),
  create("standard input", REMOTE, { connection, create: "cat", stdin: "a\nb\n" }),
  create("through a bastion", REMOTE, { connection: throughBastion, create: "echo there" }),
  create("an accepted environment", REMOTE, { connection, create: "echo $ALLOWED_A", environment: { ALLOWED_A: "1 2" } }),
  create("logs stderr", REMOTE, { connection, create: "echo o; echo e >&2", logging: "stderr" }),
  create("fails", REMOTE, { connection, create: "echo out; sleep 0.1; echo err >&2; exit 7" }),
  update("runs update with the earlier output", REMOTE, remoteState, { ...life, connection, triggers: [1] }),
  update("runs create where update is not given", REMOTE, remoteState, { connection, create: life["create"] ?? "" }),
  update("without the earlier output", REMOTE, remoteState, { ...life, connection, addPreviousOutputInEnv: false }),
  update("nothing to run keeps the earlier output", REMOTE, remoteState, { connection, triggers: [1] }),
  remove("runs delete with the earlier output", REMOTE, remoteState),
  remove("fails", REMOTE, { ...remoteState, delete: "echo bad >&2; exit 3" }),
];

const copies: Case[] = [
  create("a file to a new path", COPY, copyTo("<DIR>/out/a/b/new", file)),
  create("a file onto a file", COPY, copyTo("<DIR>/out/file", file)),
  create("a file into a folder", COPY, copyTo("<DIR>/out/folder", file)),
  create("a text to a new path", COPY, copyTo("<DIR>/out/a/new", asset({ text: "grüße", hash: "aa" }))),
  create("a text onto a folder", COPY, copyTo("<DIR>/out/folder", asset({ text: "x", hash: "aa" }))),
  create("a folder to a new path", COPY, copyTo("<DIR>/out/a/new", folder("scripts"))),
  create("a folder into a folder", COPY, copyTo("<DIR>/out/folder", folder("scripts"))),
  create("a folder's content to a new path", COPY, copyTo("<DIR>/out/a/new", folder("scripts/"))),
  create("a folder's content into a folder", COPY, copyTo("<DIR>/out/folder", folder("./scripts/"))),
  create("a folder's content onto a file", COPY, copyTo("<DIR>/out/file", folder("scripts/"))),
  create("a packed file is not unpacked", COPY, copyTo("<DIR>/out/a.txt", archive({ path: "<DIR>/program/one.txt", hash: "aa" }))),
  update("nothing is copied where content and path are the same", COPY, copyTo("<DIR>/out/x", file), { ...copyTo("<DIR>/out/x", file), triggers: [1] }),
  update("a new path is copied to, the old one stays", COPY, copyTo("<DIR>/out/file", file), copyTo("<DIR>/out/y", file)),
  update("new content is copied", COPY, copyTo("<DIR>/out/file", asset({ path: "one.txt", hash: "old" })), copyTo("<DIR>/out/file", file)),
  remove("a copy leaves the file", COPY, copyTo("<DIR>/out/file", file)),
];

export const CASES: Case[] = [...checks, ...diffs, ...previews, ...locals, ...remotes, ...copies].map((item) => ({
  ...item,
  name: `${item.type.replace("command:", "")} ${item.name}`,
}));
