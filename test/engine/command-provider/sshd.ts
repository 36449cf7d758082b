import { execFileSync, spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";

const SSHD = ["/usr/sbin/sshd", "/usr/local/sbin/sshd", "/sbin/sshd"].find(existsSync);

/** A key pair on disk, and its texts. */
export interface KeyPair {
  file: string;
  privateKey: string;
  /** `ssh-ed25519 AAAA…` */
  publicKey: string;
}

/** A real OpenSSH server on loopback, with keys and settings of its own. */
export interface Sshd {
  port: number;
  user: string;
  hostKey: string;
  directory: string;
  log(): string;
  stop(): Promise<void>;
}

export function temporaryFolder(): string {
  return mkdtempSync(join(tmpdir(), "rackwright-ssh-"));
}

export function makeKey(directory: string, name: string, options: { type?: "ed25519" | "rsa" | "ecdsa"; password?: string } = {}): KeyPair {
  const file = join(directory, name);
  execFileSync("ssh-keygen", ["-q", "-t", options.type ?? "ed25519", "-N", options.password ?? "", "-C", "", "-f", file]);
  const publicKey = readFileSync(`${file}.pub`, "utf8").trim();
  return { file, privateKey: readFileSync(file, "utf8"), publicKey };
}

export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => (address !== null && typeof address === "object" ? resolve(address.port) : reject(new Error("no port"))));
    });
  });
}

export function endProcess(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  return new Promise((resolve) => {
    child.once("exit", () => resolve());
    child.kill("SIGTERM");
  });
}

/** Starts the server with a configuration of the caller's own; resolves once it listens. */
export async function spawnSshd(configFile: string): Promise<{ child: ChildProcess; log: () => string }> {
  if (SSHD === undefined) {
    throw new Error("these tests talk to a real OpenSSH server and there is no sshd here: apt-get install openssh-server");
  }
  if (userInfo().uid === 0) mkdirSync("/run/sshd", { recursive: true });
  const child = spawn(SSHD, ["-D", "-e", "-f", configFile], { stdio: ["ignore", "ignore", "pipe"] });
  let log = "";
  await new Promise<void>((resolve, reject) => {
    child.stderr.on("data", (bytes: Buffer) => {
      log += bytes.toString();
      if (log.includes("Server listening")) resolve();
    });
    child.once("exit", () => reject(new Error(`sshd did not start:\n${log}`)));
  });
  return { child, log: () => log };
}

export async function startSshd(authorized: string[], settings: { hostKeyType?: "ed25519" | "rsa" | "ecdsa"; extra?: string[]; port?: number } = {}): Promise<Sshd> {
  const directory = temporaryFolder();
  const hostKey = makeKey(directory, "host", { type: settings.hostKeyType ?? "ed25519" });
  const port = settings.port ?? (await freePort());
  writeFileSync(join(directory, "authorized_keys"), authorized.join("\n") + "\n");
  const config = [
    `Port ${String(port)}`,
    "ListenAddress 127.0.0.1",
    `HostKey ${hostKey.file}`,
    `AuthorizedKeysFile ${join(directory, "authorized_keys")}`,
    `PidFile ${join(directory, "pid")}`,
    "StrictModes no",
    "UsePAM no",
    "PasswordAuthentication no",
    "KbdInteractiveAuthentication no",
    "AllowTcpForwarding yes",
    "AcceptEnv ALLOWED_* PULUMI_COMMAND_*",
    "Subsystem sftp internal-sftp",
    // Keeps the shell start-up files of whoever runs the tests out of them.
    `SetEnv HOME=${directory}`,
    "LogLevel VERBOSE",
    ...(settings.extra ?? []),
  ];
  writeFileSync(join(directory, "config"), config.join("\n") + "\n");
  const { child, log } = await spawnSshd(join(directory, "config"));
  return {
    port,
    user: userInfo().username,
    hostKey: hostKey.publicKey,
    directory,
    log,
    stop: async () => {
      await endProcess(child);
      rmSync(directory, { recursive: true, force: true });
    },
  };
}
