import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { parse } from "yaml";

// Exit code of a program that has already told the user what is wrong.
const ALREADY_REPORTED = 32;

export interface ProgramOptions {
  project: string;
  stack: string;
  programDir: string;
  config: Record<string, string>;
  secretConfig: Record<string, string>;
  preview: boolean;
  parallel: number;
  nodePath: string;
  nodeArgs?: string[];
  /** `host:port` of the resource monitor and of the engine service. */
  address: string;
  onOutput: (line: string, stream: "stdout" | "stderr") => void;
}

export interface ProjectSettings {
  main: string;
  nodeArgs: string[];
  typescript: boolean;
}

/** What Pulumi.yaml says about running the program, so that both engines run it in the same way. */
export function projectSettings(programDir: string): ProjectSettings {
  const file = join(programDir, "Pulumi.yaml");
  const project = (existsSync(file) ? parse(readFileSync(file, "utf8")) : {}) as {
    main?: string;
    runtime?: string | { options?: { nodeargs?: string; typescript?: boolean } };
  } | null;
  const options = typeof project?.runtime === "object" ? project.runtime.options : undefined;
  return {
    main: project?.main ?? ".",
    nodeArgs: splitArgs(options?.nodeargs ?? ""),
    typescript: options?.typescript ?? true,
  };
}

/** Splits a command line as a shell would, quotes included. */
export function splitArgs(text: string): string[] {
  const words = text.match(/(?:[^\s"']|"[^"]*"|'[^']*')+/g) ?? [];
  return words.map((word) => word.replace(/"([^"]*)"|'([^']*)'/g, "$1$2"));
}

/** `a:b` becomes `a:config:b`, the form in which the language host hands configuration to a program. */
export function programConfig(config: Record<string, string>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(config).map(([key, value]) => [key.replace(/^([^:]+):(?!config:)/, "$1:config:"), value]),
  );
}

export function resolveFrom(folder: string, module: string): string {
  try {
    return createRequire(join(folder, "index.js")).resolve(module);
  } catch {
    throw new Error(`${folder} cannot find ${module}; run "npm ci" there first`);
  }
}

export interface RunningProgram {
  /** Why the program failed; undefined when it ended well. An empty text means that the user has been told already. */
  ended: Promise<string | undefined>;
  /** Ends it where it is. */
  close(): void;
}

/** Lines of a child's output, both streams. */
export function forwardOutput(child: ChildProcess, onOutput: ProgramOptions["onOutput"]): void {
  for (const stream of ["stdout", "stderr"] as const) {
    const source = child[stream];
    if (source !== null) createInterface({ input: source }).on("line", (line) => { onOutput(line, stream); });
  }
}

/** What the engine's children need where the site has a proxy for everything: gRPC asks it for 127.0.0.1 as well, and hangs. */
export const LOOPBACK_WITHOUT_PROXY = { no_grpc_proxy: "127.0.0.1,localhost" } as const;

/** Starts the program with the same arguments and environment as Pulumi's language host. */
export function startProgram(options: ProgramOptions): RunningProgram {
  const settings = projectSettings(options.programDir);
  const args = [
    ...(options.nodeArgs ?? settings.nodeArgs),
    resolveFrom(options.programDir, "@pulumi/pulumi/cmd/run"),
    "--monitor", options.address,
    "--engine", options.address,
    "--organization", "organization",
    "--project", options.project,
    "--root-directory", options.programDir,
    "--stack", options.stack,
    "--pwd", options.programDir,
    ...(options.preview ? ["--dry-run"] : []),
    "--parallel", String(options.parallel),
    settings.main,
  ];
  const environment: NodeJS.ProcessEnv = {
    ...process.env,
    ...LOOPBACK_WITHOUT_PROXY,
    PULUMI_CONFIG: JSON.stringify(programConfig({ ...options.config, ...options.secretConfig })),
    PULUMI_CONFIG_SECRET_KEYS: JSON.stringify(Object.keys(options.secretConfig)),
    ...(settings.typescript ? { PULUMI_NODEJS_TYPESCRIPT: "true" } : {}),
  };
  // The program has no need of it, and its children would inherit it.
  delete environment["PULUMI_CONFIG_PASSPHRASE"];
  const child = spawn(options.nodePath, args, {
    cwd: options.programDir,
    env: environment,
    stdio: ["ignore", "pipe", "pipe"],
    // Its own group, so that an interrupt of the terminal reaches the engine alone, which ends the program in order.
    detached: true,
  });
  forwardOutput(child, options.onOutput);
  const ended = new Promise<string | undefined>((resolve) => {
    child.on("error", (error) => { resolve(`the program could not be started: ${error.message}`); });
    child.on("close", (code, signal) => { resolve(failure(code, signal)); });
  });
  return { ended, close: () => { child.kill("SIGKILL"); } };
}

function failure(code: number | null, signal: NodeJS.Signals | null): string | undefined {
  if (code === 0) return undefined;
  if (code === ALREADY_REPORTED) return "";
  if (code === null) return `the program was ended by ${signal ?? "a signal"}`;
  return `the program exited with code ${String(code)}`;
}
