import { rmSync } from "node:fs";
import * as fc from "fast-check";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { ConnectionPool } from "../../../engine/providers/command/pool";
import { AuthenticationError, ConnectionLostError, openConnection } from "../../../engine/providers/command/ssh";
import type { SshConnectionSettings } from "../../../engine/providers/command/ssh";
import { answer, startFakeHost } from "./fake-host";
import type { FakeHost, FakeHostOptions } from "./fake-host";
import { makeKey, startSshd, temporaryFolder } from "./sshd";
import type { KeyPair } from "./sshd";

let folder: string;
let hostKey: KeyPair;
const hosts: FakeHost[] = [];
const pools: ConnectionPool[] = [];

beforeAll(() => {
  delete process.env["SSH_AUTH_SOCK"];
  folder = temporaryFolder();
  hostKey = makeKey(folder, "host");
});

afterEach(async () => {
  for (const pool of pools.splice(0)) pool.close();
  for (const host of hosts.splice(0)) await host.stop();
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function fakeHost(options: Omit<FakeHostOptions, "hostKey">): Promise<{ host: FakeHost; settings: SshConnectionSettings }> {
  const host = await startFakeHost({ hostKey, ...options });
  hosts.push(host);
  return { host, settings: { host: "127.0.0.1", port: host.port, user: "operator", hostKey: hostKey.publicKey, dialErrorLimit: 0 } };
}

function newPool(): ConnectionPool {
  const pool = new ConnectionPool();
  pools.push(pool);
  return pool;
}

async function failure(work: Promise<unknown>): Promise<Error> {
  const outcome = await work.then(
    () => undefined,
    (error: unknown) => error,
  );
  if (outcome instanceof Error) return outcome;
  throw new Error("expected a failure");
}

describe("passwords", () => {
  it.each(["password", "keyboard-interactive"] as const)("logs in by %s", async (method) => {
    const { settings } = await fakeHost({
      onLogin: (context) => {
        if (context.method !== method) context.reject([method]);
        else if (context.method === "password") {
          if (context.password === "pass phrase") context.accept();
          else context.reject([method]);
        } else {
          context.prompt([{ prompt: "Password: ", echo: false }], (answers) => {
            if (answers[0] === "pass phrase") context.accept();
            else context.reject([method]);
          });
        }
      },
      onCommand: (_command, channel) => answer(channel, "in\n"),
    });
    const connection = await openConnection({ ...settings, password: "pass phrase" });
    expect((await connection.exec("x")).stdout).toBe("in\n");
    connection.close();
    const wrong = await failure(openConnection({ ...settings, password: "hunter22" }));
    expect(wrong).toBeInstanceOf(AuthenticationError);
    expect(wrong.message).toContain("offered: a password");
    expect(wrong.message).not.toContain("hunter22");
  });

  it("says that nothing was offered", async () => {
    const { settings } = await fakeHost({ onLogin: (context) => context.reject(["publickey"]), onCommand: () => undefined });
    expect((await failure(openConnection(settings))).message).toContain("offered: nothing (no key, no agent, no password)");
  });
});

describe("output", () => {
  it("arrives whole and in lines, wherever the network cuts it", async () => {
    const parts = new Map<string, Buffer[]>();
    const { settings } = await fakeHost({
      onCommand: (command, channel) => {
        for (const part of parts.get(command) ?? []) channel.write(part);
        channel.exit(0);
        channel.end();
      },
    });
    const connection = await openConnection(settings);
    const cuts = fc.array(fc.nat({ max: 400 }), { maxLength: 6 });
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: "binary", maxLength: 100 }), cuts, async (text, at) => {
        const bytes = Buffer.from(text);
        const ends = [...at.map((cut) => cut % (bytes.length + 1)), bytes.length].sort((a, b) => a - b);
        const name = String(parts.size);
        parts.set(name, ends.map((end, i) => bytes.subarray(ends[i - 1] ?? 0, end)).filter((part) => part.length > 0));
        const lines: string[] = [];
        const { stdout } = await connection.exec(name, { onStdout: (line) => lines.push(line) });
        expect(stdout).toBe(text);
        const expected = text.split("\n").map((line) => line.replace(/\r$/, ""));
        expect(lines).toEqual(text === "" || text.endsWith("\n") ? expected.slice(0, -1) : expected);
      }),
      { numRuns: 60 },
    );
    connection.close();
  });
});

