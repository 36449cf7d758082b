import { readFileSync } from "node:fs";
import { join } from "node:path";

const contents = new Map<string, string>();

/** Text of a file under `scripts/`, which a pod mounts. */
export function script(name: string): string {
  const known = contents.get(name);
  if (known !== undefined) return known;
  const text = readFileSync(join(__dirname, "scripts", name), "utf8");
  contents.set(name, text);
  return text;
}
