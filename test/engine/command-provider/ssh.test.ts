import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { rmSync, writeFileSync } from "node:fs";
import { randomBytes } from "node:crypto";
import { createServer } from "node:net";
import { join } from "node:path";
import { PassThrough, Readable, Writable } from "node:stream";
import { buffer } from "node:stream/consumers";
import * as fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  AuthenticationError,
  ConnectionError,
  ConnectionLostError,
  ConnectionSettingsError,
  HostKeyError,
  HostUnreachableError,
  openConnection,
} from "../../../engine/providers/command/ssh";
import type { SshConnection, SshConnectionSettings } from "../../../engine/providers/command/ssh";
import { describeKey, parseHostKey } from "../../../engine/providers/command/host-key";
import { endProcess, freePort, makeKey, startSshd, temporaryFolder } from "./sshd";
import type { KeyPair, Sshd } from "./sshd";

let folder: string;
let key: KeyPair;
let locked: KeyPair;
let stranger: KeyPair;
let host: Sshd;
let bastion: Sshd;
let settings: SshConnectionSettings;

beforeAll(async () => {
  delete process.env["SSH_AUTH_SOCK"];
  folder = temporaryFolder();
  key = makeKey(folder, "key");
  locked = makeKey(folder, "locked", { password: "open sesame" });
  stranger = makeKey(folder, "stranger");
  host = await startSshd([key.publicKey, locked.publicKey]);
  bastion = await startSshd([key.publicKey]);
  settings = { host: "127.0.0.1", port: host.port, user: host.user, privateKey: key.privateKey, hostKey: host.hostKey, dialErrorLimit: 0 };
});

afterAll(async () => {
  await host.stop();
  await bastion.stop();
  rmSync(folder, { recursive: true, force: true });
});

async function connected<T>(given: SshConnectionSettings, work: (connection: SshConnection) => Promise<T>): Promise<T> {
  const connection = await openConnection(given);
  try {
    return await work(connection);
  } finally {
    connection.close();
  }
}

async function failure(work: Promise<unknown>): Promise<Error> {
  try {
    await work;
  } catch (error) {
    if (error instanceof Error) return error;
    throw error;
  }
  throw new Error("expected a failure");
}

