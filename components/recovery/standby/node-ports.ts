import { shortHash } from "../../hash";
import type { ServicePlan } from "../../inference/plan-types";

/** Kubernetes' own range for node ports. */
const firstPort = 30000;
const portCount = 2768;

/**
 * A port for each workload, the same on every node, so that `<server address>:<port>` is the replica on that server and no
 * other. Made of the workload's name, so that it stays when others come and go; of two that would have the same, the one
 * whose name comes later in the alphabet tries the next.
 * @throws Error where there are more workloads than ports.
 */
export function nodePorts(services: readonly Pick<ServicePlan, "workloads">[]): Map<string, number> {
  const names = services.flatMap(({ workloads }) => workloads.map(({ name }) => name)).sort();
  if (names.length > portCount) throw new Error(`${names.length} workloads are more than the ${portCount} node ports of a cluster`);
  const taken = new Set<number>();
  return new Map(
    names.map((name) => {
      let place = parseInt(shortHash(name, 8), 16) % portCount;
      while (taken.has(place)) place = (place + 1) % portCount;
      taken.add(place);
      return [name, firstPort + place];
    }),
  );
}
