import type { ClientLine } from "./client";
import type { EngineLine } from "./engine";

/** Who held the virtual address at one moment, among hosts that live. */
export interface HolderSample {
  at: number;
  holders: string[];
}

/** What clients saw of one run. */
export interface Measurement {
  requests: number;
  good: number;
  /** Requests that ended in an error which the client saw, by kind. */
  failed: Record<string, number>;
  /** Requests that no answer and no error ended. */
  silent: number;
  /** Ids that more than one engine was given, or one of them twice. */
  twice: string[];
  /** Longest time without a good answer: from the last one before the fault on. */
  outageSeconds: number;
  /** From a fault to the last error that a client saw of it, before the repair; 0 where there was none. */
  lastErrorSeconds: number;
  /** Requests that failed from the repair on: taking up work again must cost none. */
  failedAfterRepair: number;
  /** Engines that gave good answers after the fault, in the order of their first. */
  engines: string[];
}

/** What was seen of the virtual address in one run. */
export interface AddressMeasurement {
  samples: number;
  /** Longest time between two samples: what is shorter could have been missed. */
  longestBetweenSeconds: number;
  /** Samples with more than one holder. */
  double: number;
  /** Time without a holder. */
  noneSeconds: number;
  /** Holders in order, without repetition. */
  holders: string[];
}

export interface Window {
  /** In order. */
  faultsAt: readonly number[];
  repairedAt: number;
  /** Requests that began from then on are looked at, and answers that came. */
  from: number;
  until: number;
}

const seconds = (milliseconds: number): number => Math.round(milliseconds) / 1000;

/** Counts what happened to requests that were begun, or answered, in a window around a fault. Pure. */
export function measure(answers: readonly ClientLine[], engineLines: readonly EngineLine[], { faultsAt, repairedAt, from, until }: Window): Measurement {
  const [faultAt = from] = faultsAt;
  const begun = answers.filter(({ started, ended }) => ended >= from && started <= until);
  const good = begun.filter(({ engine }) => engine !== undefined);
  const failed: Record<string, number> = {};
  let [lastError, failedAfterRepair] = [0, 0];
  for (const { error, ended } of begun) {
    if (error === undefined || error === "silence") continue;
    failed[error] = (failed[error] ?? 0) + 1;
    const since = faultsAt.filter((at) => at <= ended).at(-1) ?? faultAt;
    if (ended > repairedAt) failedAfterRepair += 1;
    else lastError = Math.max(lastError, ended - since);
  }
  const times = new Map<string, number>();
  for (const { id } of engineLines) times.set(id, (times.get(id) ?? 0) + 1);
  return {
    requests: begun.length,
    good: good.length,
    failed,
    silent: begun.filter(({ error }) => error === "silence").length,
    twice: begun.flatMap(({ id }) => ((times.get(id) ?? 0) > 1 ? [id] : [])),
    outageSeconds: seconds(longestGap(good.map(({ ended }) => ended), faultAt, from, until)),
    lastErrorSeconds: seconds(lastError),
    failedAfterRepair,
    engines: [...new Set(good.filter(({ ended }) => ended >= faultAt).sort((a, b) => a.ended - b.ended).flatMap(({ engine }) => engine ?? []))],
  };
}

/** Of the last good answer before the fault and all after it. The window's end counts as none. */
function longestGap(ends: readonly number[], faultAt: number, from: number, until: number): number {
  const sorted = [...ends].filter((end) => end <= until).sort((a, b) => a - b);
  const after = sorted.filter((end) => end > faultAt);
  const points = [sorted.filter((end) => end <= faultAt).at(-1) ?? from, ...after, until];
  return points.slice(1).reduce((longest, point, index) => Math.max(longest, point - (points[index] ?? point)), 0);
}

/** Counts who held the address. Pure. */
export function measureAddress(samples: readonly HolderSample[], { from, until }: Window): AddressMeasurement {
  const seen = samples.filter(({ at }) => at >= from && at <= until);
  let [longest, none] = [0, 0];
  const holders: string[] = [];
  seen.forEach(({ at, holders: now }, index) => {
    const step = at - (seen[index - 1]?.at ?? at);
    longest = Math.max(longest, step);
    if (now.length === 0) none += step;
    for (const holder of now) {
      if (holders.at(-1) !== holder) holders.push(holder);
    }
  });
  return { samples: seen.length, longestBetweenSeconds: seconds(longest), double: seen.filter(({ holders: now }) => now.length > 1).length, noneSeconds: seconds(none), holders };
}
