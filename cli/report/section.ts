import { html, Html, type Part } from "../render/html";
import type { Cell, Column, Figure, Mark, Table } from "./types";

/** One part of the page, with the sources of its figures at its end. */
export interface Section {
  id: string;
  title: string;
  body: Html;
}

/** Sources of one section, numbered as they are first cited. */
export class Sources {
  private readonly numbers = new Map<string, number>();

  constructor(private readonly section: string) {}

  number(source: string): number {
    const number = this.numbers.get(source) ?? this.numbers.size + 1;
    this.numbers.set(source, number);
    return number;
  }

  /** The number behind a figure: a link to its source, which also shows on hover and on focus. */
  cite(source: string): Html {
    const number = this.number(source);
    return html`<a class="cite" href="#${this.section}-source-${number}"><span class="unseen">source </span>${number}<span class="tip" aria-hidden="true">${source}</span></a>`;
  }

  list(): Html {
    const entries = [...this.numbers].map(([source, number]) => html`<li id="${this.section}-source-${number}">${source}</li>`);
    return entries.length === 0 ? html`` : html`<div class="sources"><h3>Sources</h3><ol>${entries}</ol></div>`;
  }
}

/** @param draw what stands in the section; sources that it cites are listed behind it */
export function section(id: string, title: string, draw: (sources: Sources) => Html): Section {
  const sources = new Sources(id);
  const content = draw(sources);
  return { id, title, body: html`<section id="${id}" aria-labelledby="${id}-title">
<h2 id="${id}-title">${title}</h2>
${content}
${sources.list()}
</section>` };
}

export function figure({ text, source }: Figure, sources: Sources): Html {
  return html`<span class="figure">${text}${sources.cite(source)}</span>`;
}

const signs: Readonly<Record<Mark["mark"], string>> = { good: "\u2713", warning: "!", bad: "\u2715" };
/** Classes are chosen here, never taken from data. */
export const stateClass = (state: Mark["mark"] | undefined): string => (state === "bad" ? "bad" : state === "warning" ? "warning" : "good");

export function mark({ mark: state, text }: Mark): Html {
  const known = stateClass(state);
  return html`<span class="mark ${known}"><span class="sign" aria-hidden="true">${signs[known as Mark["mark"]]}</span> ${text}</span>`;
}

const kindClass = ({ kind }: Column): string => (kind === "number" ? "number" : kind === "wide" ? "wide" : "text");

function cellText(cell: Cell, sources: Sources): Html {
  if (typeof cell === "string") return html`${cell}`;
  if ("mark" in cell) return mark(cell);
  if ("code" in cell) return html`<code>${cell.code}</code>`;
  if ("source" in cell) return figure(cell, sources);
  return html`${cell.map((line) => html`<span class="line">${line}</span>`)}`;
}

/** A table; on narrow screens each row is a card, for which cells know their column's title. Without rows it is nothing. */
export function table({ caption, columns, rows }: Table, sources: Sources): Html {
  if (rows.length === 0) return html``;
  const head = columns.map((column) => html`<th scope="col" role="columnheader" class="${kindClass(column)}">${column.source === undefined ? column.title : html`<span class="figure">${column.title}${sources.cite(column.source)}</span>`}</th>`);
  const cell = (content: Cell, column: Column, index: number, rowSource: string | undefined): Html => {
    const source = column.source ?? rowSource;
    const hover: Part = source === undefined ? undefined : html` title="${source}"`;
    const title = column.source === undefined ? column.title : `${column.title} [${sources.number(column.source)}]`;
    if (index === 0) return html`<th scope="row" role="rowheader" class="${kindClass(column)}"${hover}>${cellText(content, sources)}</th>`;
    return html`<td role="cell" class="${kindClass(column)}" data-title="${title}"${hover}>${cellText(content, sources)}</td>`;
  };
  const body = rows.map((row) => {
    const [first] = row;
    const rowSource = typeof first === "object" && "source" in first ? first.source : undefined;
    return html`<tr role="row">${row.map((content, index) => cell(content, columns[index] ?? { title: "" }, index, rowSource))}</tr>`;
  });
  return html`<table role="table"><caption>${caption}</caption><thead role="rowgroup"><tr role="row">${head}</tr></thead><tbody role="rowgroup">
${body.map((row) => html`${row}
`)}</tbody></table>`;
}
