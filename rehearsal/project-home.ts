import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { cpSync, existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { stringify } from "yaml";
import { SECRETS } from "../components/environment";
import type { Environment } from "../components/environment/schema";
import { Crypter } from "../engine/state/secrets";
import { run } from "./process";

/** What a project consists of, stacks and state apart. */
const parts = ["rackwright", "index.ts", "Pulumi.yaml", "package.json", "package-lock.json", "tsconfig.json", "cli", "components", "engine", "policies", "rehearsal", "schemas", "scripts"];

export interface Ran {
  code: number | null;
  stdout: string;
  stderr: string;
}

export interface RunningCommand {
  ended: Promise<Ran>;
  /** Ends it at once, with everything that it has started. */
  kill: () => void;
}

/** A copy of the project with one environment, whose commands a rehearsal runs as a user does. */
export class ProjectHome {
  readonly passphrase = randomBytes(24).toString("base64");

  constructor(readonly folder: string) {}

  /** Copies the project; its packages are shared with the original by hard links where the file system can. */
  async create(root: string, name: string, environment: Environment, privateKey: string): Promise<void> {
    mkdirSync(this.folder, { recursive: true });
    for (const part of parts) cpSync(join(root, part), join(this.folder, part), { recursive: true });
    await run("cp", ["-al", join(root, "node_modules"), join(this.folder, "node_modules")]);
    const crypter = await Crypter.open(this.passphrase);
    const { kubeconfig: _, ...wanted } = SECRETS;
    const secret = (key: string): string => (key === SECRETS.sshPrivateKey ? privateKey : randomBytes(18).toString("hex"));
    const config = Object.fromEntries(Object.values(wanted).map((key) => [key, { secure: crypter.encrypt(secret(key)) }]));
    mkdirSync(join(this.folder, "stacks"));
    writeFileSync(join(this.folder, "stacks", `Pulumi.${name}.yaml`), stringify({ encryptionsalt: crypter.salt, config: { "rackwright:environment": environment, ...config } }));
  }

  start(program: string, words: readonly string[]): RunningCommand {
    // Without a way to fetch anything: what a rebuild needs is in its set.
    const offline = { http_proxy: "http://127.0.0.1:9", https_proxy: "http://127.0.0.1:9", no_proxy: "127.0.0.1,localhost", npm_config_offline: "true", PULUMI_CONFIG_PASSPHRASE: this.passphrase };
    const child = spawn("setpriv", ["--pdeathsig", "KILL", program, ...words], { stdio: ["ignore", "pipe", "pipe"], detached: true, env: { ...process.env, ...offline } });
    const ended = Promise.all([text(child.stdout), text(child.stderr), once(child, "close") as Promise<[number | null]>]).then(([stdout, stderr, [code]]) => ({ code, stdout, stderr }));
    const kill = (): void => {
      if (child.pid !== undefined && child.exitCode === null && existsSync(`/proc/${child.pid}`)) process.kill(-child.pid, "SIGKILL");
    };
    return { ended, kill };
  }

  /** Runs one of the project's commands to its end. */
  rackwright(...words: string[]): Promise<Ran> {
    return this.start(join(this.folder, "rackwright"), words).ended;
  }
}