describe("exec", () => {
  it("returns exit status, stdout and stderr apart and in order of arrival", async () => {
    const result = await connected(settings, (c) => c.exec("echo one; sleep 0.1; echo two >&2; exit 7"));
    expect(result).toEqual({ code: 7, stdout: "one\n", stderr: "two\n", output: "one\ntwo\n" });
  });

  it("names the signal that ended a command", async () => {
    const result = await connected(settings, (c) => c.exec("kill -KILL $$"));
    expect({ code: result.code, signal: result.signal }).toEqual({ code: null, signal: "KILL" });
  });

  it("gives standard input and closes it", async () => {
    const big = "x".repeat(3_000_000);
    const result = await connected(settings, (c) => c.exec("wc -c", { stdin: big }));
    expect(result.stdout.trim()).toBe("3000000");
    expect((await connected(settings, (c) => c.exec("cat; echo end"))).stdout).toBe("end\n");
  });

  it("returns exactly the text that the command wrote, whatever it is", async () => {
    await connected(settings, (c) =>
      fc.assert(
        fc.asyncProperty(fc.string({ unit: "binary", minLength: 1_000, maxLength: 20_000, size: "max" }), async (text) => {
          const result = await c.exec("cat; cat /dev/null >&2", { stdin: text });
          expect(result.stdout).toBe(text);
          expect(result.stderr).toBe("");
        }),
        { numRuns: 6 },
      ),
    );
  });

  it("hands out lines as they arrive, a character cut in two included", async () => {
    const lines: string[] = [];
    const seen = join(folder, "seen");
    const command = `printf 'a\\r\\nb\\303'; until [ -e ${seen} ]; do sleep 0.02; done; printf '\\274c\\n\\nlast'`;
    await connected(settings, (c) =>
      c.exec(command, {
        onStdout: (line) => {
          if (lines.length === 0) writeFileSync(seen, "");
          lines.push(line);
        },
      }),
    );
    expect(lines).toEqual(["a", "büc", "", "last"]);
  });

  it("runs more commands at once than the host allows sessions, by waiting", async () => {
    const results = await connected(settings, (c) =>
      Promise.all(Array.from({ length: 24 }, (_, i) => c.exec(`sleep 0.05; echo ${String(i)}`))),
    );
    expect(results.map((result) => result.stdout.trim())).toEqual(Array.from({ length: 24 }, (_, i) => String(i)));
  });

  it("waits for room where the host allows fewer sessions than usual", async () => {
    const narrow = await startSshd([key.publicKey], { extra: ["MaxSessions 2"] });
    const given = { ...settings, port: narrow.port, hostKey: narrow.hostKey };
    const results = await connected(given, (c) => Promise.all(Array.from({ length: 10 }, (_, i) => c.exec(`sleep 0.05; echo ${String(i)}`))));
    expect(results.map((result) => result.stdout.trim())).toEqual(Array.from({ length: 10 }, (_, i) => String(i)));
    await narrow.stop();
  });

  it("says so where the host allows none", async () => {
    const closed = await startSshd([key.publicKey], { extra: ["MaxSessions 0"] });
    const given = { ...settings, port: closed.port, hostKey: closed.hostKey };
    const error = await failure(connected(given, (c) => c.exec("true")));
    expect(error.message).toBe(`127.0.0.1:${String(closed.port)} opens no session for commands; see MaxSessions and its sshd's log`);
    await closed.stop();
  });

  it("tells which environment variables the host takes", async () => {
    await connected(settings, async (c) => {
      const accepted = await c.acceptsEnvironment(["ALLOWED_ONE", "REFUSED"]);
      expect([...accepted]).toEqual(["ALLOWED_ONE"]);
      const { stdout } = await c.exec('echo "$ALLOWED_ONE|$REFUSED"', { env: { ALLOWED_ONE: "a b", REFUSED: "c" } });
      expect(stdout).toBe("a b|\n");
    });
  });

  it("closes an aborted command's channel, which ends it at its next line, and keeps the connection", async () => {
    const stop = new AbortController();
    const marker = join(folder, "ended");
    const command = `trap '' PIPE TERM; while echo on; do sleep 0.05; done 2>/dev/null; echo closed > ${marker}`;
    await connected(settings, async (c) => {
      const running = c.exec(command, {
        signal: stop.signal,
        graceMilliseconds: 100,
        onStdout: () => stop.abort(new Error("stopped by the operator")),
      });
      expect((await failure(running)).message).toBe("stopped by the operator");
      const waiting = await c.exec(`until [ -s ${marker} ]; do sleep 0.05; done; cat ${marker}`);
      expect(waiting.stdout).toBe("closed\n");
    });
  });

  it("does not start a command that was aborted before", async () => {
    const marker = join(folder, "never");
    await connected(settings, async (c) => {
      const error = await failure(c.exec(`touch ${marker}`, { signal: AbortSignal.abort(new Error("no more")) }));
      expect(error.message).toBe("no more");
      expect((await c.exec(`ls ${marker}`)).code).not.toBe(0);
    });
  });
});

describe("stream", () => {
  it("passes bytes both ways as they are, however many", async () => {
    const bytes = randomBytes(3_000_000);
    await connected(settings, async (connection) => {
      const through = new PassThrough();
      const [out, result] = await Promise.all([buffer(through), connection.stream("cat; echo done >&2", { input: Readable.from([bytes.subarray(0, 7), bytes.subarray(7)]), output: through })]);
      expect(out.equals(bytes)).toBe(true);
      expect(result).toEqual({ code: 0, stderr: "done\n" });
    });
  });

  it("judges a command that does not read its input by how it ended", async () => {
    await connected(settings, async (connection) => {
      const endless = new Readable({ read: function read() { this.push(Buffer.alloc(65_536)); } });
      expect(await connection.stream("head -c 5 >/dev/null; exit 7", { input: endless })).toEqual({ code: 7, stderr: "" });
      expect(await connection.exec("echo still here")).toMatchObject({ code: 0, stdout: "still here\n" });
    });
  });

  it("fails with what broke here: the source or the target", async () => {
    await connected(settings, async (connection) => {
      const source = new Readable({ read: function read() { this.destroy(new Error("the disk cannot be read")); } });
      await expect(connection.stream("cat >/dev/null", { input: source })).rejects.toThrow("the disk cannot be read");
      const target = new Writable({ write: (_bytes, _encoding, done) => done(new Error("the disk is full")) });
      await expect(connection.stream("cat /dev/zero", { output: target })).rejects.toThrow("the disk is full");
      expect(await connection.exec("echo still here")).toMatchObject({ code: 0 });
    });
  });

  it("ends when it is aborted", async () => {
    await connected(settings, async (connection) => {
      const stop = new AbortController();
      const running = connection.stream("cat /dev/zero", { signal: stop.signal });
      setTimeout(() => stop.abort(), 100);
      await expect(running).rejects.toThrow();
      expect(await connection.exec("echo still here")).toMatchObject({ code: 0 });
    });
  });
});

