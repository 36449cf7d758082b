import { writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { RehearsalError, lastLines, pause, run, tryRun, type Finished } from "./process";

export interface KeyPair {
  /** OpenSSH's private key format. */
  privateKey: string;
  /** Type and base64, without a comment: the form an environment's `hostKey` has. */
  publicKey: string;
  privateKeyFile: string;
}

/** Makes an Ed25519 key pair in `folder`. It lives as long as the rack. */
export async function makeKeyPair(folder: string, name: string, read: (file: string) => string): Promise<KeyPair> {
  const file = join(folder, name);
  await run("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-C", "", "-f", file]);
  return { privateKey: read(file), publicKey: read(`${file}.pub`).trim().split(" ").slice(0, 2).join(" "), privateKeyFile: file };
}

/** Commands on a server, as root. */
export interface RemoteShell {
  /** Runs a command and returns how it ended. */
  try(command: string): Promise<Finished>;
  /** Runs a command that must end with 0, and returns its output. */
  run(command: string): Promise<string>;
}

/** Commands on an emulated server as root, by the system's own ssh: not the path that `up` takes. */
export class Ssh implements RemoteShell {
  readonly knownHostsFile: string;

  constructor(
    folder: string,
    readonly port: number,
    hostKey: string,
    readonly identityFile: string,
  ) {
    this.knownHostsFile = join(folder, "known_hosts");
    writeFileSync(this.knownHostsFile, `[127.0.0.1]:${port} ${hostKey}\n`);
  }

  arguments(): string[] {
    const options = ["StrictHostKeyChecking=yes", `UserKnownHostsFile=${this.knownHostsFile}`, "GlobalKnownHostsFile=/dev/null", "IdentitiesOnly=yes", "IdentityAgent=none", "PasswordAuthentication=no", "ConnectTimeout=20", "ServerAliveInterval=10", "LogLevel=ERROR", ...this.sharedConnection()];
    return ["-F", "none", "-i", this.identityFile, "-p", String(this.port), ...options.flatMap((option) => ["-o", option]), "root@127.0.0.1"];
  }

  /**
   * One connection for all commands, for a login takes an emulated server a second. It ends with the server. The path is
   * short, for sockets have room for 108 characters.
   */
  private sharedConnection(): string[] {
    return ["ControlMaster=auto", "ControlPersist=60", `ControlPath=${join(tmpdir(), `rackwright-${process.pid}-${this.port}`)}`];
  }

  /** What a person types to get a shell. */
  commandLine(): string {
    return `ssh -i ${this.identityFile} -o UserKnownHostsFile=${this.knownHostsFile} -p ${this.port} root@127.0.0.1`;
  }

  try(command: string, options: { input?: string; signal?: AbortSignal | undefined } = {}): Promise<Finished> {
    return tryRun("ssh", [...this.arguments(), command], options);
  }

  /** @throws RehearsalError when the command's exit code is not 0. */
  async run(command: string, options: { input?: string; signal?: AbortSignal | undefined } = {}): Promise<string> {
    const { code, stdout, stderr } = await this.try(command, options);
    if (code !== 0) throw new RehearsalError(`\`${command.slice(0, 200)}\` on the server ended with exit code ${code}: ${lastLines(stderr || stdout, 6)}`);
    return stdout;
  }

  /** Waits until the SSH server says its name. The emulator accepts connections before anything listens behind them. */
  async waitUntilUp(timeoutSeconds: number, stillRunning: () => boolean, signal?: AbortSignal): Promise<void> {
    const until = Date.now() + timeoutSeconds * 1000;
    while (Date.now() < until) {
      if (!stillRunning()) throw new RehearsalError("The emulator ended while the server was booting.");
      if (await greets(this.port)) return;
      await pause(500, signal);
    }
    throw new RehearsalError(`SSH did not answer within ${timeoutSeconds} s.`);
  }
}

function greets(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    const finish = (answer: boolean): void => {
      socket.destroy();
      resolve(answer);
    };
    socket.setTimeout(3000, () => finish(false));
    socket.on("error", () => finish(false));
    socket.on("close", () => finish(false));
    socket.on("data", (data) => finish(data.toString("latin1").startsWith("SSH-")));
  });
}
