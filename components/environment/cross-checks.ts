import { bmcFindings } from "./checks/bmcs";
import type { Checkable } from "./checks/checkable";
import { coldStartFindings } from "./checks/cold-start";
import { driveFindings } from "./checks/drives";
import { hardwareFindings } from "./checks/hardware";
import { roomFindings } from "./checks/room";
import { workloadFindings } from "./checks/workloads";
import type { Finding } from "./problems";

/**
 * What must agree across parts of an environment: references exist, names are unique, numbers add up. Contradictions only;
 * what is unwise but possible is a policy.
 * @param defaultPort SSH port of servers that give none.
 */
export function crossCheck(environment: Checkable, defaultPort: number): Finding[] {
  return [...driveFindings(environment), ...hardwareFindings(environment), ...roomFindings(environment, defaultPort), ...bmcFindings(environment), ...workloadFindings(environment), ...coldStartFindings(environment)];
}
