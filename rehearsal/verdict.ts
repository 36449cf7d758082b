import { RehearsalError } from "./process";
import type { StandIn } from "./standins";

/** One thing that a rehearsal looked at. */
export interface Check {
  name: string;
  ok: boolean;
  /** What was seen; where not ok, what was wanted instead. */
  detail: string;
  seconds: number;
}

export interface Verdict {
  environment: string;
  ok: boolean;
  servers: readonly string[];
  /** Servers of the environment that were not emulated: they have the shape of one that was, or there was no room. */
  leftOut: readonly string[];
  checks: readonly Check[];
  /** Checks that were not made because an earlier one failed. */
  notMade: readonly string[];
  standIns: readonly StandIn[];
  /** What was measured, a line each. */
  notes?: readonly string[];
  seconds: number;
}

/** A check that did not find what it should. */
export class Mismatch extends Error {}

/** @throws Mismatch with `message` unless `condition` holds. */
export function must(condition: boolean, message: string): asserts condition {
  if (!condition) throw new Mismatch(message);
}

/** Makes checks one after the other and keeps what came out. */
export class Checks {
  readonly list: Check[] = [];

  constructor(
    private readonly onProgress: (line: string) => void,
    private readonly signal?: AbortSignal,
  ) {}

  /**
   * Runs one check. It passes when `look` returns what was seen and fails when it throws.
   * @throws RehearsalError when the rehearsal was told to stop: what was cut off says nothing.
   */
  async make(name: string, look: () => Promise<string>): Promise<boolean> {
    this.goOn();
    this.onProgress(name);
    const started = Date.now();
    let ok = true;
    let detail: string;
    try {
      detail = await look();
    } catch (error) {
      this.goOn();
      ok = false;
      detail = error instanceof Error ? error.message : String(error);
    }
    const seconds = Math.round((Date.now() - started) / 100) / 10;
    this.list.push({ name, ok, detail, seconds });
    this.onProgress(`${ok ? "ok" : "FAILED"}  ${name}: ${detail} (${seconds} s)`);
    return ok;
  }

  private goOn(): void {
    if (this.signal?.aborted === true) throw new RehearsalError("The rehearsal was stopped.");
  }

  get ok(): boolean {
    return this.list.length > 0 && this.list.every((check) => check.ok);
  }
}

/** One verdict of several rehearsals of the same environment. Good where all are. */
export function joinVerdicts(verdicts: readonly Verdict[]): Verdict {
  const standIns = verdicts.flatMap((verdict) => verdict.standIns);
  const notes = verdicts.flatMap((verdict) => verdict.notes ?? []);
  return {
    environment: verdicts[0]?.environment ?? "",
    ok: verdicts.length > 0 && verdicts.every(({ ok }) => ok),
    servers: [...new Set(verdicts.flatMap(({ servers }) => servers))],
    leftOut: [...new Set(verdicts.flatMap(({ leftOut }) => leftOut))],
    checks: verdicts.flatMap(({ checks }) => checks),
    notMade: verdicts.flatMap(({ notMade }) => notMade),
    standIns: standIns.filter(({ what, standsInFor }, index) => standIns.findIndex((other) => other.what === what && other.standsInFor === standsInFor) === index),
    ...(notes.length === 0 ? {} : { notes }),
    seconds: verdicts.reduce((sum, { seconds }) => sum + seconds, 0),
  };
}
