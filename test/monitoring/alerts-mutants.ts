import type { Alert } from "../../components/monitoring/alert";

export interface Mutant {
  what: string;
  alert: Alert;
  changed: Alert;
}

/** Numbers of an expression that say when or how much: not those in strings, ranges and `vector(1)`. */
function numbersIn(expr: string): { text: string; at: number }[] {
  const bare = expr.replace(/"[^"]*"|\[[^\]]*\]|vector\(\d+\)/g, (part) => " ".repeat(part.length));
  return [...bare.matchAll(/(?<![\w.:])\d+(\.\d+)?(e-?\d+)?(?![\w.:])/g)].map((match) => ({ text: match[0], at: match.index }));
}

/** Counts by one, the rest by a twentieth, both ways. */
function neighbours(text: string): string[] {
  const value = Number(text);
  return (Number.isInteger(value) && value <= 10 ? [value - 1, value + 1] : [value * 0.95, value * 1.05]).map((other) => (other < 0 ? `(${other})` : String(other)));
}

/** Every way to change one number of an alert slightly: each in its expression, and its time by one step. */
export function mutants(alert: Alert, stepSeconds: number): Mutant[] {
  const inExpr = numbersIn(alert.expr).flatMap(({ text, at }) => neighbours(text).map((other): Mutant => ({
    what: `${alert.name}: ${text} at ${at} as ${other}`,
    alert,
    changed: { ...alert, expr: `${alert.expr.slice(0, at)}${other}${alert.expr.slice(at + text.length)}` },
  })));
  const times = [alert.forSeconds - stepSeconds, alert.forSeconds + stepSeconds].filter((seconds) => seconds >= 0);
  return [...inExpr, ...times.map((forSeconds): Mutant => ({ what: `${alert.name}: for ${alert.forSeconds} s as ${forSeconds} s`, alert, changed: { ...alert, forSeconds } }))];
}

/** So many of them, evenly over all and each time the same for one seed. */
export function sample<T>(all: readonly T[], count: number, seed: number): T[] {
  const rest = [...all];
  let state = seed;
  return Array.from({ length: Math.min(count, rest.length) }, () => {
    state = (state * 48_271) % 2_147_483_647;
    return rest.splice(state % rest.length, 1);
  }).flat();
}