describe("listen", () => {
  it("hands out what connects to the host's loopback, until the connection is closed", async () => {
    let port = 0;
    await connected(settings, async (connection) => {
      port = await connection.listen((stream) => stream.end("from here\n"));
      expect(await connection.exec(`exec 3<>/dev/tcp/127.0.0.1/${port}; cat <&3`.replace(/^/, "bash -c '").concat("'"))).toMatchObject({ code: 0, stdout: "from here\n" });
    });
    await connected(settings, async (connection) => expect((await connection.exec(`bash -c 'exec 3<>/dev/tcp/127.0.0.1/${port}'`)).code).not.toBe(0));
  });
});

describe("login", () => {
  it("opens an encrypted key with its password", async () => {
    const given = { ...settings, privateKey: locked.privateKey, privateKeyPassword: "open sesame" };
    expect((await connected(given, (c) => c.exec("echo in"))).stdout).toBe("in\n");
  });

  it.each([
    ["without its password", undefined, "encrypted"],
    ["with a wrong one", "wrong", "privateKeyPassword does not open it"],
  ])("refuses an encrypted key %s before it dials", async (_case, password, reason) => {
    const given = { ...settings, port: 1, privateKey: locked.privateKey, ...(password === undefined ? {} : { privateKeyPassword: password }) };
    const error = await failure(openConnection(given));
    expect(error).toBeInstanceOf(ConnectionSettingsError);
    expect(error.message).toContain(reason);
  });

  it("refuses a text that is no key, and a public key", async () => {
    expect((await failure(openConnection({ ...settings, privateKey: "hunter2" }))).message).toContain("not a private key");
    const error = await failure(openConnection({ ...settings, privateKey: key.publicKey }));
    expect(error.message).toContain("public key");
  });

  it("logs in with an agent's key, by path and by environment", async () => {
    const socket = join(folder, "agent");
    const agent: ChildProcess = spawn("ssh-agent", ["-D", "-a", socket], { stdio: ["ignore", "pipe", "ignore"] });
    try {
      await new Promise((resolve) => agent.stdout?.once("data", resolve));
      const adding = spawn("ssh-add", [key.file], { env: { ...process.env, SSH_AUTH_SOCK: socket }, stdio: "ignore" });
      await new Promise((resolve) => adding.once("exit", resolve));
      const { privateKey: _none, ...keyless } = settings;
      expect((await connected({ ...keyless, agentSocketPath: socket }, (c) => c.exec("echo in"))).stdout).toBe("in\n");
      process.env["SSH_AUTH_SOCK"] = socket;
      expect((await connected(keyless, (c) => c.exec("echo in"))).stdout).toBe("in\n");
    } finally {
      delete process.env["SSH_AUTH_SOCK"];
      await endProcess(agent);
    }
  });

  it("refuses an agent that does not answer only where it was asked for", async () => {
    const error = await failure(openConnection({ ...settings, agentSocketPath: join(folder, "nobody") }));
    expect(error).toBeInstanceOf(ConnectionSettingsError);
    process.env["SSH_AUTH_SOCK"] = join(folder, "nobody");
    try {
      expect((await connected(settings, (c) => c.exec("echo in"))).stdout).toBe("in\n");
    } finally {
      delete process.env["SSH_AUTH_SOCK"];
    }
  });

  it("says who was refused and what was offered, and never the key", async () => {
    const waits: number[] = [];
    const wait = (milliseconds: number): Promise<void> => {
      waits.push(milliseconds);
      return Promise.resolve();
    };
    const error = await failure(openConnection({ ...settings, privateKey: stranger.privateKey, dialErrorLimit: 10 }, { wait }));
    expect(error).toBeInstanceOf(AuthenticationError);
    expect(error.message).toContain(`refused user ${host.user}; offered: a private key (after 3 failed attempts)`);
    expect(error.message).not.toContain("PRIVATE KEY");
    expect(waits).toEqual([5_000, 5_000, 5_000]);
  });
});

