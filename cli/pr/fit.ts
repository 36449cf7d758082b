import { code, joined, Markdown, md, prose } from "./markdown";

/** A part of a comment that can be shortened or left out. */
export interface Block {
  /** What it is, for the list of what was left out: `resources of`. */
  title: string;
  /** Empty for what is about all environments. */
  environment: string;
  head: Markdown[];
  items: Markdown[];
  foot: Markdown[];
  /** The higher, the sooner it is shortened. */
  rank: number;
  /** Whether half of it would be worth nothing, as of a drawing. */
  whole?: boolean;
}

/** What is kept free for the list of what was left out. */
const noticeCharacters = 4_000;
const mostNoticeEntries = 12;

const length = (lines: readonly Markdown[]): number => lines.reduce((sum, { text }) => sum + text.length + 1, 0);

/** Lines of a block with as many items as are shown; none where there were some and all were cut. */
function linesOf(block: Block, shown: number): Markdown[] {
  return shown === 0 && block.items.length > 0 ? [] : [...block.head, ...block.items.slice(0, shown), ...block.foot];
}

/** How many items of a block stay when `excess` characters have to go. */
function shortened(block: Block, excess: number): number {
  if (block.whole === true) return 0;
  let [shown, freed] = [block.items.length, 0];
  while (shown > 0 && freed < excess) {
    shown--;
    freed += (block.items[shown]?.text.length ?? 0) + 1;
  }
  return shown;
}

function notice(blocks: readonly Block[], shown: readonly number[]): Markdown[] {
  const cut = blocks.flatMap((block, index) => {
    const [left, all] = [shown[index] ?? 0, block.items.length];
    if (left === all) return [];
    const count = block.whole === true || left === 0 ? prose("all") : md`${all - left} of ${all}`;
    return [md`${count} ${prose(block.title)}${block.environment === "" ? md`` : md` of ${code(block.environment)}`}`];
  });
  if (cut.length === 0) return [];
  const rest = cut.length - mostNoticeEntries;
  return [md``, md`**Left out for length:** ${joined(cut.slice(0, mostNoticeEntries), "; ")}${rest > 0 ? md`; and ${rest} more parts` : md``}. \`rackwright pr --json\` has all of it.`];
}

/** Joins blocks into text of at most `limit` characters. What is cut is named at the end, the least important is cut first. */
export function fit(blocks: readonly Block[], limit: number): string {
  const shown = blocks.map(({ items }) => items.length);
  const size = (): number => blocks.reduce((sum, block, index) => sum + length(linesOf(block, shown[index] ?? 0)), 0);
  if (size() > limit) {
    const room = limit - noticeCharacters;
    const victims = blocks.map((block, index) => ({ block, index })).sort((a, b) => b.block.rank - a.block.rank || b.index - a.index);
    for (const { block, index } of victims) {
      const excess = size() - room;
      if (excess <= 0) break;
      shown[index] = shortened(block, excess);
    }
  }
  const lines = [...blocks.flatMap((block, index) => linesOf(block, shown[index] ?? 0)), ...notice(blocks, shown)];
  return `${lines.map(({ text }) => text).join("\n")}\n`;
}
