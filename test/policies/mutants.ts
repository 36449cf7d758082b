import { readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import ts from "typescript";

/** A change of one constant or operator in a source file. */
export interface Mutant {
  /** Path below the project. */
  file: string;
  line: number;
  /** `>= -> >`. */
  change: string;
  /** The whole file with the change, as CommonJS. */
  code: string;
}

export const root = join(__dirname, "../..");

const operators: Partial<Record<ts.SyntaxKind, string>> = {
  [ts.SyntaxKind.LessThanToken]: "<=",
  [ts.SyntaxKind.LessThanEqualsToken]: "<",
  [ts.SyntaxKind.GreaterThanToken]: ">=",
  [ts.SyntaxKind.GreaterThanEqualsToken]: ">",
  [ts.SyntaxKind.EqualsEqualsEqualsToken]: "!==",
  [ts.SyntaxKind.ExclamationEqualsEqualsToken]: "===",
  [ts.SyntaxKind.AmpersandAmpersandToken]: "||",
  [ts.SyntaxKind.BarBarToken]: "&&",
  [ts.SyntaxKind.AsteriskToken]: "/",
  [ts.SyntaxKind.SlashToken]: "*",
  [ts.SyntaxKind.PlusToken]: "-",
  [ts.SyntaxKind.MinusToken]: "+",
};

/** One step of the last digit up and down: 1.1 gives 1.2 and 1, 8 gives 9 and 7. */
function neighbours(literal: string): string[] {
  const decimals = literal.split(".")[1]?.length ?? 0;
  return [1, -1].map((step) => (Number(literal) + step * 10 ** -decimals).toFixed(decimals));
}

const propertyName = (node: ts.Node): string => (ts.isPropertyAssignment(node) ? node.name.getText() : "");

/** What bounds a setting is tested against its own declaration, and what describes a rule decides nothing. */
const notDeciding = new Set(["minimum", "maximum", "pattern", "description", "type", "items", "name", "title", "section", "severity", "enforcementLevel", "remediationSteps", "types", "problem", "remedy"]);

/** Text that a rule compares with: an operand of === or !==, an element of a list, or what a name must begin with. */
function isCompared(node: ts.StringLiteral): boolean {
  const { parent } = node;
  if (ts.isBinaryExpression(parent)) return parent.operatorToken.kind === ts.SyntaxKind.EqualsEqualsEqualsToken || parent.operatorToken.kind === ts.SyntaxKind.ExclamationEqualsEqualsToken;
  if (ts.isArrayLiteralExpression(parent)) return true;
  if (propertyName(parent) === "default") return true;
  return ts.isCallExpression(parent) && ts.isPropertyAccessExpression(parent.expression) && ["startsWith", "endsWith", "includes"].includes(parent.expression.name.text);
}

function replacements(node: ts.Node): string[] {
  if (ts.isNumericLiteral(node)) return neighbours(node.getText());
  if (ts.isStringLiteral(node) && isCompared(node)) return [JSON.stringify(`${node.text}~`)];
  if (ts.isBinaryExpression(node.parent) && node.parent.operatorToken === node) return [operators[node.kind] ?? []].flat();
  if (node.kind === ts.SyntaxKind.TrueKeyword) return ["false"];
  if (node.kind === ts.SyntaxKind.FalseKeyword) return ["true"];
  return [];
}

/** A file as it is, in a mutant's form: no case may notice it. */
export function unchanged(file: string): Mutant {
  return { file, line: 1, change: "none", code: commonJs(readFileSync(join(root, file), "utf8")) };
}

/** Every mutant of a file under policies/. */
export function mutantsOf(file: string): Mutant[] {
  const text = readFileSync(join(root, file), "utf8");
  const source = ts.createSourceFile(file, text, ts.ScriptTarget.ES2022, true);
  const found: Mutant[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node) || ts.isTypeNode(node) || notDeciding.has(propertyName(node))) return;
    for (const replacement of replacements(node)) {
      const mutated = text.slice(0, node.getStart()) + replacement + text.slice(node.getEnd());
      found.push({ file, line: source.getLineAndCharacterOfPosition(node.getStart()).line + 1, change: `${node.getText()} -> ${replacement}`, code: commonJs(mutated) });
    }
    ts.forEachChild(node, visit);
  };
  ts.forEachChild(source, visit);
  return found;
}

function commonJs(text: string): string {
  return ts.transpileModule(text, { compilerOptions: { module: ts.ModuleKind.CommonJS, target: ts.ScriptTarget.ES2022, esModuleInterop: true } }).outputText;
}

/** What the modules under test are given for their imports, by path below the project or by the package's name. */
export type Modules = ReadonlyMap<string, unknown>;

/** Runs a file of the project, with other modules in place of some. */
export function run(file: string, modules: Modules, code = commonJs(readFileSync(join(root, file), "utf8"))): Record<string, unknown> {
  const load = (specifier: string): unknown => {
    const path = specifier.startsWith(".") ? relative(root, join(root, dirname(file), specifier)) : specifier;
    if (!modules.has(path)) throw new Error(`${file} imports ${path}, which the mutation check does not know: add it there`);
    return modules.get(path);
  };
  const exports: Record<string, unknown> = {};
  // The code is the project's own, with one constant changed.
  // eslint-disable-next-line @typescript-eslint/no-implied-eval
  (new Function("exports", "require", code) as (exports: object, require: (specifier: string) => unknown) => void)(exports, load);
  return exports;
}
