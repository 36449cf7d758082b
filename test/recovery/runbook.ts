import { readFileSync } from "node:fs";
import { join } from "node:path";

const page = readFileSync(join(__dirname, "../../docs/runbooks/restore.md"), "utf8");

/** The commands of one section of the runbook for restoring: its `bash` blocks, in order. */
export function runbookBlocks(heading: string): string[] {
  const section = page.split(/^## /m).find((each) => each.startsWith(`${heading}\n`));
  if (section === undefined) throw new Error(`docs/runbooks/restore.md has no section "${heading}"`);
  return [...section.matchAll(/^```bash\n([\s\S]*?)^```$/gm)].map(([, body = ""]) => body);
}
