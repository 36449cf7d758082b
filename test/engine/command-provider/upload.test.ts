import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openConnection } from "../../../engine/providers/command/ssh";
import type { SshConnection } from "../../../engine/providers/command/ssh";
import { makeKey, startSshd, temporaryFolder } from "./sshd";
import type { Sshd } from "./sshd";

let folder: string;
let host: Sshd;
let connection: SshConnection;

beforeAll(async () => {
  delete process.env["SSH_AUTH_SOCK"];
  folder = temporaryFolder();
  const key = makeKey(folder, "key");
  host = await startSshd([key.publicKey]);
  const settings = { host: "127.0.0.1", port: host.port, user: host.user, privateKey: key.privateKey, hostKey: host.hostKey };
  connection = await openConnection(settings);
});

afterAll(async () => {
  connection.close();
  await host.stop();
  rmSync(folder, { recursive: true, force: true });
});

describe("upload", () => {
  const tree = (at: string): void => {
    mkdirSync(join(at, "one", "two"), { recursive: true });
    mkdirSync(join(at, "empty"));
    writeFileSync(join(at, "file1"), "1");
    writeFileSync(join(at, "one", "file2"), Buffer.from([0, 255, 10, 13]));
    writeFileSync(join(at, "one", "two", "none"), "");
  };
  const contents = (at: string): [string, string, string] => [
    readFileSync(join(at, "file1"), "utf8"),
    readFileSync(join(at, "one", "file2")).toString("hex"),
    readFileSync(join(at, "one", "two", "none"), "utf8"),
  ];
  const copied: [string, string, string] = ["1", "00ff0a0d", ""];

  it("puts a folder into remotePath under its own name, and its content where the path ends in /", async () => {
    const source = join(folder, "scripts");
    tree(source);
    const target = join(folder, "up", "a", "b");
    await connection.upload({ path: source }, target);
    expect(contents(join(target, "scripts"))).toEqual(copied);
    await connection.upload({ path: source }, target);
    await connection.upload({ path: `${source}/` }, join(folder, "up", "c"));
    expect(contents(join(folder, "up", "c"))).toEqual(copied);
  });

  it("puts a file at remotePath, or into it where that is a folder, and makes parents", async () => {
    const source = join(folder, "one.txt");
    const big = Buffer.alloc(5_000_000, "abcdefg");
    writeFileSync(source, big);
    await connection.upload({ path: source }, join(folder, "p", "q", "named"));
    expect(readFileSync(join(folder, "p", "q", "named")).equals(big)).toBe(true);
    writeFileSync(source, "short");
    await connection.upload({ path: source }, join(folder, "p", "q", "named"));
    expect(readFileSync(join(folder, "p", "q", "named"), "utf8")).toBe("short");
    await connection.upload({ path: source }, join(folder, "p", "q"));
    expect(readFileSync(join(folder, "p", "q", "one.txt"), "utf8")).toBe("short");
  });

  it("writes a text, but not onto a folder", async () => {
    await connection.upload({ text: "grüße\n" }, join(folder, "t", "note"));
    expect(readFileSync(join(folder, "t", "note"), "utf8")).toBe("grüße\n");
    await expect(connection.upload({ text: "x" }, join(folder, "t"))).rejects.toThrow(
      "is a directory; when using a text asset, remotePath must be a file path",
    );
  });

  it("refuses to put a folder onto a file, and a source that is not there", async () => {
    writeFileSync(join(folder, "occupied"), "kept");
    await expect(connection.upload({ path: `${join(folder, "scripts")}/` }, join(folder, "occupied"))).rejects.toThrow("exists but is not a directory");
    await expect(connection.upload({ path: join(folder, "missing") }, "/tmp/x")).rejects.toThrow("no such file");
    await expect(connection.upload({ path: join(folder, "occupied") }, "/proc/nope/x")).rejects.toThrow("failed to create parent directories");
    expect(readFileSync(join(folder, "occupied"), "utf8")).toBe("kept");
  });
});
