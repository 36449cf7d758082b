import type { ChildProcess } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { environmentSchema, type Environment } from "../../components/environment/schema";
import { buildMirror, serveMirror, type MirrorPackage, type ServedMirror } from "../../rehearsal/repository";
import { endProcess, freePort, makeKey, spawnSshd, type KeyPair } from "../engine/command-provider/sshd";
import { generatedServer } from "../support/environments";

/** Programs that would need a machine of their own. */
const stubs: Readonly<Record<string, string>> = {
  // The user who runs the tests need not be root: who asks to be is.
  sudo: 'shift; exec "$@"',
  systemctl: 'kill -HUP "$(cat "$MACHINE/sshd.pid")"',
  // Its tiers are folders of the machine that runs the tests.
  mountpoint: '[[ ! -e $MACHINE/not-mounted ]]',
};

/** A host step on the machine: `apply` leaves a mark of its command line, `check` looks for it, as scripts do with their host. */
const hostStep = `
name=$(sed -n 's/.*--step \\([a-z0-9-]*\\).*/\\1/p' <<<"$1")
kind=$(sed -n 's/.*scripts\\/\\([a-z-]*\\)\\.sh.*/\\1/p' <<<"$1")
[[ -e $MACHINE/home/.rackwright/scripts/$kind.sh ]] || { echo "no such script" >&2; exit 127; }
if [[ $1 == *" check "* ]]; then
  if [[ $(cat "$MACHINE/applied/$name" 2>/dev/null) == "\${1/ check / apply }" ]]; then echo '{"ok":true,"findings":[]}'; exit 0; fi
  echo '{"ok":false,"findings":[{"id":"not-done","message":"it is not done","mendable":true}]}'
  exit 1
fi
echo "$name" >>"$MACHINE/log"
[[ ! -e $MACHINE/fails-$kind ]] || { echo "the step $name cannot be done" >&2; exit 4; }
if [[ $kind == base-environment ]]; then
  apt-get --quiet update --error-on=any >&2 || exit 4
  for package in $(cat "$MACHINE/wanted"); do apt-get --quiet --quiet --yes --download-only install "$package" >&2 || exit 4; done
fi
[[ $kind != storage-tier ]] || mkdir -p "$MACHINE/tiers"
printf '%s\\n' "$1" >"$MACHINE/applied/$name"
`;

/** A server in a folder: a real SSH server, real apt with sources of its own, and host steps that only leave marks. */
export class Machine {
  private process: ChildProcess | undefined;

  private constructor(
    readonly folder: string,
    readonly port: number,
    private readonly login: KeyPair,
    readonly hostKey: string,
  ) {}

  static async start(login: KeyPair, options: { sources?: string; keyring?: Buffer; port?: number; wanted?: readonly string[]; at?: string } = {}): Promise<Machine> {
    const folder = options.at ?? mkdtempSync(join(tmpdir(), "rackwright-machine-"));
    for (const name of ["ssh", "bin", "home", "applied", "tiers", "apt/etc/apt/apt.conf.d", "apt/etc/apt/preferences.d", "apt/var/lib/apt/lists/partial", "apt/var/cache/apt/archives/partial", "work"]) mkdirSync(join(folder, name), { recursive: true });
    const { publicKey } = makeKey(join(folder, "ssh"), "ssh_host_ed25519_key");
    const machine = new Machine(folder, options.port ?? (await freePort()), login, publicKey);
    for (const [name, body] of Object.entries(stubs)) machine.program(name, body);
    // Something that a step found to be needed on this server: apt has been asked for it, and no plan names it.
    writeFileSync(join(folder, "apt/status"), options.sources === undefined ? "Package: linux-headers-test\nStatus: install ok installed\nArchitecture: all\nVersion: 1.0-1\nMaintainer: nobody\nDescription: x\n\n" : "");
    writeFileSync(join(folder, "wanted"), (options.wanted ?? []).join(" "));
    writeFileSync(join(folder, "apt/etc/apt/sources.list"), options.sources ?? "");
    if (options.keyring !== undefined) writeFileSync(join(folder, "apt/mirror.gpg"), options.keyring);
    writeFileSync(join(folder, "apt.conf"), `Dir "${folder}/apt/";\nDir::State::status "${folder}/apt/status";\nDir::Bin::methods "/usr/lib/apt/methods";\nDir::Etc::trustedparts "/nonexistent";\nAPT::Sandbox::User "${userInfo().username}";\nAPT::Architecture "amd64";\nAPT::Architectures { "amd64"; };\nAcquire::Languages "none";\n`);
    machine.program("host-step", hostStep);
    machine.program("session", `export MACHINE=${folder} PATH=${folder}/bin:$PATH APT_CONFIG=${folder}/apt.conf COLD_START_SSH_FOLDER=${folder}/ssh COLD_START_APT_FOLDER=${folder}/apt/etc/apt COLD_START_WORK=${folder}/work COLD_START_TURN=${folder}/turn COLD_START_K3S_FOLDER=${folder}/k3s COLD_START_UNPRIVILEGED=1\ncd ${folder}/home\ncase $SSH_ORIGINAL_COMMAND in\n  internal-sftp) exec /usr/lib/openssh/sftp-server -d ${folder}/home ;;\n  *" .rackwright/scripts/"*) exec bash ${folder}/bin/host-step "$SSH_ORIGINAL_COMMAND" ;;\n  *) exec bash -c "$SSH_ORIGINAL_COMMAND" ;;\nesac`);
    await machine.run();
    return machine;
  }

