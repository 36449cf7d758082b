import { existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import * as fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { CommandProvider, withHashes } from "../../../engine/providers/command";
import { redactor } from "../../../engine/providers/command/redact";
import { AuthenticationError, HostKeyError, HostUnreachableError } from "../../../engine/providers/command/ssh";
import type { ProviderLog } from "../../../engine/providers/provider";
import { Archive, Asset, Secret, UNKNOWN } from "../../../engine/values";
import type { PropertyMap } from "../../../engine/values";
import { answer, startFakeHost } from "./fake-host";
import type { FakeHost, OnCommand } from "./fake-host";
import { freePort, makeKey, temporaryFolder } from "./sshd";
import type { KeyPair } from "./sshd";

const LOCAL = "command:local:Command";
const REMOTE = "command:remote:Command";
const COPY = "command:remote:CopyToRemote";

let folder: string;
let hostKey: KeyPair;
let provider: CommandProvider;

beforeAll(() => {
  delete process.env["SSH_AUTH_SOCK"];
  folder = temporaryFolder();
  hostKey = makeKey(folder, "host");
  provider = new CommandProvider({ programDir: folder });
});
afterAll(() => {
  provider.close();
  rmSync(folder, { recursive: true, force: true });
});

interface Told {
  lines: string[];
  log: ProviderLog;
}
function listener(): Told {
  const lines: string[] = [];
  return { lines, log: (severity, message) => lines.push(`${severity}: ${message}`) };
}

function create(type: string, inputs: PropertyMap, extra: { signal?: AbortSignal; timeoutSeconds?: number; log?: ProviderLog } = {}): Promise<{ id: string; outputs: PropertyMap }> {
  const urn = `urn:pulumi:dev::rack::rackwright:servers:Server$${type}::gpu-01::base`;
  const step = { signal: new AbortController().signal, log: listener().log, ...extra };
  return provider.create({ urn, type, inputs, preview: false, ...step });
}

async function failure(work: Promise<unknown>): Promise<Error> {
  const outcome = await work.then(
    () => undefined,
    (error: unknown) => error,
  );
  if (outcome instanceof Error) return outcome;
  throw new Error("expected a failure");
}

async function onHost<T>(onCommand: OnCommand, work: (host: FakeHost, connection: PropertyMap) => Promise<T>, acceptsEnvironment: string[] = []): Promise<T> {
  const host = await startFakeHost({ hostKey, onCommand, acceptsEnvironment });
  const connection: PropertyMap = { host: "127.0.0.1", port: host.port, user: "operator", hostKey: hostKey.publicKey, dialErrorLimit: 0, perDialTimeout: 5 };
  try {
    return await work(host, connection);
  } finally {
    await host.stop();
  }
}

describe("what is covered", () => {
  it("is three resource types, and others are refused by name", async () => {
    expect([LOCAL, REMOTE, COPY].map((type) => provider.supports(type))).toEqual([true, true, true]);
    expect(["command:remote:CopyFile", "command:local:run", "toString"].map((type) => provider.supports(type))).toEqual([false, false, false]);
    const check = provider.check({ urn: "u", type: "command:remote:CopyFile", news: {} });
    expect((await failure(check)).message).toContain("command:remote:CopyFile is not covered by the embedded engine");
  });

  it("makes ids from the resource's name and eight random digits, and never the same twice", async () => {
    const ids = await Promise.all([1, 2, 3].map(async () => (await create(LOCAL, {})).id));
    for (const id of ids) expect(id).toMatch(/^gpu-01::base[0-9a-f]{8}$/);
    expect(new Set(ids).size).toBe(3);
  });

  it("reads back what is known", async () => {
    const step = { urn: "u", type: LOCAL, id: "x", signal: new AbortController().signal, log: listener().log };
    const known = { inputs: { create: "a" }, outputs: { create: "a", stdout: "b" } };
    expect(await provider.read({ ...step, ...known })).toEqual({ id: "x", ...known });
  });
});

describe("local commands", () => {
  it("return exactly what was written, less one line end", async () => {
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: "binary", maxLength: 2_000, size: "max" }), async (text) => {
        const { outputs } = await create(LOCAL, { create: "cat; cat >&2 </dev/null", stdin: text, logging: "none" });
        expect(outputs["stdout"]).toBe(text.endsWith("\n") ? text.slice(0, -1) : text);
      }),
      { numRuns: 10 },
    );
  });

  it("end with everything they started when they are aborted", async () => {
    const pids = join(folder, "pids");
    const stop = new AbortController();
    const command = `sh -c 'echo $$ >> ${pids}; while :; do sleep 0.05; done' & echo $$ >> ${pids}; echo on; wait`;
    const log: ProviderLog = (_severity, line) => {
      if (line === "on") stop.abort(new Error("stopped by the operator"));
    };
    expect((await failure(create(LOCAL, { create: command }, { signal: stop.signal, log }))).message).toBe("stopped by the operator");
    const running = readFileSync(pids, "utf8").trim().split("\n");
    for (const pid of running) expect(existsSync(`/proc/${pid}`) && !readFileSync(`/proc/${pid}/stat`, "utf8").includes(") Z ")).toBe(false);
  });

  it("do not start when the run is already stopped", async () => {
    const marker = join(folder, "never");
    const error = await failure(create(LOCAL, { create: `touch ${marker}` }, { signal: AbortSignal.abort(new Error("no more")) }));
    expect(error.message).toBe("no more");
    expect(existsSync(marker)).toBe(false);
  });

  it("are held to customTimeouts", async () => {
    const error = await failure(create(LOCAL, { create: "sleep 30" }, { timeoutSeconds: 0.1 }));
    expect(error.message).toBe("stopped after 0.1 s, the limit that customTimeouts sets");
  });

  it("repeat only the end of a long output in an error", async () => {
    const error = await failure(create(LOCAL, { create: "seq 1 5000; exit 4", logging: "none" }));
    expect(error.message.startsWith('exit status 4: running "seq 1 5000; exit 4":\n(… the beginning is left out)\n')).toBe(true);
    expect(error.message.endsWith("4999\n5000\n")).toBe(true);
    expect(error.message.split("\n").length).toBeLessThan(50);
  });
});

