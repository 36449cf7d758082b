/** What a rehearsal may not go below, whatever its pace: programs on a busy machine need this long. */
export const shortestIntervalMilliseconds = 500;
/** `rate` needs two samples in its range; four leave room for a scrape that comes late or not at all. */
export const scrapesInRange = 4;

/** What a rehearsal waits for at most, once its pace is above 1: an alert that waits a day would else take minutes. */
export const longestMilliseconds = 20_000;

/** One duration that was divided: where it stands, what it was, what it became. */
export interface Divided {
  where: string;
  from: string;
  to: string;
}

const unitMilliseconds: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000, y: 31_536_000_000 };
const durationPattern = "(?:\\d+(?:ms|[smhdwy]))+";
const wholeDuration = new RegExp(`^${durationPattern}$`);

/** `1h30m` in milliseconds. @throws Error for what is not a duration of Prometheus */
export function parseDuration(text: string): number {
  if (text === "0") return 0;
  if (!wholeDuration.test(text)) throw new Error(`${JSON.stringify(text)} is not a duration such as 15s or 1h30m`);
  return [...text.matchAll(/(\d+)(ms|[smhdwy])/g)].reduce((sum, [, count = "0", unit = "ms"]) => sum + Number(count) * (unitMilliseconds[unit] ?? 0), 0);
}

/** Milliseconds as Prometheus and Alertmanager both read them. */
export function formatDuration(milliseconds: number): string {
  const whole = Math.round(milliseconds);
  return whole % 1000 === 0 ? `${whole / 1000}s` : `${whole}ms`;
}

/** How a configuration is made quicker. */
export interface Pace {
  /** Every duration is divided by this. 1 leaves all as it is. */
  factor: number;
  /** The scrape interval that ranges must hold {@link scrapesInRange} of, after it was divided. */
  scrapeMilliseconds: number;
}

/** @param scrapeInterval as configured, undivided */
export function paceOf(factor: number, scrapeInterval: string): Pace {
  return { factor, scrapeMilliseconds: factor === 1 ? parseDuration(scrapeInterval) : Math.max(parseDuration(scrapeInterval) / factor, shortestIntervalMilliseconds) };
}

/** A time at the pace, however long. */
export function paced(duration: string, { factor }: Pace): string {
  return factor === 1 ? duration : formatDuration(parseDuration(duration) / factor);
}

/** An alert's `for` at the pace. */
export function pacedWait(duration: string, { factor }: Pace): string {
  return factor === 1 ? duration : formatDuration(Math.min(parseDuration(duration) / factor, longestMilliseconds));
}

/** A turn that comes again and again. */
function pacedInterval(duration: string, { factor }: Pace): string {
  return factor === 1 ? duration : formatDuration(Math.max(parseDuration(duration) / factor, Math.min(parseDuration(duration), shortestIntervalMilliseconds)));
}

/** What a selector looks back on. */
function pacedRange(duration: string, { factor, scrapeMilliseconds }: Pace): string {
  if (factor === 1) return duration;
  const original = parseDuration(duration);
  return formatDuration(Math.max(Math.min(original / factor, longestMilliseconds), Math.min(original, scrapesInRange * scrapeMilliseconds)));
}

// Strings and comments come first, so that nothing in them is taken for a range.
const queryParts = new RegExp(`("(?:[^"\\\\]|\\\\.)*"|'(?:[^'\\\\]|\\\\.)*'|\`[^\`]*\`|#[^\\n]*)|\\[\\s*(${durationPattern})\\s*(?:(:)\\s*(${durationPattern})?\\s*)?\\]|\\b(offset\\s+-?\\s*)(${durationPattern})`, "g");

/** PromQL with its ranges, steps of subqueries and offsets divided. Nothing else of it changes. */
export function pacedQuery(query: string, pace: Pace, onDivided: (from: string, to: string) => void = () => undefined): string {
  if (pace.factor === 1) return query;
  const tell = (from: string, to: string): string => {
    onDivided(from, to);
    return to;
  };
  return query.replace(queryParts, (...[whole, literal, range, colon, step, offset, distance]: (string | undefined)[]) => {
    if (literal !== undefined) return literal;
    if (offset !== undefined && distance !== undefined) return `${offset}${tell(distance, paced(distance, pace))}`;
    if (range === undefined) return whole ?? "";
    const end = colon === undefined ? "" : `:${step === undefined ? "" : tell(step, pacedInterval(step, pace))}`;
    return `[${tell(range, pacedRange(range, pace))}${end}]`;
  });
}

const intervals: ReadonlySet<string> = new Set(["scrape_interval", "evaluation_interval", "interval"]);
const waits: ReadonlySet<string> = new Set(["for", "keep_firing_for"]);
const times: ReadonlySet<string> = new Set(["group_wait", "group_interval", "repeat_interval", "resolve_timeout"]);

/**
 * The configuration of Prometheus or Alertmanager, or a file of rules, at a pace. Its scrapes may take a whole interval,
 * for programs do not become quicker.
 * @returns the same data with other durations, and each that was divided
 */
export function pacedConfig<T>(config: T, pace: Pace): { config: T; divided: Divided[] } {
  const divided: Divided[] = [];
  const walk = (value: unknown, where: string, key: string, parent: Readonly<Record<string, unknown>>): unknown => {
    // Text for people and names of things: none of it is a setting.
    if (key === "labels" || key === "annotations") return value;
    if (Array.isArray(value)) return value.map((each, index) => walk(each, `${where}[${nameOf(each) ?? index}]`, "", {}));
    if (typeof value === "object" && value !== null) return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, walk(each, where === "" ? name : `${where}.${name}`, name, value as Record<string, unknown>)]));
    if (typeof value !== "string" || pace.factor === 1) return value;
    if (key === "expr") return pacedQuery(value, pace, (from, to) => divided.push({ where, from, to }));
    const to = intervals.has(key) ? pacedInterval(value, pace) : waits.has(key) ? pacedWait(value, pace) : times.has(key) ? paced(value, pace) : key === "scrape_timeout" ? pacedTimeout(value, parent, pace) : value;
    if (to !== value) divided.push({ where, from: value, to });
    return to;
  };
  return { config: walk(config, "", "", {}) as T, divided };
}

/** Prometheus takes no timeout that is longer than the interval beside it. */
function pacedTimeout(timeout: string, { scrape_interval: beside }: Readonly<Record<string, unknown>>, pace: Pace): string {
  const interval = typeof beside === "string" ? parseDuration(pacedInterval(beside, pace)) : pace.scrapeMilliseconds;
  return parseDuration(timeout) <= interval ? timeout : formatDuration(interval);
}

function nameOf(item: unknown): string | undefined {
  if (typeof item !== "object" || item === null) return undefined;
  const named = item as Readonly<Record<string, unknown>>;
  const name = named["alert"] ?? named["record"] ?? named["name"] ?? named["job_name"];
  return typeof name === "string" ? name : undefined;
}

/** Below this the kernel's and the prober's own work would show. */
const shortestPingMilliseconds = 20;

/** smokeping_prober's file with its intervals divided: as many pings in a range as at the pace of 1. */
export function pacedPings(text: string, factor: number): string {
  if (factor === 1) return text;
  return text.replace(/^(\s*interval: )(\S+)$/gm, (_, before: string, interval: string) => `${before}${formatDuration(Math.max(parseDuration(interval) / factor, shortestPingMilliseconds))}`);
}
