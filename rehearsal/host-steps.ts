import { join } from "node:path";
import type { Environment } from "../components/environment/schema";
import { commandLine, planServer, type HostStep } from "../components/servers";
import { REMOTE_FOLDER } from "../components/servers/scripts";
import { run, type Finished } from "./process";
import type { Ssh } from "./ssh";

/** Copies the scripts that `up` runs onto a server, to where it has them. */
export async function copyScripts(ssh: Ssh): Promise<void> {
  const archive = await run("sh", ["-c", `tar -C '${join(__dirname, "../components/servers")}' -czf - scripts | base64`]);
  await ssh.run(`mkdir -p ${REMOTE_FOLDER} && base64 -d | tar -xz -C ${REMOTE_FOLDER}`, { input: archive });
}

/** The steps that make the tiers of a server, with the plan's own flags. */
export function tierSteps(environment: Environment, server: string): HostStep[] {
  return planServer(environment, server).steps.filter(({ kind }) => kind === "storage-tier");
}

/** Runs a step as `up` and `drift` do: the copied script, by the same command line. */
export function runStep(ssh: Ssh, step: HostStep, verb: "check" | "apply"): Promise<Finished> {
  return ssh.try(commandLine(step, verb, "root"));
}