describe("remote commands", () => {
  it("share a connection, and are refused where the host does not take their environment", async () => {
    await onHost(
      (command, channel) => answer(channel, command),
      async (host, connection) => {
        await Promise.all(["a", "b", "c"].map((command) => create(REMOTE, { connection: new Secret(connection), create: command })));
        expect(host.connections()).toBe(1);
        const inputs = { connection: new Secret(connection), create: "d", environment: { TAKEN: "1", REFUSED: "2" } };
        const error = await failure(create(REMOTE, inputs));
        expect(error.message).toContain('could not set environment variable "REFUSED": 127.0.0.1');
        expect(error.message).toContain("AcceptEnv");
        expect(host.commands).toEqual(["a", "b", "c"]);
      },
      ["TAKEN"],
    );
  });

  it("run without the earlier output where the host does not take it, with a warning", async () => {
    await onHost(
      (_command, channel) => answer(channel, "done"),
      async (_host, connection) => {
        const told = listener();
        const inputs = { connection: new Secret(connection), create: "x" };
        const { outputs } = await provider.update({
          urn: "urn:pulumi:dev::rack::t::n",
          type: REMOTE,
          id: "n1",
          oldInputs: inputs,
          oldOutputs: { ...inputs, stdout: "earlier", stderr: "" },
          newInputs: { ...inputs, update: "y" },
          preview: false,
          signal: new AbortController().signal,
          log: told.log,
        });
        expect(outputs["stdout"]).toBe("done");
        expect(told.lines[0]).toMatch(/^warning: Unable to set 'PULUMI_COMMAND_STDOUT'\. 127\.0\.0\.1.*AcceptEnv/);
        expect(told.lines.slice(1)).toEqual(["info: done"]);
      },
    );
  });

  it("tell an unreachable host from a refused login and from a wrong key", async () => {
    const at = async (port: number, changes: PropertyMap): Promise<Error> => {
      const connection = { host: "127.0.0.1", port, dialErrorLimit: 0, hostKey: hostKey.publicKey, ...changes };
      return failure(create(REMOTE, { connection: new Secret(connection), create: "x" }));
    };
    expect(await at(await freePort(), {})).toBeInstanceOf(HostUnreachableError);
    const host = await startFakeHost({ hostKey, onLogin: (context) => context.reject(["publickey"]), onCommand: () => undefined });
    expect(await at(host.port, {})).toBeInstanceOf(AuthenticationError);
    expect(await at(host.port, { hostKey: makeKey(folder, "other").publicKey })).toBeInstanceOf(HostKeyError);
    await host.stop();
  });

  it("report dials that are repeated", async () => {
    const told = listener();
    const connection = { host: "127.0.0.1", port: await freePort(), dialErrorLimit: 1 };
    await failure(create(REMOTE, { connection: new Secret(connection), create: "x" }, { log: told.log }));
    expect(told.lines).toEqual(["info: Dial 1/1 failed: retrying"]);
  });
});

