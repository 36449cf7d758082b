import { spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { CliError, exitCodes } from "./exit";
import type { ExitCode } from "./exit";
import { projectRoot } from "./project";

/** The environment's Pulumi stack as `pulumi stack export` prints it; undefined where there is no such stack yet. */
export async function pulumiStack(environment: string): Promise<string | undefined> {
  const child = spawn("pulumi", ["stack", "export", "--stack", environment], { cwd: projectRoot, stdio: ["ignore", "pipe", "pipe"] });
  const [stdout, stderr, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, "close") as Promise<[number | null]>]);
  if (code === 0) return stdout;
  if (/no stack named/i.test(stderr)) return undefined;
  throw new CliError(`pulumi stack export --stack ${environment} failed:\n${stderr.trim()}`, exitCodes.unreachable);
}

/** URNs that the environment's Pulumi stack holds; empty where there is no such stack yet. */
export async function pulumiUrns(environment: string): Promise<Set<string>> {
  const stack = await pulumiStack(environment);
  const state = JSON.parse(stack ?? "{}") as { deployment?: { resources?: { urn: string }[] } };
  return new Set((state.deployment?.resources ?? []).map(({ urn }) => urn));
}

/** Runs pulumi in the project with the user's own terminal. */
export async function runPulumi(parameters: string[]): Promise<ExitCode> {
  const child = spawn("pulumi", parameters, { cwd: projectRoot, stdio: "inherit" });
  // The terminal sends Ctrl-C to pulumi as well; it decides what to finish.
  const ignore = (): void => undefined;
  process.on("SIGINT", ignore);
  try {
    const [code] = (await once(child, "close")) as [number | null];
    return code === 0 ? exitCodes.well : exitCodes.finding;
  } finally {
    process.off("SIGINT", ignore);
  }
}
