import { isAlias, isMap, isScalar, isSeq, LineCounter, parseDocument, visit, type Document, type Node } from "yaml";
import type { Problem } from "./problems";

/** YAML text as data, with the place of every key. */
export interface YamlFile {
  value: unknown;
  placeOf(keys: readonly PropertyKey[]): { line: number; column: number } | undefined;
}

/**
 * Plain scalars that Pulumi's YAML reader (Go, with parts of YAML 1.1) and YAML 1.2 take for different values:
 * 022 is eighteen to one and twenty-two to the other.
 */
const ambiguousScalar = /^([-+]?0[0-9_]+|[-+]?[1-9][0-9]*(_[0-9]*)+(\.[0-9_]*)?|[-+]?0b[01_]+|\d{4}-\d{1,2}-\d{1,2}([Tt ].*)?)$/;

/** What is well formed and still cannot be taken as it is. */
function treeFaults(document: Document, lines: LineCounter): Problem[] {
  const problems: Problem[] = [];
  const report = (node: Node, problem: Omit<Problem, "path">): void => {
    const { line, col } = lines.linePos(node.range?.[0] ?? 0);
    problems.push({ path: "file", ...problem, line, column: col });
  };
  visit(document, {
    Scalar(_key, node) {
      if (node.type !== "PLAIN" || node.source === undefined || !ambiguousScalar.test(node.source)) return;
      report(node, { message: "holds a value that YAML parsers read in different ways", value: node.source.slice(0, 40), fix: "Put it in quotes if it is text; write a number without leading zeros and underscores." });
    },
    Alias(_key, node) {
      if (node.resolve(document) === undefined) report(node, { message: "refers to an anchor that is not set before it", value: `*${node.source.slice(0, 40)}`, fix: "Set it with & further up, or put the text in quotes." });
    },
  });
  return problems;
}

/** Follows keys into the document: the key's own node where there is one, else the last node on the way. */
function nodeAt(document: Document, keys: readonly PropertyKey[]): Node | undefined {
  let node: unknown = document.contents;
  let last: Node | undefined;
  for (const key of keys) {
    if (isAlias(node)) node = node.resolve(document);
    if (isMap(node)) {
      const pair = node.items.find((item) => isScalar(item.key) && String(item.key.value) === String(key));
      if (pair === undefined) break;
      last = isScalar(pair.key) ? pair.key : last;
      node = pair.value;
    } else if (isSeq(node) && typeof key === "number") {
      node = node.items[key];
      if (isScalar(node) || isMap(node) || isSeq(node)) last = node;
    } else break;
  }
  return last;
}

/** The first line of what the YAML library says: the rest is an excerpt, which could show a secret. */
function firstLine(message: string): string {
  return (message.split("\n")[0] ?? "").replace(/ at line \d+, column \d+:?$/, "").replace(/:$/, "");
}

/** Reads YAML text. Syntax errors come with line and column; never throws. */
export function parseYaml(text: string): { ok: true; file: YamlFile } | { ok: false; problems: Problem[] } {
  try {
    const lines = new LineCounter();
    // Merge keys (<<) are no part of YAML 1.2, but Pulumi reads them.
    const document = parseDocument(text, { lineCounter: lines, merge: true, uniqueKeys: true });
    const faults = [...document.errors, ...document.warnings].map((error): Problem => {
      const { line, col } = lines.linePos(error.pos[0]);
      const message = error.code === "DUPLICATE_KEY" ? "has the same key twice in one mapping" : `is not valid YAML: ${firstLine(error.message)}`;
      return { path: "file", message, line, column: col, ...(error.code === "DUPLICATE_KEY" ? { fix: "Remove or rename one of them." } : {}) };
    });
    const problems = faults.length > 0 ? faults : treeFaults(document, lines);
    if (problems.length > 0) return { ok: false, problems };
    return {
      ok: true,
      file: {
        value: document.toJS() as unknown,
        placeOf(keys) {
          const offset = nodeAt(document, keys)?.range?.[0];
          if (offset === undefined) return undefined;
          const { line, col } = lines.linePos(offset);
          return { line, column: col };
        },
      },
    };
  } catch (error) {
    return { ok: false, problems: [{ path: "file", message: `is not valid YAML: ${error instanceof Error ? firstLine(error.message) : "it cannot be read"}` }] };
  }
}
