import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach } from "vitest";
import { destroy, preview, refresh, up } from "../../engine";
import type { EngineEvent, EngineOptions, EngineResult } from "../../engine";

export const fixtures = join(__dirname, "fixtures");
export const PASSPHRASE = "correct horse";
export const TOKEN = "s3cr3t-t0ken";

/** One resource of the `options` fixture; see there. */
export interface Wanted {
  name: string;
  component?: string;
  args?: Record<string, unknown>;
  from?: Record<string, string>;
  secret?: string[];
  options?: Record<string, unknown>;
  outputs?: Record<string, unknown>;
}

/** Settings of a stack with a secret. Others do without, because deriving the key takes most of a short run. */
export const withSecret = { secretConfig: { "options:token": TOKEN }, passphrase: PASSPHRASE };

export interface Outcome extends EngineResult {
  events: EngineEvent[];
  /** Steps in the order in which they were done: "create first", "delete second". */
  steps: string[];
}

const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "engine-"));
  folders.push(folder);
  return folder;
}

/** Short form of an event of a finished step. */
export function stepsOf(events: EngineEvent[]): string[] {
  return events.flatMap(({ resOutputsEvent }) => {
    if (resOutputsEvent === undefined) return [];
    const { op, urn, type } = resOutputsEvent.metadata;
    return type.startsWith("pulumi:") ? [] : [`${op} ${urn.slice(urn.lastIndexOf("::") + 2)}`];
  });
}

/** A stack of the `options` fixture with its own state file. */
export class TestStack {
  readonly stateFile: string;
  readonly log: string;

  constructor(
    private readonly settings: Partial<EngineOptions> = {},
    readonly folder = temporaryFolder(),
  ) {
    this.stateFile = join(folder, "state.json");
    this.log = join(folder, "log");
  }

  options(resources: Wanted[], more: Partial<EngineOptions> = {}): EngineOptions {
    return {
      project: "options",
      stack: "test",
      programDir: join(fixtures, "options"),
      stateFile: this.stateFile,
      ...this.settings,
      ...more,
      config: { "options:resources": JSON.stringify(resources), ...this.settings.config, ...more.config },
    };
  }

  async run(work: typeof up, resources: Wanted[], more: Partial<EngineOptions> = {}): Promise<Outcome> {
    const events: EngineEvent[] = [];
    const result = await work(this.options(resources, { onEvent: (event) => { events.push(event); }, ...more }));
    return { ...result, events, steps: stepsOf(events) };
  }

  preview(resources: Wanted[], more: Partial<EngineOptions> = {}): Promise<Outcome> {
    return this.run(preview, resources, more);
  }
  up(resources: Wanted[], more: Partial<EngineOptions> = {}): Promise<Outcome> {
    return this.run(up, resources, more);
  }
  destroy(more: Partial<EngineOptions> = {}): Promise<Outcome> {
    return this.run(destroy, [], more);
  }
  refresh(more: Partial<EngineOptions> = {}): Promise<Outcome> {
    return this.run(refresh, [], more);
  }

  /** What commands made by `logging` have written, line by line. */
  lines(): string[] {
    return existsSync(this.log) ? readFileSync(this.log, "utf8").trim().split("\n") : [];
  }

  /** Arguments of a command that writes what is done to it into the log. */
  logging(name: string, more: Record<string, unknown> = {}): Record<string, unknown> {
    const write = (what: string): string => `echo "${what} ${name}" >> ${this.log}`;
    return { create: write("create"), update: write("update"), delete: write("delete"), ...more };
  }

  state(): { resources: StateResource[]; pending: unknown[]; text: string } {
    const text = readFileSync(this.stateFile, "utf8");
    const { deployment } = JSON.parse(text) as { deployment: { resources?: StateResource[]; pending_operations?: unknown[] } };
    return { resources: deployment.resources ?? [], pending: deployment.pending_operations ?? [], text };
  }

  /** Names of the resources in state, without the stack and its providers. */
  names(): string[] {
    return this.state().resources.filter(({ type }) => !type.startsWith("pulumi:")).map(({ urn }) => urn.slice(urn.lastIndexOf("::") + 2));
  }

  resource(name: string): StateResource {
    const found = this.state().resources.find(({ urn }) => urn.endsWith(`::${name}`));
    if (found === undefined) throw new Error(`no resource ${name} in state`);
    return found;
  }
}

/** A stack that several tests share; `discard` removes it. */
export function stackWith(settings: Partial<EngineOptions>): { stack: TestStack; discard: () => void } {
  const folder = mkdtempSync(join(tmpdir(), "engine-"));
  return { stack: new TestStack(settings, folder), discard: () => { rmSync(folder, { recursive: true, force: true }); } };
}

export interface StateResource {
  urn: string;
  type: string;
  id?: string;
  inputs?: Record<string, unknown>;
  outputs?: Record<string, unknown>;
  [field: string]: unknown;
}
