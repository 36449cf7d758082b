import type { ImageId } from "../catalog/images";
import type { Environment } from "../environment/schema";

export type TrainingSpec = Environment["training"][string];
export type LauncherId = TrainingSpec["launcher"];

/** Port of PyTorch's rendezvous, on the first server. */
export const rendezvousPort = 29500;
/** Where the job's files are: ours, from a ConfigMap. */
export const filesMount = "/etc/rackwright";
/** One name for each start of all servers together, so that a process that outlived the one before joins nothing. */
const attempt = "@attempt@";

/** What a launcher runs in each of its processes. */
export interface Program {
  kind: "script" | "module" | "executable";
  target: string;
  args: string[];
}

/** What a launcher needs to know of one server of a job. */
export interface LaunchInput {
  launcher: LauncherId;
  program: Program;
  /** Of this server, counted from 0 in the order of the environment. */
  rank: number;
  servers: number;
  processesPerServer: number;
  /** Name or address of the first server's pod. */
  leader: string;
}

/** Images that hold a launcher, where the environment names none. */
export const launcherImages: Readonly<Record<LauncherId, ImageId>> = { torchrun: "pytorch", deepspeed: "deepspeed", colossalai: "colossalai" };

/**
 * Launchers start Python themselves: they want a script or a module, and other programs need a flag.
 * @example programOf(["python3", "-m", "own.train", "--lr", "1"]) // { kind: "module", target: "own.train", args: ["--lr", "1"] }
 */
export function programOf(command: readonly string[]): Program {
  const [first = "", ...rest] = command;
  if (!/^(.*\/)?python(3(\.\d+)?)?$/.test(first)) return first.endsWith(".py") ? { kind: "script", target: first, args: rest } : { kind: "executable", target: first, args: rest };
  // Unbuffered output is what the pods have anyway.
  const words = rest[0] === "-u" ? rest.slice(1) : rest;
  const [next = "", ...args] = words;
  if (next === "-m" && args[0] !== undefined) return { kind: "module", target: args[0], args: args.slice(1) };
  if (next !== "" && !next.startsWith("-")) return { kind: "script", target: next, args };
  return { kind: "executable", target: first, args: rest };
}

/** The launcher's command line on one server. Every flag is in its parser at the pinned version (test/training). */
export function launchCommand(input: LaunchInput): string[] {
  switch (input.launcher) {
    case "torchrun":
      return torchrun(input);
    case "deepspeed":
      return deepspeed(input);
    case "colossalai":
      // Its own launcher reaches other servers by SSH, which pods have not; under torchrun the program calls launch_from_torch().
      return input.servers === 1 ? colossalai(input) : torchrun(input);
  }
}

/**
 * Static rendezvous: with c10d the ranks of a server are dealt out anew at each start, and would look for checkpoint
 * shards on the wrong server. Restarts are run_together.py's, for each needs a fresh choice of the checkpoint.
 */
function torchrun({ program, rank, servers, processesPerServer, leader }: LaunchInput): string[] {
  const form = { script: [], module: ["--module"], executable: ["--no-python"] }[program.kind];
  return [
    "torchrun",
    "--nnodes", String(servers),
    "--nproc-per-node", String(processesPerServer),
    "--node-rank", String(rank),
    "--rdzv-backend", "static",
    "--rdzv-id", attempt,
    "--master-addr", leader,
    "--master-port", String(rendezvousPort),
    "--max-restarts", "0",
    ...form, program.target, ...program.args,
  ];
}

/** `--no_ssh`: one launcher on each server instead of one that logs in to the others. */
function deepspeed({ program, rank, leader }: LaunchInput): string[] {
  const form = { script: [], module: ["--module"], executable: ["--no_python"] }[program.kind];
  return [
    "deepspeed",
    "--hostfile", `${filesMount}/hostfile`,
    "--no_ssh",
    "--node_rank", String(rank),
    "--master_addr", leader,
    "--master_port", String(rendezvousPort),
    ...form, program.target, ...program.args,
  ];
}

function colossalai({ program, processesPerServer }: LaunchInput): string[] {
  // `--` keeps the program's own options from the launcher's parser. It runs the words through a shell.
  const words = [program.target, ...program.args].map(quote);
  const run = ["colossalai", "run", "--nproc_per_node", String(processesPerServer), "--master_port", String(rendezvousPort)];
  return program.kind === "module" ? [...run, "-m", words[0] ?? "", "--", ...words.slice(1)] : [...run, "--", ...words];
}

function quote(word: string): string {
  return /^[A-Za-z0-9_./:=,@%+-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

/** DeepSpeed's hostfile: one line a server, in rank order. */
export function hostfile(hosts: readonly string[], processesPerServer: number): string {
  return hosts.map((host) => `${host} slots=${processesPerServer}\n`).join("");
}
