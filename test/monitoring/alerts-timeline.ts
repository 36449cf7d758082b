/** Steps of a test: all well, then something is wrong, then all is well again. */
export interface Timeline {
  stepSeconds: number;
  calm: number;
  trouble: number;
  after: number;
}

/** Values of one series over a timeline, in promtool's notation. */
export type Signal = (timeline: Timeline) => string;

/** promtool counts the first value of `1x3` besides, but not the first gap of `_x3`. */
const run = (value: number, steps: number): string => (steps <= 0 ? "" : `${value}x${steps - 1}`);
const gap = (steps: number): string => (steps <= 0 ? "" : `_x${steps}`);
/** As Prometheus sees the end of a series when its target is scraped without it. */
const gone = (steps: number): string => (steps <= 0 ? "" : joined("stale", gap(steps - 1)));
const joined = (...parts: string[]): string => parts.filter((part) => part !== "").join(" ");

/** A series that does not exist. */
export const never: Signal = ({ calm, trouble, after }) => gap(calm + trouble + after);

/** A gauge. */
export const swing = (well: number, wrong: number, again = well): Signal => ({ calm, trouble, after }) => joined(run(well, calm), run(wrong, trouble), run(again, after));

export const steady = (value: number): Signal => swing(value, value);

/** A series that is there only while something is wrong. */
export const onlyWrong = (value: number): Signal => ({ calm, trouble, after }) => joined(gap(calm), run(value, trouble), gone(after));

/** A series that comes with the trouble and stays. */
export const since = (value: number): Signal => ({ calm, trouble, after }) => joined(gap(calm), run(value, trouble + after));

/** A series that is gone when the trouble is over. */
export const until = (value: number): Signal => ({ calm, trouble, after }) => joined(run(value, calm + trouble), gone(after));

/** A series that is there only while all is well. */
export const onlyWell = (value: number): Signal => ({ calm, trouble, after }) => joined(run(value, calm), gone(trouble), run(value, after));

/** A series that ends when the trouble begins, and does not come back. */
export const ends = (value: number): Signal => ({ calm, trouble, after }) => joined(run(value, calm), gone(trouble + after));

/** A counter, by what it grows in a step. Each value is written out: sums of promtool's own would fall by a rounding, which is a reset. */
export const grows = (well: number, wrong: number): Signal => ({ calm, trouble, after }) => {
  const value = (step: number): number => well * Math.min(step, calm - 1) + wrong * Math.max(0, Math.min(step - calm + 1, trouble)) + well * Math.max(0, step - calm - trouble + 1);
  return Array.from({ length: calm + trouble + after }, (_, step) => String(Number(value(step).toFixed(6)))).join(" ");
};

/** A counter that jumps when the trouble begins. */
export const jumps = (by: number): Signal => swing(0, by, by);

/** A point in time as seconds from now: negative for the past. */
export const fromNow = (well: number, wrong: number, again = well): Signal => ({ stepSeconds, calm, trouble, after }) => {
  const part = (start: number, offset: number, steps: number): string => `${start * stepSeconds + offset}+${stepSeconds}x${steps - 1}`;
  return joined(part(0, well, calm), part(calm, wrong, trouble), part(calm + trouble, again, after));
};

/** Something that comes and goes while something is wrong: so many steps on, so many off. */
export const pulses = (on: number, off: number, well = 1): Signal => ({ calm, trouble, after }) => {
  const values = Array.from({ length: trouble }, (_, step) => (step % (on + off) < on ? "1" : "0"));
  return joined(run(well, calm), values.join(" "), run(well, after));
};