describe("sources", () => {
  const checked = async (source: Asset | Archive): Promise<{ source: unknown; failures: { property: string; reason: string }[] }> => {
    const { inputs, failures } = await provider.check({ urn: "u", type: COPY, news: { connection: { host: "h" }, remotePath: "/x", source } });
    return { source: inputs["source"], failures };
  };

  it("get Pulumi's hashes where the program gave none", async () => {
    mkdirSync(join(folder, "tree", "a"), { recursive: true });
    mkdirSync(join(folder, "tree", ".pulumi"));
    writeFileSync(join(folder, "tree", "a", "b"), "1\n");
    writeFileSync(join(folder, "tree", "a.b"), "2\n");
    writeFileSync(join(folder, "tree", ".pulumi", "left-out"), "");
    symlinkSync("a", join(folder, "tree", "to-folder"));
    symlinkSync("a.b", join(folder, "tree", "to-file"));
    writeFileSync(join(folder, "packed.tgz"), "not even packed");
    const file = new Asset("", { path: "tree/a/b" });
    const tree = new Archive("", { path: "tree" });
    const hash = async (source: Asset | Archive): Promise<string> => {
      const hashed = await withHashes(source, folder);
      return hashed instanceof Asset || hashed instanceof Archive ? hashed.hash : "";
    };
    expect((await checked(file)).source).toEqual(new Asset(await hash(file), file.source));
    // Those of folders and archives were computed by Pulumi's own Go SDK (archive.FromPath, archive.FromAssets), 3.224.0.
    expect(await hash(file)).toBe("4355a46b19d348dc2f57c046f8ef63d4538ebb936000f3c9ee954a27460dd865");
    expect(await hash(new Asset("", { text: "" }))).toBe("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    expect(await hash(tree)).toBe("311a347d457641ee9dbbe9fc833d1e8fdcb35eedc4ba5014913578ee36694d7e");
    expect(await hash(new Archive("", { path: "packed.tgz" }))).toBe("a70e5f804625e300899690bbb8e94777e0eb28b92bbee263f532807356addf05");
    const assets = { "z.txt": new Asset("", { text: "deep\n" }), lib: tree, a: new Asset("", { path: "tree/a.b" }) };
    expect(await hash(new Archive("", { assets }))).toBe("6f1a349af245e4fbce6779fc42cfbe8245fe134b228b0002690d08d5be5da6f0");
  });

  it("keep a hash that is known and an unknown value", async () => {
    expect((await checked(new Asset("known", { path: "missing" }))).source).toEqual(new Asset("known", { path: "missing" }));
  });

  it("are refused where they cannot be read", async () => {
    const missing = await checked(new Asset("", { path: "missing" }));
    expect(missing.failures).toEqual([{ property: "source", reason: expect.stringContaining("missing") as string }]);
    const file = await checked(new Archive("", { path: "tree/a.b" }));
    expect(file.failures[0]?.reason).toContain("neither a recognized archive type nor a directory");
  });
});

describe("secrets", () => {
  const secret = 'correct "horse"\nbattery staple';

  it("are in no line and no message", async () => {
    const told = listener();
    const inputs = {
      create: new Secret(`printf '%s' "$PASS"; printf '%s' "$PASS" >&2; : ${secret.replaceAll("\n", " ")}; exit 3`),
      environment: { PASS: new Secret(secret) },
    };
    const error = await failure(create(LOCAL, inputs, { log: told.log }));
    const everything = [error.message, error.stack ?? "", ...told.lines].join("\n");
    for (const part of ["horse", "battery"]) expect(everything).not.toContain(part);
    expect(error.message).toContain('exit status 3: running "[secret]"');
  });

  it("stay hidden where an error is cut short in the middle of one", async () => {
    const long = "s3cr3t-".repeat(2_000);
    const error = await failure(create(LOCAL, { create: 'echo "$PASS"; exit 3', logging: "none", environment: { PASS: new Secret(long) } }));
    expect(error.message).not.toContain("s3cr3t");
  });

  it("of a connection are its credentials, not its address", () => {
    const connection = { host: "gpu-01", user: "root", password: new Secret("hunter22"), port: 22 };
    const redact = redactor({ connection: new Secret(connection), create: new Secret("make all") });
    expect(redact("root@gpu-01:22 hunter22 make all")).toBe("root@gpu-01:22 [secret] [secret]");
  });

  it("of one or two characters are left, and unknown ones do no harm", () => {
    expect(redactor({ a: new Secret("1"), b: new Secret(UNKNOWN), c: new Secret(["abc", 1234]) })("1 12 abc 1234")).toBe("1 12 [secret] [secret]");
  });

  it("that are masked never show, whatever they and the text are", () => {
    fc.assert(
      fc.property(fc.string({ minLength: 3, maxLength: 20 }), fc.string(), fc.string(), (hidden, before, after) => {
        fc.pre(!"[secret]".includes(hidden) && !hidden.includes("[secret]"));
        const shown = redactor({ a: new Secret(hidden) })(`${before}${hidden}${after}`);
        expect(shown).toContain("[secret]");
      }),
    );
  });
});
