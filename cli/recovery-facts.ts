import type { Environment } from "../components/environment";
import type { RecoveryFacts } from "../components/recovery/status";
import { REMOTE_FOLDER } from "../components/servers/scripts";
import { shellCommand } from "../components/servers/shell";
import { watchedCheckpoints } from "../components/servers/watched-checkpoints";
import { visitServers, type UnreachableServer } from "./hosts";
import type { Progress } from "./terminal";

export interface RecoveryReport {
  facts: RecoveryFacts[];
  /** Servers that did not answer, or whose scripts are not there yet. */
  unreachable: UnreachableServer[];
}

/** Asks every server what it knows of its recovery. Changes nothing. */
export async function readRecoveryFacts(environment: Environment, privateKey: string | undefined, progress: Progress, signal?: AbortSignal): Promise<RecoveryReport> {
  const facts: RecoveryFacts[] = [];
  const silent: UnreachableServer[] = [];
  const lost = await visitServers(environment, privateKey, progress, async (connection, server, { connection: { host, port, user } }) => {
    const { code, stdout, stderr } = await connection.exec(factsCommand(environment, server, user), { signal });
    const found = code === 0 ? parseFacts(server, stdout) : undefined;
    if (found !== undefined) facts.push(found);
    else silent.push({ server, address: `${host}:${port}`, reason: `recovery-status.sh did not run there: ${stderr.trim().split("\n").at(-1) ?? "no message"}. \`rackwright up\` brings it` });
  }, signal);
  return { facts, unreachable: [...lost, ...silent] };
}

/** The command line on a server. Users other than root need password-less sudo. */
export function factsCommand(environment: Environment, server: string, user: string): string {
  const checkpoints = environment.cluster.distribution === "none" ? [] : watchedCheckpoints(environment, server);
  return shellCommand([
    ...(user === "root" ? [] : ["sudo", "-n"]),
    "bash", `${REMOTE_FOLDER}/scripts/recovery-status.sh`,
    ...checkpoints.flatMap(({ job, processes, first, path }) => ["--checkpoints", `${job}:${processes}:${first ? "yes" : "no"}=${path}`]),
  ]);
}

/** What recovery-status.sh prints; undefined where it is something else. */
export function parseFacts(server: string, text: string): RecoveryFacts | undefined {
  const facts: RecoveryFacts = { server, now: 0, checkpoints: [], training: [], backups: {} };
  for (const line of text.split("\n")) {
    const [kind, ...words] = line.split("\t");
    const [first = "", second = "", third = ""] = words;
    if (kind === "now") facts.now = Number(first);
    else if (kind === "checkpoint") facts.checkpoints.push({ job: first, step: Number(second), at: Number(third) });
    else if (kind === "training") facts.training.push(first);
    else if (kind === "backup") (facts.backups[first] ??= {})[second] = words.slice(2).join("\t");
  }
  return facts.now > 0 ? facts : undefined;
}
