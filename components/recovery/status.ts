import type { Environment } from "../environment/schema";
import { checkpointOverdueSeconds } from "../training/alerts";
import { verifiedWithinDays } from "./alerts";
import { planBackups } from "./backup-plan";

/** What one server told of its recovery (recovery-status.sh). */
export interface RecoveryFacts {
  server: string;
  /** The server's own clock, in seconds since 1970. */
  now: number;
  checkpoints: { job: string; step: number; at: number }[];
  /** Jobs that train there now. */
  training: string[];
  /** What is remembered of backups, by file and key: `source-cluster`, `kept-gpu-01-cluster`. */
  backups: Record<string, Record<string, string>>;
}

/** How a rehearsal of a level ended. */
export interface Rehearsal {
  /** Seconds since 1970. */
  at: number;
  ok: boolean;
  /** The worst of its runs: seconds without service, or until the site was there again. */
  seconds: number;
  /** What was rehearsed, and on what. */
  how: string;
}

export type RehearsedLevel = "standby" | "coldStart";

export interface LevelStatus {
  level: "checkpoints" | "backup" | "standby" | "cold start";
  /** A job, `server/content` of a backup, or nothing where there is one of its level. */
  what: string;
  /** `missed`: a target is not met, or the last try failed. `unknown`: nobody can say, which is as bad. `off`: not asked for. */
  verdict: "well" | "missed" | "unknown" | "off";
  reason: string;
  /** Seconds since 1970. */
  lastSuccess?: number;
  lastRehearsal?: number;
  /** What would be lost now, in seconds of work, and what may be. */
  rpoSeconds?: number;
  rpoTargetSeconds?: number;
  /** How long it takes to be back, in seconds, and how long it may. */
  rtoSeconds?: number;
  rtoTargetSeconds?: number;
}

const hour = 3600;
const day = 24 * hour;

/** What stands for each level of recovery. Pure; what no server has told is unknown, never assumed. */
export function recoveryStatus(environment: Environment, facts: readonly RecoveryFacts[], rehearsals: Partial<Record<RehearsedLevel, Rehearsal>>, now: number): LevelStatus[] {
  return [...checkpointLevels(environment, facts), ...backupLevels(environment, facts), standbyLevel(environment, rehearsals.standby), coldStartLevel(environment, rehearsals.coldStart, now)];
}

function checkpointLevels(environment: Environment, facts: readonly RecoveryFacts[]): LevelStatus[] {
  const target = checkpointOverdueSeconds(environment);
  return Object.entries(environment.training).map(([job, { servers }]): LevelStatus => {
    const base = { level: "checkpoints", what: job, rpoTargetSeconds: target } as const;
    const silent = servers.filter((server) => !facts.some((fact) => fact.server === server));
    if (silent.length > 0) return { ...base, verdict: "unknown", reason: `no word from ${silent.join(", ")}` };
    const newest = servers.map((server) => {
      const fact = facts.find((each) => each.server === server);
      return { server, now: fact?.now ?? 0, found: fact?.checkpoints.find((each) => each.job === job) };
    });
    const trains = facts.some(({ training }) => training.includes(job));
    const without = newest.filter(({ found }) => found === undefined).map(({ server }) => server);
    if (without.length > 0) return { ...base, verdict: trains ? "unknown" : "off", reason: `${without.join(", ")} has no whole checkpoint${trains ? "" : ", and the job does not train"}` };
    // All servers must have it: the one that is furthest behind counts.
    const ages = newest.map(({ now: at, found }) => at - (found?.at ?? 0));
    const age = Math.max(...ages);
    const step = Math.min(...newest.map(({ found }) => found?.step ?? 0));
    const success = { lastSuccess: Math.min(...newest.map(({ found }) => found?.at ?? 0)) };
    if (!trains) return { ...base, ...success, verdict: "well", reason: `step ${step}; the job does not train now` };
    return { ...base, ...success, rpoSeconds: age, verdict: age > target ? "missed" : "well", reason: `step ${step}${age > target ? ": the next one is overdue" : ""}` };
  });
}

const number = (text: string | undefined): number | undefined => (text !== undefined && /^\d+$/.test(text) ? Number(text) : undefined);

