import { isMap } from "../../../values";
import type { Value } from "../../../values";
import { get } from "../object";
import type { KubeObject } from "../object";
import { condition } from "./workloads";
import type { Judge } from "./progress";

/** A name, a place in a list, or `*`. */
type Step = string | number;

/** The steps of `{.status.items[*].phase}` or of the same without braces. @throws Error for anything else */
function steps(expression: string): Step[] {
  const inner = expression.replace(/^\{(.*)\}$/s, "$1").replace(/^\$/, "");
  const result: Step[] = [];
  const token = /\.((?:[^.[\]\\]|\\.)+)|\[(?:'([^']*)'|"([^"]*)"|(-?\d+)|(\*))\]/gy;
  while (token.lastIndex < inner.length) {
    const match = token.exec(inner);
    if (match === null) {
      throw new Error(`pulumi.com/waitFor: "jsonpath=${expression}" is not covered by the embedded engine; paths like {.status.phase}, {.a[0].b} and {.a[*].b} are`);
    }
    const [, plain, single, double, index, any] = match;
    if (plain !== undefined) result.push(plain.replace(/\\(.)/g, "$1"));
    else if (index !== undefined) result.push(Number(index));
    else result.push(any ?? single ?? double ?? "");
  }
  return result;
}

function find(value: Value | undefined, path: Step[]): Value[] {
  const [step, ...rest] = path;
  if (value === undefined) return [];
  if (step === undefined) return [value];
  if (step === "*") return (Array.isArray(value) ? value : isMap(value) ? Object.values(value) : []).flatMap((item) => find(item, rest));
  if (Array.isArray(value) && typeof step === "number") return find(value.at(step), rest);
  return find(get(value, step), rest);
}

function shown(value: Value): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}

/** Judges an object by one expression of `pulumi.com/waitFor`. @throws Error when it cannot be read */
export function waitFor(expression: string): Judge {
  if (expression.startsWith("condition=")) {
    const [type = "", wanted = "True"] = expression.slice("condition=".length).split("=");
    return (live: KubeObject) => {
      const found = condition(live, type);
      return { done: found?.status.toLowerCase() === wanted.toLowerCase(), status: `condition ${type} is ${found?.status ?? "not there yet"}${found?.message ? `: ${found.message}` : ""}` };
    };
  }
  const text = expression.slice("jsonpath=".length);
  const match = /^(\{[^}]*\}|[^=]+)(?:=(.*))?$/s.exec(text);
  const [, path = "", wanted] = match ?? [];
  const parsed = steps(path);
  return (live: KubeObject) => {
    const values = find(live, parsed);
    const done = values.length > 0 && values.every((value) => wanted === undefined || shown(value) === wanted);
    return { done, status: `${path} is ${values.length === 0 ? "not there yet" : values.map(shown).join(", ")}` };
  };
}
