import { createHash } from "node:crypto";
import { html, Html } from "../render/html";
import { patterns } from "./charts";
import type { ReportData } from "./data/report-data";
import { mark } from "./section";
import { sections } from "./sections";
import { style } from "./style";

/** The page may use its own style sheet, which is told by its digest, and nothing else: no script, no request, no other style. */
const policy = `default-src 'none'; style-src 'sha256-${createHash("sha256").update(style).digest("base64")}'; base-uri 'none'; form-action 'none'`;

/** A report as one page that needs nothing else. Pure. */
export function reportPage(data: ReportData): string {
  const parts = sections(data);
  const page = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<title>${data.environment}: what it is, holds and costs</title>
<style>${new Html(style)}</style>
</head>
<body>
${patterns}
<a class="skip" href="#main">To the report</a>
<header>
<p class="kicker">Environment</p>
<h1>${data.environment}</h1>
${data.description === "" ? undefined : html`<p class="lead">${data.description}</p>`}
<p class="quiet">${mark(data.verdict)} <span class="made">Made on ${data.madeAt} by Rackwright from stacks/Pulumi.${data.environment}.yaml. Planned figures, not measurements.</span></p>
</header>
<div class="columns">
<nav aria-label="Contents"><ol>${parts.map(({ id, title }) => html`<li><a href="#${id}">${title}</a></li>`)}</ol></nav>
<main id="main">
${parts.map(({ body }) => html`${body}
`)}</main>
</div>
<footer><p>A small number behind a figure leads to its source at the end of the section; the figure shows it too. "guide" is docs/guide.md, "facts" is docs/facts.md.</p></footer>
</body>
</html>
`;
  return page.text;
}