  private program(name: string, body: string): void {
    writeFileSync(join(this.folder, "bin", name), `#!/bin/bash\n${body}\n`);
    chmodSync(join(this.folder, "bin", name), 0o755);
  }

  private async run(): Promise<void> {
    writeFileSync(join(this.folder, "authorized_keys"), `${this.login.publicKey}\n`);
    const config = [
      `Port ${String(this.port)}`, "ListenAddress 127.0.0.1", `HostKey ${this.folder}/ssh/ssh_host_ed25519_key`, `AuthorizedKeysFile ${this.folder}/authorized_keys`,
      `PidFile ${this.folder}/sshd.pid`, "StrictModes no", "UsePAM no", "PasswordAuthentication no", "KbdInteractiveAuthentication no", "AllowTcpForwarding yes", "Subsystem sftp internal-sftp", `ForceCommand ${this.folder}/bin/session`,
    ];
    writeFileSync(join(this.folder, "sshd_config"), `${config.join("\n")}\n`);
    this.process = (await spawnSshd(join(this.folder, "sshd_config"))).child;
  }

  path(name: string): string {
    return join(this.folder, name);
  }

  /** Steps that were applied, in their order. */
  get log(): string[] {
    return existsSync(this.path("log")) ? readFileSync(this.path("log"), "utf8").trim().split("\n") : [];
  }

  async stop(): Promise<void> {
    if (this.process !== undefined) await endProcess(this.process);
    rmSync(this.folder, { recursive: true, force: true });
  }
}

const stand = (name: string, depends: string[] = []): MirrorPackage => ({ area: "debian", name, version: "1.0-1", architecture: "all", description: "stand-in, empty", ...(depends.length === 0 ? {} : { depends }) });

export interface TestMirror {
  served: ServedMirror;
  keyring: Buffer;
  sources: (machineFolder: string) => string;
  close: () => Promise<void>;
}

/** A signed mirror with what the environment's servers ask for, but for one package. */
export async function startMirror(): Promise<TestMirror> {
  const folder = mkdtempSync(join(tmpdir(), "rackwright-mirror-"));
  const built = await buildMirror(join(folder, "mirror"), [...["ca-certificates", "gpg", "smartmontools", "mdadm", "nvme-cli"].map((name) => stand(name, name === "mdadm" ? ["libmdadm-test"] : [])), stand("libmdadm-test"), stand("linux-headers-test")]);
  const served = await serveMirror(built.folder);
  return {
    served,
    keyring: built.keyring,
    sources: (machineFolder) => `deb [signed-by=${machineFolder}/apt/mirror.gpg] ${served.hostUrl}/debian bookworm main\n`,
    close: async () => {
      await served.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** An environment of one or more such machines, with a hot and a warm tier and a folder that a set holds. */
export function environmentOf(machines: Readonly<Record<string, Pick<Machine, "port" | "hostKey" | "folder">>>): Environment {
  const servers = Object.fromEntries(
    Object.entries(machines).map(([name, { port, hostKey }], index) => {
      const { gpus: _, ...server } = generatedServer(index + 1);
      return [name, { ...server, address: "127.0.0.1", port, hostKey, roles: ["storage"] }];
    }),
  );
  const [first] = Object.values(machines);
  for (const [name, server] of Object.entries(servers)) if (server.tiers?.warm !== undefined) server.tiers = { ...server.tiers, warm: { ...server.tiers.warm, mount: `${machines[name]?.folder ?? ""}/tiers` } };
  return environmentSchema.parse({
    site: { name: "here", internetAccess: true },
    ssh: { user: userInfo().username, dialTimeoutSeconds: 30 },
    software: { os: "debian-12", developmentPackages: false, cudaToolkit: "none" },
    servers,
    cluster: { distribution: "none", controlPlane: [] },
    monitoring: { enabled: false },
    recovery: { backup: { enabled: false }, coldStart: { folders: [`${first?.folder ?? ""}/tiers/kept`] } },
  });
}
