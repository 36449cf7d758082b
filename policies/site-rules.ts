import { readdirSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { rules } from "./all";
import type { Rule } from "./rule";

/** Where a site keeps rules of its own. The product has no files there besides its README. */
const folder = join(__dirname, "site");
const load = createRequire(__filename);

const isRule = (value: unknown): value is Rule => typeof value === "object" && value !== null && "validateResource" in value && "name" in value && "types" in value;

function ruleFiles(): string[] {
  try {
    return readdirSync(folder).filter((file) => file.endsWith(".ts")).sort();
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return [];
    throw error;
  }
}

/**
 * The pack's rules and those that the site's files under policies/site/ export.
 * @throws where such a file exports no rule, or one whose name is taken: a rule that is silently left out would be worse.
 */
export function allRules(): Rule[] {
  const all = [...rules];
  for (const file of ruleFiles()) {
    const exported = load(join(folder, file)) as Record<string, unknown>;
    const own = Object.values(exported).filter(isRule);
    if (own.length === 0) throw new Error(`policies/site/${file} exports no rule. Export what rule() of policies/rule.ts returns, or move the file elsewhere.`);
    for (const each of own) {
      if (all.some(({ name }) => name === each.name)) throw new Error(`policies/site/${file}: there is another rule called ${each.name}. Give it another name; the levels and settings of rules that are there are changed by the pack's configuration.`);
      all.push(each);
    }
  }
  return all;
}
