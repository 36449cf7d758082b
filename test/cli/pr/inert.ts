import { micromark } from "micromark";
import { gfm, gfmHtml } from "micromark-extension-gfm";
import { marker } from "../../../cli/pr/comment";

/** Elements that a comment is made of. */
const ours = new Set(["h2", "h3", "h4", "p", "ul", "li", "strong", "code", "pre", "table", "thead", "tbody", "tr", "th", "td", "details", "summary"]);

const dangerous = { allowDangerousHtml: true, allowDangerousProtocol: true };

/** As GitHub renders it, raw HTML let through, so that nothing hides behind its filter. */
function html(markdown: string): string {
  return micromark(markdown, { ...dangerous, extensions: [gfm()], htmlExtensions: [gfmHtml()] });
}

function foreignElements(rendered: string): string[] {
  const found: string[] = [];
  for (const [tag, name = "", attributes = ""] of rendered.matchAll(/<\/?([A-Za-z!?][A-Za-z0-9-]*)([^>]*)>/g)) {
    if (!ours.has(name)) found.push(`element ${tag}`);
    else if (!/^( align="(left|right)"| class="language-(diff|mermaid)")?$/.test(attributes)) found.push(`attributes ${tag}`);
  }
  return found;
}

function decoded(text: string): string {
  return text.replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&quot;", '"').replaceAll("&amp;", "&");
}

/** Text that GitHub and GitLab look through for mentions and references: all that is not code. */
function visibleText(rendered: string): string {
  return decoded(rendered.replace(/<pre>[\s\S]*?<\/pre>/g, " ").replace(/<code>[\s\S]*?<\/code>/g, " ").replace(/<[^>]*>/g, " "));
}

/** What of a comment would act on its reader, his notifications or a robot. Empty for an inert one. */
export function faults(markdown: string): string[] {
  const rendered = html(markdown).replace(marker, "");
  // Without the extensions as well: GitHub's filter of tags is one of them, and would hide some.
  const found = [...foreignElements(rendered), ...foreignElements(micromark(markdown, dangerous).replace(marker, ""))];
  if (/<!--/.test(rendered)) found.push("a comment");
  for (const table of rendered.match(/<table>[\s\S]*?<\/table>/g) ?? []) {
    const widths = new Set((table.match(/<tr>[\s\S]*?<\/tr>/g) ?? []).map((row) => row.match(/<t[hd]/g)?.length));
    if (widths.size !== 1) found.push("a table with rows of different widths");
  }
  if ((rendered.match(/<details>/g) ?? []).length !== (rendered.match(/<\/details>/g) ?? []).length) found.push("an unbalanced fold");
  const text = visibleText(rendered);
  const looksLike: [string, RegExp][] = [["a mention", /@\w/], ["a reference", /[#!%~$&^]["\w]/], ["an address", /:\/\/|\bwww\.|\bmailto:/i], ["an issue", /\bGH-\d/i], ["an emoji", /:[a-z0-9_+-]+:/i], ["a commit", /\b(?=\w*\d)(?=\w*[a-f])[0-9a-f]{7,40}\b/]];
  for (const [what, pattern] of looksLike) {
    const match = pattern.exec(text);
    if (match !== null) found.push(`${what}: ${text.slice(Math.max(0, match.index - 20), match.index + 20)}`);
  }
  // Robots and GitLab's quick actions read the source itself.
  if (/@[\w]/.test(markdown)) found.push("a mention in the source");
  if (/^\s*\//m.test(markdown)) found.push("a quick action");
  if (/[\p{Cc}\u202a-\u202e\u2066-\u2069\u200b-\u200f]/u.test(markdown.replaceAll("\n", ""))) found.push("an unprintable character");
  return found;
}
