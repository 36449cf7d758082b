import type { Environment, Server } from "../environment/schema";

/** Characters that mean something in Prometheus' regular expressions and may be in names of interfaces and mounts. */
const quote = (value: string): string => value.replace(/[.+*?()|[\]{}^$\\]/g, "\\\\$&");

/** Matcher of a label that has one of these values: `device="eno1"`, or `device=~"eno1|eno2"`. */
export function oneOf(label: string, values: readonly string[]): string {
  const [first = ""] = values;
  return values.length === 1 ? `${label}="${first}"` : `${label}=~"${values.map(quote).join("|")}"`;
}

/**
 * Servers that have the same of something, so that an expression for all of a site is as short as its servers are alike.
 * Servers without it are left out.
 */
export function alike<T>({ servers }: Environment, of: (server: Server, name: string) => T | undefined): { value: T; servers: string[] }[] {
  const groups = new Map<string, { value: T; servers: string[] }>();
  for (const [name, server] of Object.entries(servers)) {
    const value = of(server, name);
    if (value === undefined) continue;
    const key = JSON.stringify(value);
    const group = groups.get(key) ?? { value, servers: [] };
    group.servers.push(name);
    groups.set(key, group);
  }
  return [...groups.values()];
}

/** Expressions of which each says another thing that is wrong. */
export function anyOf(expressions: readonly string[]): string {
  return expressions.join("\nor\n");
}
