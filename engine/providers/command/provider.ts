import { randomBytes } from "node:crypto";
import { isAbsolute, resolve } from "node:path";
import { Archive, Asset, isMap, revealSecrets, sameValue } from "../../values";
import type { PropertyMap, Value } from "../../values";
import type {
  CheckFailure,
  CheckRequest,
  CreateRequest,
  DeleteRequest,
  DiffRequest,
  Inputs,
  Outputs,
  Provider,
  ProviderInstance,
  ProviderLog,
  ReadRequest,
  UpdateRequest,
} from "../provider";
import { checkInputs } from "./check";
import type { SshConnectionSettings } from "./connection";
import { addressOf } from "./connection";
import { diffInputs } from "./diff";
import type { DetailedDiff } from "./diff";
import { collectFiles } from "./files";
import { runLocally } from "./local";
import { ConnectionPool } from "./pool";
import { previewCreate, previewUpdate, producedBefore } from "./preview";
import { open } from "./properties";
import { redactor } from "./redact";
import type { Redact } from "./redact";
import type { CommandRun } from "./run";
import { resultOf } from "./run";
import { RESOURCES, isResourceType } from "./schema";
import type { ResourceType } from "./schema";
import type { ExecResult } from "./ssh";
import { withHashes } from "./source-hash";
import type { UploadSource } from "./upload";

const DEFAULT_INTERPRETER = ["/bin/sh", "-c"];

interface Step {
  type: ResourceType;
  inputs: Inputs;
  /** Results of the run before this one. */
  previous: PropertyMap;
  signal: AbortSignal;
  log: ProviderLog;
  redact: Redact;
}

function text(value: Value | undefined): string | undefined {
  const plain = open(value);
  return typeof plain === "string" ? plain : undefined;
}

function texts(value: Value | undefined): string[] | undefined {
  const plain = open(value);
  return Array.isArray(plain) ? plain.map((item) => text(item) ?? "") : undefined;
}

function environmentOf(inputs: Inputs): Record<string, string> {
  const plain = open(inputs["environment"]);
  return isMap(plain) ? Object.fromEntries(Object.entries(plain).map(([key, value]) => [key, text(value) ?? ""])) : {};
}

function previousEnvironment(step: Step): Record<string, string> {
  if (open(step.inputs["addPreviousOutputInEnv"]) === false) return {};
  const stdout = text(step.previous["stdout"]) ?? "";
  const stderr = text(step.previous["stderr"]) ?? "";
  return {
    ...(stdout === "" ? {} : { PULUMI_COMMAND_STDOUT: stdout }),
    ...(stderr === "" ? {} : { PULUMI_COMMAND_STDERR: stderr }),
  };
}

/** Settings were checked by `checkInputs`, in this run or in the one that wrote the state. */
function connectionOf(inputs: Inputs): SshConnectionSettings {
  return revealSecrets(inputs["connection"] ?? {}) as unknown as SshConnectionSettings;
}

function endOf(result: ExecResult): string {
  if (result.signal === undefined) return `Process exited with status ${String(result.code)}`;
  return `Process exited from signal ${result.signal}`;
}

function randomId(prefix: string): string {
  return `${prefix}${randomBytes(4).toString("hex")}`;
}

function nameOf(urn: string): string {
  return urn.split("::").slice(3).join("::");
}

function sourceOf(inputs: Inputs, programDir: string): UploadSource {
  const source = open(inputs["source"]);
  if (source instanceof Asset || source instanceof Archive) {
    if ("text" in source.source) return { text: source.source.text };
    if ("path" in source.source) {
      const { path } = source.source;
      if (isAbsolute(path)) return { path };
      // resolve() drops a trailing slash, which means "the content of the folder".
      return { path: resolve(programDir, path) + (path.endsWith("/") ? "/" : "") };
    }
  }
  throw new Error("source is neither a file, nor a folder, nor a text");
}

/**
 * `@pulumi/command` 1.2.1 without its plugin: `command:local:Command`, `command:remote:Command` and
 * `command:remote:CopyToRemote`, with the inputs, outputs, diffs and messages of the real one, so that state can be
 * handed over to it. Deliberately different: connections are shared among steps, a refused host key is final, a
 * refused login is retried three times only, and no message carries a secret.
 */
