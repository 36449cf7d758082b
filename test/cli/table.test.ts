import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { table } from "../../cli/table";
import { displayWidth } from "../../cli/text";

describe("table", () => {
  it("pads columns to the widest cell and leaves no trailing blanks", () => {
    expect(table([["hot", "raid0", "3.8 TB"], ["warm", "raid1", ""]])).toBe("hot   raid0  3.8 TB\nwarm  raid1\n");
  });

  it("gives colour codes no room", () => {
    expect(table([["\u001b[31mno\u001b[39m", "x"], ["yes", "y"]])).toBe("\u001b[31mno\u001b[39m   x\nyes  y\n");
  });

  it("lets the last cell of a row run on without widening its column", () => {
    expect(table([["+", "a name that is long"], ["+", "short", "type"]])).toBe("+  a name that is long\n+  short  type\n");
  });

  it("goes on below, in the cell's column, where a line has no room", () => {
    expect(table([["hot", "/srv/hot", "lost with any one of its many drives"], ["cold", "/srv/cold", "survives 2"]], "  ", 40)).toBe(
      `  hot   /srv/hot   lost with any one of
                   its many drives
  cold  /srv/cold  survives 2
`,
    );
  });

  it("narrows the widest column where the last one would get too little room", () => {
    expect(table([["a-very-long-name-of-a-server-in-the-cellar", "says something of some length"]], "", 40)).toBe(
      `a-very-long-name-  says something of
of-a-server-in-    some length
the-cellar
`,
    );
  });

  it("keeps within its columns and loses nothing, whatever the cells", () => {
    const cell = fc.string({ unit: "grapheme", maxLength: 60 }).filter((text) => !/\p{C}/u.test(text));
    fc.assert(
      fc.property(fc.array(fc.array(cell, { minLength: 1, maxLength: 4 }), { minLength: 1, maxLength: 5 }), fc.integer({ min: 60, max: 100 }), (rows, columns) => {
        const text = table(rows, "  ", columns);
        for (const line of text.split("\n")) expect(displayWidth(line)).toBeLessThanOrEqual(columns);
        const characters = (of: string): string => Array.from(of.replace(/\s/g, "")).sort().join("");
        expect(characters(text)).toBe(characters(rows.flat().join("")));
      }),
    );
  });
});
