import { fencedNodes } from "../components/recovery/fence/node";
import { clusterAccess } from "./cluster-access";
import { CliError, exitCodes } from "./exit";
import type { LoadedEnvironment } from "./project";

/**
 * A node's taints are one list, which the API server takes as a whole: who writes it without the taint of a fenced node takes
 * that away, and Kubernetes would start pods of a server that may still write elsewhere and there. A cluster that does not answer
 * is no reason: nothing can be written to it either.
 * @throws CliError with exit code 2 where a server of the environment is fenced.
 */
export async function requireNotFenced({ name, environment }: LoadedEnvironment, secrets: Readonly<Record<string, string>>): Promise<void> {
  if (environment.cluster.distribution === "none") return;
  const cluster = clusterAccess({ environment, secrets });
  try {
    const nodes = await fencedNodes(cluster.call).catch(() => []);
    const fenced = nodes.filter((node) => Object.hasOwn(environment.servers, node));
    if (fenced.length === 0) return;
    const commands = fenced.map((server) => `\`rackwright fence ${name} ${server} --release\``).join(", ");
    throw new CliError(`${fenced.join(", ")} ${fenced.length === 1 ? "is" : "are"} fenced: \`up\` writes taints as the environment has them, which would take the fence away. Nothing was changed. After the repair run ${commands}, or take ${fenced.length === 1 ? "the server" : "them"} out of \`servers\`.`, exitCodes.badInput);
  } finally {
    cluster.close();
  }
}