describe("a command under way", () => {
  it("is reported as lost when the connection is reset", async () => {
    const { host, settings } = await fakeHost({
      onCommand: (_command, channel) => {
        channel.write("half\n");
        setTimeout(() => host.cut(), 20);
      },
    });
    const lines: string[] = [];
    const connection = await openConnection(settings);
    const error = await failure(connection.exec("x", { onStdout: (line) => lines.push(line) }));
    expect(error).toBeInstanceOf(ConnectionLostError);
    expect(error.message).toContain(`127.0.0.1:${String(host.port)}`);
    expect(error.message).toContain("whether what was running there finished is not known");
    expect(lines).toEqual(["half"]);
  });

  it("is an error when the host closes it without a status", async () => {
    const { settings } = await fakeHost({ onCommand: (_command, channel) => channel.end() });
    const connection = await openConnection(settings);
    expect((await failure(connection.exec("x"))).message).toContain("without exit status or exit signal");
    expect(connection.alive).toBe(true);
    connection.close();
  });

  it("is told to stop, then killed, and given up when even that has no effect", async () => {
    const { host, settings } = await fakeHost({ onCommand: (_command, channel) => channel.write("on\n") });
    const stop = new AbortController();
    const connection = await openConnection(settings);
    const running = connection.exec("x", { signal: stop.signal, graceMilliseconds: 50, onStdout: () => stop.abort(new Error("stop")) });
    expect((await failure(running)).message).toBe("stop");
    expect(host.signals).toEqual(["TERM", "KILL"]);
    connection.close();
  });
});

describe("pool", () => {
  it("shares one connection among all who need the host at once, within its session limit", async () => {
    const { host, settings } = await fakeHost({
      onCommand: (command, channel) => setTimeout(() => answer(channel, command), 10),
    });
    const pool = newPool();
    const work = Array.from({ length: 30 }, (_, i) => pool.use({ ...settings }, {}, (c) => c.exec(String(i))));
    const results = await Promise.all(work);
    expect(results.map((result) => result.stdout)).toEqual(Array.from({ length: 30 }, (_, i) => String(i)));
    expect(host.connections()).toBe(1);
    expect(host.mostSessions()).toBe(8);
  });

  it("keeps logins apart", async () => {
    const { host, settings } = await fakeHost({ onCommand: (command, channel) => answer(channel, command) });
    const pool = newPool();
    await pool.use(settings, {}, (c) => c.exec("a"));
    await pool.use({ ...settings, user: "other" }, {}, (c) => c.exec("b"));
    expect(host.connections()).toBe(2);
  });

  it("connects again where the connection was lost between two commands", async () => {
    const { host, settings } = await fakeHost({ onCommand: (command, channel) => answer(channel, command) });
    const pool = newPool();
    await pool.use(settings, {}, (c) => c.exec("first"));
    host.cut();
    expect((await pool.use(settings, {}, (c) => c.exec("second"))).stdout).toBe("second");
    expect(host.commands).toEqual(["first", "second"]);
  });

  it("never repeats a command that the host had accepted", async () => {
    const { host, settings } = await fakeHost({ onCommand: () => host.cut() });
    const pool = newPool();
    const error = await failure(pool.use(settings, {}, (c) => c.exec("apply")));
    expect(error).toBeInstanceOf(ConnectionLostError);
    expect(host.commands).toEqual(["apply"]);
  });

  it("gives every waiter the reason when the dial fails, and tries anew for the next one", async () => {
    let open = false;
    const { host, settings } = await fakeHost({
      onLogin: (context) => (open ? context.accept() : context.reject([])),
      onCommand: (command, channel) => answer(channel, command),
    });
    const pool = newPool();
    const results = await Promise.allSettled([1, 2, 3].map(() => pool.use(settings, {}, (c) => c.exec("x"))));
    expect(results.map((result) => result.status)).toEqual(["rejected", "rejected", "rejected"]);
    expect(host.connections()).toBe(1);
    open = true;
    expect((await pool.use(settings, {}, (c) => c.exec("y"))).stdout).toBe("y");
  });

  it("lets one waiter leave without failing the others", async () => {
    const { settings } = await fakeHost({
      onLogin: (context) => setTimeout(() => context.accept(), 50),
      onCommand: (command, channel) => answer(channel, command),
    });
    const pool = newPool();
    const stop = new AbortController();
    const leaving = failure(pool.use(settings, { signal: stop.signal }, (c) => c.exec("x")));
    const staying = pool.use(settings, {}, (c) => c.exec("y"));
    stop.abort(new Error("left"));
    expect((await leaving).message).toBe("left");
    expect((await staying).stdout).toBe("y");
  });

  it("shares the connection to a bastion among the hosts behind it", async () => {
    const key = makeKey(folder, "bastion-key");
    const bastion = await startSshd([key.publicKey]);
    const behind = await Promise.all([1, 2, 3].map(() => fakeHost({ onCommand: (command, channel) => answer(channel, command) })));
    const proxy = { host: "127.0.0.1", port: bastion.port, user: bastion.user, privateKey: key.privateKey, hostKey: bastion.hostKey };
    const pool = newPool();
    const results = await Promise.all(behind.map(({ settings }) => pool.use({ ...settings, proxy }, {}, (c) => c.exec("here"))));
    expect(results.map((result) => result.stdout)).toEqual(["here", "here", "here"]);
    expect(bastion.log().match(/Accepted publickey/g)).toHaveLength(1);
    pool.close();
    await bastion.stop();
  });
});
