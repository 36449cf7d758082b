import type { Environment } from "../../components/environment";
import { planServer } from "../../components/servers/plan";
import { ConnectionError, HostKeyError, openConnection } from "../../engine/providers/command/ssh";
import type { SshConnection } from "../../engine/providers/command/ssh";
import { CliError, exitCodes } from "../exit";
import { sshSettings } from "../hosts";

/** A server that answers. */
export interface Reached {
  server: string;
  /** It shows the key that the environment names. */
  known: boolean;
  connection: SshConnection;
}

export interface ReachOptions {
  environment: Environment;
  privateKey: string | undefined;
  /** Keys of blank servers, as somebody read them on their consoles. */
  hostKeys: Readonly<Record<string, string>>;
  signal?: AbortSignal;
}

/**
 * Dials servers. One that shows another key than the environment's is spoken to only where its key was given: whoever
 * answers at a dead server's address would get its secrets.
 * @throws CliError naming every server that does not answer or whose key was not given. Nothing was sent to any of them.
 */
export async function reach(servers: readonly string[], options: ReachOptions): Promise<Reached[]> {
  const reached: Reached[] = [];
  const unknown: string[] = [];
  const silent: string[] = [];
  await Promise.all(
    servers.map(async (server) => {
      const { connection: wanted } = planServer(options.environment, server);
      const given = options.hostKeys[server];
      try {
        reached.push({ server, known: true, connection: await openConnection(sshSettings(wanted, options.privateKey), { signal: options.signal }) });
      } catch (error) {
        if (!(error instanceof HostKeyError) || error.host !== wanted.host) {
          if (!(error instanceof ConnectionError)) throw error;
          silent.push(`  ${server} (${wanted.host}): ${error.message}`);
          return;
        }
        if (given === undefined) {
          unknown.push(`  ${server} (${wanted.host}) shows ${error.shown}, not ${error.expected}`);
          return;
        }
        try {
          reached.push({ server, known: false, connection: await openConnection(sshSettings({ ...wanted, hostKey: given }, options.privateKey), { signal: options.signal }) });
        } catch (again) {
          if (!(again instanceof ConnectionError)) throw again;
          silent.push(`  ${server} (${wanted.host}): ${again instanceof HostKeyError ? `shows ${again.shown}, and --host-key says ${again.expected}: something else may answer there` : again.message}`);
        }
      }
    }),
  );
  if (unknown.length === 0 && silent.length === 0) return reached.sort((a, b) => servers.indexOf(a.server) - servers.indexOf(b.server));
  for (const { connection } of reached) connection.close();
  const parts = [
    ...(unknown.length === 0 ? [] : [`these servers show keys that nobody has confirmed:\n${unknown.sort().join("\n")}\nA blank server has a new key. Read it on the server's own console (cat /etc/ssh/ssh_host_ed25519_key.pub) and give it: --host-key '${firstWord(unknown)}=ssh-ed25519 AAAA…'`]),
    ...(silent.length === 0 ? [] : [`these servers cannot be used:\n${silent.sort().join("\n")}\nName the servers that are to be made again with --server where the others are not there.`]),
  ];
  throw new CliError(`nothing was changed: ${parts.join("\n")}`, silent.length > 0 ? exitCodes.unreachable : exitCodes.badInput);
}

function firstWord(lines: readonly string[]): string {
  return lines[0]?.trim().split(" ")[0] ?? "NAME";
}
