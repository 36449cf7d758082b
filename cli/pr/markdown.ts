import { stripVTControlCharacters } from "node:util";
import { scrub } from "./scrub";

/**
 * Text that may go into a comment as it is. Only templates in the source make it: whatever they are filled with is taken
 * for hostile. Nothing that a file, a name or a message says can become a link, an image, a mention, a tag or a table.
 */
export class Markdown {
  constructor(readonly text: string) {}

  toString(): string {
    return this.text;
  }
}

const longestCode = 160;
const longestProse = 600;
/** Stands between a character that people and robots look for and what follows it: `@`, `#` and the like. It takes no room. */
const separator = "\u2060";
/** In place of `|`, which ends a table's cell whatever it stands in. */
const bar = "\u00a6";

/** Control characters, line ends, and those that hide or reorder text. */
const unprintable = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]+/gu;

function plainText(text: string, longest: number): string {
  // Cut before the scrubbing as well: patterns need not run over megabytes.
  const scrubbed = scrub(stripVTControlCharacters(text.slice(0, longest * 8)).replace(unprintable, " ")).replace(/\s+/g, " ").trim();
  const letters = Array.from(scrubbed);
  return letters.length > longest ? `${letters.slice(0, longest).join("")}…` : scrubbed;
}

/** A value as code: nothing in it is looked at, neither by Markdown nor for mentions. */
export function code(text: string): Markdown {
  const shown = plainText(text, longestCode).replaceAll("`", "'").replaceAll("|", bar).replaceAll("@", `@${separator}`);
  return new Markdown(`\`${shown === "" ? "(empty)" : shown}\``);
}

/** A sentence from elsewhere, with everything taken out of it that Markdown, GitHub or GitLab would act on. Never begins a line by itself. */
export function prose(text: string): Markdown {
  const shown = plainText(text, longestProse)
    .replaceAll("|", bar)
    .replace(/[\\`*_[\]{}~$^]/g, "\\$&")
    .replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;")
    .replace(/([@#!%]|&amp;|\\[~$^])(?=\S)/g, `$1${separator}`)
    .replaceAll("://", `:${separator}//`)
    .replace(/(www|mailto|xmpp|(?<![A-Za-z0-9])(?:GH|gl))(?=[.:-])/gi, `$1${separator}`)
    .replace(/:(?=[a-z0-9_+-]+:)/gi, `:${separator}`)
    .replace(/\b(?=\d*[a-f])(?=[a-f]*\d)[0-9a-f]{7,}\b/g, (hash) => hash.replace(/.{4}(?=.)/g, `$&${separator}`));
  return new Markdown(shown);
}

export type Filling = Markdown | string | number;

/** Markdown with fillings: text becomes {@link code}, numbers and Markdown stay. */
export function md(parts: TemplateStringsArray, ...fillings: readonly Filling[]): Markdown {
  return new Markdown(parts.map((part, index) => part + filled(fillings[index])).join(""));
}

function filled(filling: Filling | undefined): string {
  if (filling === undefined) return "";
  if (filling instanceof Markdown) return filling.text;
  return typeof filling === "number" ? filling.toLocaleString("en-GB") : code(filling).text;
}

export function joined(parts: readonly Markdown[], between: string): Markdown {
  return new Markdown(parts.map(({ text }) => text).join(between));
}

/** `a`, `a and b`, `a, b and 3 more`. */
export function listed(items: readonly Filling[], most = 6): Markdown {
  const shown = items.slice(0, most).map((item) => md`${item}`);
  const rest = items.length - shown.length;
  if (rest > 0) return md`${joined(shown, ", ")} and ${rest} more`;
  const last = shown.pop();
  if (last === undefined) return md`nothing`;
  return shown.length === 0 ? last : md`${joined(shown, ", ")} and ${last}`;
}

/** One row of a table. */
export function row(cells: readonly Markdown[]): Markdown {
  return new Markdown(`| ${cells.map(({ text }) => text).join(" | ")} |`);
}

/** A line of a fenced block: its first characters are ours, so that none can close the fence. */
export function fencedLine(sign: string, text: string): Markdown {
  return new Markdown(`${sign} ${plainText(text, longestCode * 2).replaceAll("`", "'").replaceAll("@", `@${separator}`)}`);
}
