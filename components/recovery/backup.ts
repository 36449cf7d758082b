import type { remote } from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import type { Environment } from "../environment/schema";
import type { Server } from "../servers";
import { remoteConnection, type Credentials } from "../servers/credentials";
import { hostCommand } from "../servers/host-command";
import type { HostStep } from "../servers/plan";
import { planBackups, type BackupPlan } from "./backup-plan";

export type BackupSpec = Pick<BackupPlan, "sources" | "stores"> & Environment["recovery"]["backup"];

export interface BackupArgs {
  environment: Environment;
  credentials: Credentials;
  servers: ReadonlyMap<string, Server>;
}

/**
 * Backups of all servers, and the repositories that they go to (guide 5.2). Each server makes a key pair; the public half
 * goes to the server that keeps its repository. The password of the repositories travels on standard input only.
 */
export class Backup extends pulumi.ComponentResource {
  /** The last command of each step, by the step's name. */
  readonly commands: ReadonlyMap<string, remote.Command>;

  constructor(name: string, { environment, credentials, servers }: BackupArgs, options?: pulumi.ComponentResourceOptions) {
    const { sources, stores } = planBackups(environment);
    const spec: BackupSpec = { ...environment.recovery.backup, sources, stores };
    super("rackwright:recovery:Backup", name, { ...spec }, options);
    const password = pulumi.interpolate`password ${credentials.backupPassword ?? ""}\n`;
    const made = new Map<string, remote.Command>();
    const run = (server: Server, step: HostStep, lines: pulumi.Output<string>): void => {
      const { connection } = server.plan;
      const before = step.dependsOn.flatMap((other) => made.get(other) ?? []);
      // Without a password a preview shows the step all the same; `up` asks for it before.
      const stdin = credentials.backupPassword === undefined ? undefined : pulumi.secret(lines);
      made.set(step.name, hostCommand(this, { step, user: connection.user, connection: remoteConnection(connection, credentials), dependsOn: [...server.commands, ...before] }, stdin));
    };
    const steps = (kind: HostStep["kind"]): { server: Server; step: HostStep }[] => [...servers.values()].flatMap((server) => server.plan.recoverySteps.filter((step) => step.kind === kind).map((step) => ({ server, step })));
    for (const { server, step } of steps("backup")) run(server, step, password);
    for (const { server, step } of steps("backup-store")) {
      const remotes = (stores[server.plan.name]?.repositories ?? []).filter(({ remote: isRemote }) => isRemote);
      run(server, step, pulumi.all([password, ...remotes.map((repository) => keyLine(repository.server, made.get(`${repository.server}-backup`)))]).apply((lines) => lines.join("")));
    }
    this.registerOutputs({ ...spec });
    this.commands = made;
  }
}

/** What backup-store.sh reads of a server's key. Without one it says whose is missing. */
function keyLine(server: string, command: remote.Command | undefined): pulumi.Output<string> {
  return pulumi.output(command?.stdout ?? "").apply((stdout) => {
    const key = publicKeyIn(stdout);
    return key === undefined ? "" : `key-${server} ${key}\n`;
  });
}

/** The public key in what backup.sh prints. */
export function publicKeyIn(stdout: string): string | undefined {
  try {
    const { publicKey } = JSON.parse(stdout) as { publicKey?: unknown };
    return typeof publicKey === "string" ? publicKey : undefined;
  } catch {
    return undefined;
  }
}
