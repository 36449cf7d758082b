import { CliError, exitCodes } from "../exit";
import type { LoggedPreview } from "./events";
import type { Repository } from "./git";
import { planSource, type PlannedSource, type PlanningOptions } from "./plan-side";
import { review, type Review } from "./review";
import { scrub } from "./scrub";
import { changedSources, type ChangedSource, type Source } from "./sources";

/** Each plan is two processes besides this one. */
const plansAtOnce = 2;

export interface PullRequest {
  /** The commit that the head's changes began at. */
  base: string;
  head: string;
  reviews: Review[];
  /** Environments that are the same in both. */
  unchanged: number;
}

export interface PullRequestOptions extends Omit<PlanningOptions, "withPreview"> {
  base: string;
  head: string;
  /** The engine's own previews of the head, in place of this one's. */
  logs: readonly LoggedPreview[];
  onPlanning?: (environment: string) => void;
  /** @default - plans anew */
  plan?: (source: Source, options: PlanningOptions) => Promise<PlannedSource>;
}

interface Wanted {
  source: Source;
  withPreview: boolean;
}

/** What has to be planned: each side once, and where an event log speaks for the head without an engine. */
function wantedOf(changed: readonly ChangedSource[], logs: ReadonlyMap<string, LoggedPreview>): Wanted[] {
  return changed.flatMap(({ name, base, head }) => [base, head].flatMap((source) => (source === undefined ? [] : [{ source, withPreview: !logs.has(name) }])));
}

async function planAll(wanted: readonly Wanted[], options: PullRequestOptions): Promise<Map<Source, PlannedSource>> {
  const { plan = planSource, onPlanning, signal, cancelSignal } = options;
  const planned = new Map<Source, PlannedSource>();
  const waiting = [...wanted];
  const worker = async (): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined && signal?.aborted !== true; next = waiting.shift()) {
      onPlanning?.(next.source.name);
      planned.set(next.source, await plan(next.source, { withPreview: next.withPreview, ...(signal === undefined ? {} : { signal }), ...(cancelSignal === undefined ? {} : { cancelSignal }) }));
    }
  };
  await Promise.all(Array.from({ length: plansAtOnce }, worker));
  if (signal?.aborted === true) throw new CliError("stopped: not all environments were planned, so that there is nothing to say.", exitCodes.finding);
  return planned;
}

function byStack(logs: readonly LoggedPreview[]): Map<string, LoggedPreview> {
  const map = new Map<string, LoggedPreview>();
  for (const log of logs) {
    if (map.has(log.stack)) throw new CliError(`--events: two logs are of the stack ${scrub(log.stack)}. Give one.`, exitCodes.badInput);
    map.set(log.stack, log);
  }
  return map;
}

/**
 * Reviews every environment of which two commits differ. Environments that are the same are not planned.
 * @throws CliError with exit code 2 for a commit that is not there, or a log that is of no environment
 */
export async function reviewPullRequest(repository: Repository, options: PullRequestOptions): Promise<PullRequest> {
  const logs = byStack(options.logs);
  const [first, head] = [await repository.commit("--base", options.base), await repository.commit("--head", options.head)];
  const base = await repository.mergeBase(first, head);
  const { changed, unchanged } = await changedSources(repository, base, head, new Set(logs.keys()));
  const astray = [...logs.keys()].filter((stack) => !changed.some(({ name, head: source }) => name === stack && source !== undefined));
  if (astray.length > 0) throw new CliError(`--events: the log is of the stack ${scrub(astray[0] ?? "")}, and the head has no stacks/Pulumi.${scrub(astray[0] ?? "")}.yaml.`, exitCodes.badInput);
  const planned = await planAll(wantedOf(changed, logs), options);
  const reviews = changed.map(({ name, base: old, head: now }) => {
    const [before, after] = [old && planned.get(old), now && planned.get(now)];
    return review(name, { ...(before === undefined ? {} : { base: before }), ...(after === undefined ? {} : { head: after }) }, logs.get(name));
  });
  return { base, head, reviews, unchanged };
}