function backupLevels(environment: Environment, facts: readonly RecoveryFacts[]): LevelStatus[] {
  const { sources, stores, without } = planBackups(environment);
  const { enabled, everyHours } = environment.recovery.backup;
  if (!enabled) return [{ level: "backup", what: "", verdict: "off", reason: "recovery.backup.enabled is false: the site has backups of its own" }];
  const lacking = without.map((server): LevelStatus => ({ level: "backup", what: server, verdict: "missed", reason: "there is no cold tier and no object store for it: its data exist once" }));
  const levels = Object.entries(sources).flatMap(([server, { contents }]) =>
    contents.map((content): LevelStatus => {
      const what = `${server}/${content}`;
      const keeper = Object.keys(stores).find((name) => stores[name]?.repositories.some((repository) => repository.server === server)) ?? server;
      const source = facts.find((fact) => fact.server === server);
      const store = facts.find((fact) => fact.server === keeper);
      const made = source?.backups[`source-${content}`] ?? {};
      const kept = store?.backups[`kept-${server}-${content}`] ?? {};
      const lastSuccess = number(made["last_success"]) ?? number(kept["newest"]);
      const restored = number(kept["restored"]);
      const base = {
        level: "backup", what, rpoTargetSeconds: everyHours * hour,
        ...(lastSuccess === undefined ? {} : { lastSuccess, rpoSeconds: (source ?? store)?.now === undefined ? 0 : ((source ?? store)?.now ?? 0) - lastSuccess }),
        ...(restored === undefined ? {} : { lastRehearsal: restored }),
        ...rtoOf(made, kept),
      } as const;
      const silent = [...(source === undefined ? [server] : []), ...(store === undefined && keeper !== server ? [keeper] : [])];
      const fault = [made["error"], kept["error"]].find((error) => error !== undefined && error !== "");
      if (fault !== undefined) return { ...base, verdict: "missed", reason: fault };
      if (silent.length > 0) return { ...base, verdict: "unknown", reason: `no word from ${silent.join(", ")}` };
      if (lastSuccess === undefined) return { ...base, verdict: "unknown", reason: "none has been made yet" };
      if ((base.rpoSeconds ?? 0) > 1.5 * everyHours * hour) return { ...base, verdict: "missed", reason: "the next one is overdue" };
      if (restored === undefined) return { ...base, verdict: "unknown", reason: "nobody has tried to restore from it yet" };
      if ((store?.now ?? 0) - restored > verifiedWithinDays * day) return { ...base, verdict: "missed", reason: "the last try to restore from it is too long ago" };
      return { ...base, verdict: "well", reason: `kept on ${keeper}` };
    }),
  );
  return [...levels, ...lacking];
}

/** Time to restore all of a backup, at the rate at which files of it were restored last. */
function rtoOf(made: Readonly<Record<string, string>>, kept: Readonly<Record<string, string>>): { rtoSeconds?: number } {
  const [bytes, sample, milliseconds] = [number(made["bytes"]), number(kept["restored_bytes"]), number(kept["restored_milliseconds"])];
  return bytes === undefined || sample === undefined || milliseconds === undefined || sample === 0 ? {} : { rtoSeconds: Math.ceil((bytes / sample) * (milliseconds / 1000)) };
}

function standbyLevel({ recovery }: Environment, rehearsal: Rehearsal | undefined): LevelStatus {
  const { mode, switchWithinSeconds } = recovery.standby;
  const base = { level: "standby", what: "" } as const;
  if (mode === "none") return { ...base, verdict: "off", reason: "recovery.standby.mode is none" };
  return { ...base, rtoTargetSeconds: switchWithinSeconds, ...rehearsed(rehearsal, switchWithinSeconds) };
}

function coldStartLevel({ recovery }: Environment, rehearsal: Rehearsal | undefined, now: number): LevelStatus {
  const { rehearseEveryDays } = recovery.coldStart;
  const status = { level: "cold start", what: "", ...rehearsed(rehearsal, undefined) } as const;
  if (rehearsal !== undefined && rehearsal.ok && now - rehearsal.at > rehearseEveryDays * day) return { ...status, verdict: "missed", reason: `${status.reason}; it is to be rehearsed every ${rehearseEveryDays} days` };
  return status;
}

function rehearsed(rehearsal: Rehearsal | undefined, targetSeconds: number | undefined): Pick<LevelStatus, "verdict" | "reason" | "lastSuccess" | "lastRehearsal" | "rtoSeconds"> {
  if (rehearsal === undefined) return { verdict: "unknown", reason: "never rehearsed from this folder" };
  const { at, ok, seconds, how } = rehearsal;
  const times = { lastRehearsal: at, ...(ok ? { lastSuccess: at, rtoSeconds: seconds } : {}) };
  if (!ok) return { ...times, verdict: "missed", reason: `the last rehearsal failed: ${how}` };
  return { ...times, verdict: targetSeconds !== undefined && seconds > targetSeconds ? "missed" : "well", reason: how };
}