describe("host key", () => {
  it.each(["ed25519", "ecdsa", "rsa"] as const)("accepts the right %s key", async (type) => {
    const server = await startSshd([key.publicKey], { hostKeyType: type });
    try {
      const given = { ...settings, port: server.port, hostKey: server.hostKey };
      expect((await connected(given, (c) => c.exec("echo in"))).stdout).toBe("in\n");
    } finally {
      await server.stop();
    }
  });

  it("refuses another key at once, naming host, both fingerprints and what to do", async () => {
    let retries = 0;
    const error = await failure(
      openConnection({ ...settings, hostKey: stranger.publicKey, dialErrorLimit: 10 }, { onRetry: () => retries++ }),
    );
    expect(error).toBeInstanceOf(HostKeyError);
    const print = (text: string): string => describeKey(parseHostKey(text)?.blob ?? Buffer.alloc(0));
    expect(error.message).toContain(`127.0.0.1:${String(host.port)}`);
    expect(error.message).toContain(`expected: ${print(stranger.publicKey)}`);
    expect(error.message).toContain(`shown:    ${print(host.hostKey)}`);
    expect(error.message).toContain("put the new line in hostKey");
    expect(retries).toBe(0);
    expect(host.log()).not.toContain("Accepted publickey for nobody");
  });

  it("refuses a host that has no key of the expected type, naming the one it has", async () => {
    const rsa = makeKey(folder, "rsa", { type: "rsa" });
    const error = await failure(openConnection({ ...settings, hostKey: rsa.publicKey }));
    expect(error).toBeInstanceOf(HostKeyError);
    expect(error).toMatchObject({
      shown: expect.stringContaining("ssh-ed25519 SHA256:") as string,
      expected: expect.stringContaining("ssh-rsa SHA256:") as string,
    });
  });

  it("does not dial with a host key that cannot be read", async () => {
    const error = await failure(openConnection({ ...settings, port: 1, hostKey: "SHA256:abcdef" }));
    expect(error).toBeInstanceOf(ConnectionSettingsError);
    expect(error.message).toContain("ssh-keyscan");
  });

  it("does not check where no key is given, as the real provider", async () => {
    const { hostKey: _none, ...unchecked } = settings;
    expect((await connected(unchecked, (c) => c.exec("echo in"))).stdout).toBe("in\n");
  });

  it("prints fingerprints as ssh-keygen does, for keys with options and comments too", () => {
    const line = `from="10.0.0.0/8" ${host.hostKey} some comment`;
    const fingerprint = describeKey(parseHostKey(`# note\n${line}`)?.blob ?? Buffer.alloc(0));
    expect(fingerprint).toMatch(/^ssh-ed25519 SHA256:[A-Za-z0-9+/]{43}$/);
    expect(parseHostKey("nothing here")).toBeUndefined();
    expect(parseHostKey("ssh-rsa AAAAC3NzaC1lZDI1NTE5AAAAIA==")).toBeUndefined();
  });
});