export class CommandProvider implements Provider, ProviderInstance {
  readonly package = "command";
  readonly version = "1.2.1";
  private readonly pool = new ConnectionPool();

  constructor(
    private readonly options: {
      /** Folder of the Pulumi program: working directory of local commands, and what relative paths start from. */
      programDir: string;
    },
  ) {}

  supports(type: string): boolean {
    return isResourceType(type);
  }

  /** The package has no settings. */
  configure(): ProviderInstance {
    return this;
  }

  async check({ type, news }: CheckRequest): Promise<{ inputs: Inputs; failures: CheckFailure[] }> {
    const checked = checkInputs(this.known(type), news);
    const { source } = checked.inputs;
    if (source === undefined || checked.failures.length > 0) return checked;
    try {
      const hashed = await withHashes(source, this.options.programDir);
      return { ...checked, inputs: { ...checked.inputs, source: hashed } };
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      return { ...checked, failures: [{ property: "source", reason: `cannot be read: ${reason}` }] };
    }
  }

  diff(request: DiffRequest): Promise<DetailedDiff> {
    return Promise.resolve(diffInputs(request));
  }

  async create(request: CreateRequest): Promise<{ id: string; outputs: Outputs }> {
    const type = this.known(request.type);
    const isCopy = type === "command:remote:CopyToRemote";
    const id = randomId(isCopy ? "" : nameOf(request.urn));
    if (request.preview) {
      return { id: isCopy ? "" : id, outputs: previewCreate(type, request.inputs) };
    }
    return this.guarded(request, request.inputs, async (guards) => {
      const step: Step = { type, inputs: request.inputs, previous: {}, ...guards };
      return { id, outputs: isCopy ? await this.copy(step) : await this.runCommand(step, text(request.inputs["create"])) };
    });
  }

  async update(request: UpdateRequest): Promise<{ outputs: Outputs }> {
    const type = this.known(request.type);
    const inputs = request.newInputs;
    if (request.preview) return { outputs: previewUpdate(type, request.oldOutputs, inputs) };
    const secrets = { ...request.oldOutputs, ...inputs };
    return this.guarded(request, secrets, async (guards) => {
      const step: Step = { type, inputs, previous: producedBefore(request.oldOutputs), ...guards };
      if (type === "command:remote:CopyToRemote") {
        const copied =
          sameValue(open(request.oldOutputs["source"]), open(inputs["source"])) &&
          text(request.oldOutputs["remotePath"]) === text(inputs["remotePath"]);
        return { outputs: copied ? inputs : await this.copy(step) };
      }
      return { outputs: await this.runCommand(step, text(inputs["update"]) ?? text(inputs["create"])) };
    });
  }

  async delete(request: DeleteRequest): Promise<void> {
    const type = this.known(request.type);
    const command = text(request.outputs["delete"]);
    if (type === "command:remote:CopyToRemote" || command === undefined) return;
    await this.guarded(request, request.outputs, async (guards) => {
      const previous = producedBefore(request.outputs);
      await this.runCommand({ type, inputs: request.outputs, previous, ...guards }, command);
    });
  }

  read(request: ReadRequest): Promise<{ id: string; inputs: Inputs; outputs: Outputs }> {
    return Promise.resolve({ id: request.id, inputs: request.inputs ?? {}, outputs: request.outputs ?? {} });
  }

  /** Closes the shared connections; without it they close five seconds after their last use. */
  close(): void {
    this.pool.close();
  }

  private known(type: string): ResourceType {
    if (isResourceType(type)) return type;
    throw new Error(
      `${type} is not covered by the embedded engine, which knows ${Object.keys(RESOURCES).join(", ")}; run the stack with pulumi`,
    );
  }

