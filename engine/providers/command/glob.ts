const LITERAL = /[\\^$.*+?()[\]{}|/-]/g;

function escape(text: string): string {
  return text.replaceAll(LITERAL, "\\$&");
}

function characterClass(body: string): string {
  const negated = body.startsWith("!");
  const members = (negated ? body.slice(1) : body).replaceAll(/[\\\]^]/g, "\\$&");
  return `[${negated ? "^" : ""}${members}]`;
}

/**
 * A path pattern as `assetPaths` and `archivePaths` take it: `*` and `?` stop at `/`, `**` does not, `[a-z]` and `[!a-z]`
 * are one character, `{a,b}` are alternatives and `\` takes away a character's meaning.
 *
 * @throws Error where a bracket is not closed.
 */
export function globToRegExp(pattern: string): RegExp {
  let expression = "";
  let alternatives = 0;
  for (let at = 0; at < pattern.length; at++) {
    const character = pattern.charAt(at);
    if (character === "*") {
      const deep = pattern.charAt(at + 1) === "*";
      if (deep) at++;
      expression += deep ? ".*" : "[^/]*";
    } else if (character === "?") expression += "[^/]";
    else if (character === "\\") expression += escape(pattern.charAt(++at));
    else if (character === "[") {
      const end = pattern.indexOf("]", at + 1);
      if (end < 0) throw new Error(`"${pattern}": [ is not closed`);
      expression += characterClass(pattern.slice(at + 1, end));
      at = end;
    } else if (character === "{") {
      alternatives++;
      expression += "(?:";
    } else if (character === "}" && alternatives > 0) {
      alternatives--;
      expression += ")";
    } else if (character === "," && alternatives > 0) expression += "|";
    else expression += escape(character);
  }
  if (alternatives > 0) throw new Error(`"${pattern}": { is not closed`);
  return new RegExp(`^${expression}$`, "su");
}

/** Applies include and `!exclude` patterns in order; the last one that matches decides. */
export function selectPaths(patterns: string[], paths: string[]): string[] {
  const rules = patterns.map((pattern) => ({
    include: !pattern.startsWith("!"),
    expression: globToRegExp(pattern.replace(/^!/, "")),
  }));
  return paths.filter((path) =>
    rules.reduce((selected, rule) => (rule.expression.test(path) ? rule.include : selected), false),
  );
}