describe("dial", () => {
  it("forgives refused dials up to the limit, waiting longer each time", async () => {
    const port = await freePort();
    const waits: number[] = [];
    const messages: string[] = [];
    const wait = (milliseconds: number): Promise<void> => {
      waits.push(milliseconds);
      return Promise.resolve();
    };
    const error = await failure(
      openConnection({ ...settings, port, dialErrorLimit: 10 }, { wait, onRetry: (message) => messages.push(message) }),
    );
    expect(error).toBeInstanceOf(HostUnreachableError);
    expect(error).toBeInstanceOf(ConnectionError);
    expect(error.message).toContain(`127.0.0.1:${String(port)} could not be reached after 10 failed attempts`);
    expect(error.message).toContain("ECONNREFUSED");
    expect(waits.map(Math.round)).toEqual([100, 150, 225, 338, 506, 759, 1139, 1709, 2563, 3844]);
    expect(messages[0]).toBe("Dial 1/10 failed: retrying");
    expect(messages).toHaveLength(10);
  });

  it("connects once the host answers", async () => {
    const port = await freePort();
    let late: Sshd | undefined;
    const wait = async (): Promise<void> => {
      if (late === undefined) late = await startSshd([key.publicKey], { port });
    };
    const { hostKey: _none, ...unchecked } = settings;
    const connection = await openConnection({ ...unchecked, port, dialErrorLimit: 2 }, { wait });
    connection.close();
    await late?.stop();
    expect(late).toBeDefined();
  });

  it.each([
    ["says nothing", 1],
    ["is a web server", 1],
  ])("is unreachable where something %s at the port", async (what, perDialTimeout) => {
    const server = createServer((socket) => {
      socket.on("error", () => undefined);
      if (what === "is a web server") socket.end("HTTP/1.1 400 Bad Request\r\n\r\n");
    });
    const port = await freePort();
    await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
    try {
      expect(await failure(openConnection({ ...settings, port, perDialTimeout }))).toBeInstanceOf(HostUnreachableError);
    } finally {
      server.close();
    }
  });

  it("is unreachable where the name does not resolve", async () => {
    expect(await failure(openConnection({ ...settings, host: "gpu-01.invalid" }))).toBeInstanceOf(HostUnreachableError);
  });

  it("stops at once when it is aborted", async () => {
    const stop = new AbortController();
    const dialling = openConnection(
      { ...settings, port: await freePort(), dialErrorLimit: -1 },
      { signal: stop.signal, onRetry: () => stop.abort(new Error("enough")) },
    );
    expect((await failure(dialling)).message).toBe("enough");
  });
});

describe("bastion", () => {
  it("goes through it, checking both keys", async () => {
    const proxy = { host: "127.0.0.1", port: bastion.port, user: bastion.user, privateKey: key.privateKey, hostKey: bastion.hostKey };
    const result = await connected({ ...settings, proxy }, (c) => c.exec("echo $SSH_CONNECTION"));
    expect(result.stdout).toContain(` ${String(host.port)}\n`);
    expect(bastion.log()).toContain("Accepted publickey");
    const error = await failure(openConnection({ ...settings, proxy: { ...proxy, hostKey: host.hostKey, dialErrorLimit: 0 } }));
    expect(error).toBeInstanceOf(HostKeyError);
    expect(error.message).toContain(`127.0.0.1:${String(bastion.port)}`);
    const behind = await failure(openConnection({ ...settings, hostKey: stranger.publicKey, proxy }));
    expect(behind.message).toContain(`127.0.0.1:${String(host.port)} showed`);
  });

  it("says that the bastion has no way to the host", async () => {
    const proxy = { host: "127.0.0.1", port: bastion.port, user: bastion.user, privateKey: key.privateKey, hostKey: bastion.hostKey };
    const port = await freePort();
    const error = await failure(openConnection({ ...settings, port, proxy }));
    expect(error).toBeInstanceOf(HostUnreachableError);
    expect(error.message).toContain(`the bastion 127.0.0.1:${String(bastion.port)} has no way to it`);
  });
});

describe("a connection that breaks", () => {
  it("is lost, not unreachable, and says that the command may have run", async () => {
    const server = await startSshd([key.publicKey]);
    const connection = await openConnection({ ...settings, port: server.port, hostKey: server.hostKey });
    const running = connection.exec("kill -KILL $PPID; sleep 5");
    const error = await failure(running);
    expect(error).toBeInstanceOf(ConnectionLostError);
    expect(error).toMatchObject({ commandStarted: true });
    expect(connection.alive).toBe(false);
    const after = await failure(connection.exec("true"));
    expect(after).toBeInstanceOf(ConnectionLostError);
    expect(after).toMatchObject({ commandStarted: false });
    await server.stop();
  });

  it("is lost while bytes pass through it, too", async () => {
    const server = await startSshd([key.publicKey]);
    const connection = await openConnection({ ...settings, port: server.port, hostKey: server.hostKey });
    const through = new PassThrough();
    through.resume();
    expect(await failure(connection.stream("echo first; kill -KILL $PPID; sleep 5", { output: through }))).toBeInstanceOf(ConnectionLostError);
    await server.stop();
  });
});