  /** Sets the step's time limit, and keeps secrets out of every line and message that leaves the provider. */
  private async guarded<T>(
    request: { signal: AbortSignal; log: ProviderLog; timeoutSeconds?: number },
    secrets: PropertyMap,
    work: (guards: Pick<Step, "signal" | "log" | "redact">) => Promise<T>,
  ): Promise<T> {
    const redact = redactor(secrets);
    const { timeoutSeconds } = request;
    const limit = timeoutSeconds === undefined ? undefined : AbortSignal.timeout(timeoutSeconds * 1_000);
    const signal = limit === undefined ? request.signal : AbortSignal.any([request.signal, limit]);
    try {
      return await work({ signal, redact, log: (severity, message) => request.log(severity, redact(message)) });
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      if (limit?.aborted === true && !request.signal.aborted) {
        throw new Error(`stopped after ${String(timeoutSeconds)} s, the limit that customTimeouts sets`, { cause: error });
      }
      error.message = redact(error.message);
      if (error.stack !== undefined) error.stack = redact(error.stack);
      throw error;
    }
  }

  private async copy(step: Step): Promise<Outputs> {
    const settings = connectionOf(step.inputs);
    const source = sourceOf(step.inputs, this.options.programDir);
    const remotePath = text(step.inputs["remotePath"]) ?? "";
    const onRetry = (message: string): void => step.log("info", message);
    await this.pool.use(settings, { signal: step.signal, onRetry }, (connection) =>
      connection.upload(source, remotePath, { signal: step.signal }),
    );
    return step.inputs;
  }

  /** The step's inputs are the outputs too; `command` undefined means that there is nothing to run. */
  private async runCommand(step: Step, command: string | undefined): Promise<Outputs> {
    const inputs = Object.fromEntries(Object.entries(step.inputs).filter(([name]) => !(name in step.previous)));
    const kept = { ...inputs, stdout: "", stderr: "", ...step.previous };
    if (command === undefined) return kept;
    const logging = text(step.inputs["logging"]) ?? "stdoutAndStderr";
    const info = (line: string): void => step.log("info", line);
    const run: CommandRun = {
      command,
      stdin: text(step.inputs["stdin"]),
      environment: environmentOf(step.inputs),
      previous: previousEnvironment(step),
      onStdout: logging === "stdout" || logging === "stdoutAndStderr" ? info : undefined,
      onStderr: logging === "stderr" || logging === "stdoutAndStderr" ? info : undefined,
      warn: (message) => step.log("warning", message),
      redact: step.redact,
      signal: step.signal,
    };
    const produced =
      step.type === "command:local:Command" ? await this.local(step.inputs, run) : await this.remote(step, run);
    return { ...kept, ...produced };
  }

  private async local(inputs: Inputs, run: CommandRun): Promise<PropertyMap> {
    const given = text(inputs["dir"]);
    const directory = resolve(this.options.programDir, given ?? ".");
    const interpreter = texts(inputs["interpreter"]) ?? [];
    const produced = await runLocally({
      ...run,
      directory,
      interpreter: interpreter.length > 0 ? interpreter : DEFAULT_INTERPRETER,
    });
    const files = await collectFiles(directory, given ?? directory, {
      assetPaths: texts(inputs["assetPaths"]),
      archivePaths: texts(inputs["archivePaths"]),
    });
    return { ...produced, ...files };
  }

  private remote(step: Step, run: CommandRun): Promise<PropertyMap> {
    const settings = connectionOf(step.inputs);
    const onRetry = (message: string): void => step.log("info", message);
    return this.pool.use(settings, { signal: step.signal, onRetry }, async (connection) => {
      const names = [...Object.keys(run.environment), ...Object.keys(run.previous)];
      const accepted = names.length === 0 ? new Set<string>() : await connection.acceptsEnvironment(names, run.signal);
      const hint =
        `${addressOf(settings)} does not accept it: list it under AcceptEnv in the host's sshd_config, ` +
        `or begin the command with NAME=value`;
      for (const name of Object.keys(run.environment)) {
        if (!accepted.has(name)) throw new Error(`could not set environment variable "${name}": ${hint}`);
      }
      for (const name of Object.keys(run.previous)) {
        if (!accepted.has(name)) run.warn(`Unable to set '${name}'. ${hint}`);
      }
      const result = await connection.exec(run.command, {
        env: { ...run.environment, ...run.previous },
        ...(run.stdin === undefined ? {} : { stdin: run.stdin }),
        ...(run.onStdout === undefined ? {} : { onStdout: run.onStdout }),
        ...(run.onStderr === undefined ? {} : { onStderr: run.onStderr }),
        signal: run.signal,
      });
      return { ...resultOf(run, result, endOf) };
    });
  }
}
