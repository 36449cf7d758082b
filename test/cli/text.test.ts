import fc from "fast-check";
import { stripVTControlCharacters, styleText } from "node:util";
import { describe, expect, it } from "vitest";
import { displayWidth, wrap, wrapLines } from "../../cli/text";

describe("wrap", () => {
  it("breaks between words and goes on as far in as the first line's content", () => {
    expect(wrap("one two three four", "  note: ", 17)).toBe("  note: one two\n        three\n        four\n");
    expect(wrap("one two three four", "  ", 11, { hang: 4 })).toBe("  one two\n    three\n    four\n");
  });

  it("cuts a word only where it is longer than a line, behind a separator where there is one", () => {
    expect(wrapLines("see https://mirror.example.org/apt/dists now", 20)).toEqual(["see https://mirror.", "example.org/apt/", "dists now"]);
    expect(wrapLines("x".repeat(25), 10)).toEqual(["x".repeat(10), "x".repeat(10), "x".repeat(5)]);
  });

  it("counts East Asian characters as two columns", () => {
    expect(displayWidth("医療画像")).toBe(8);
    expect(wrapLines("医療画像 診断", 8)).toEqual(["医療画像", "診断"]);
  });

  it("ends colours with the line and begins them again on the next", () => {
    const lines = wrapLines(styleText("red", "one two", { validateStream: false }), 4);
    expect(lines.map((line) => stripVTControlCharacters(line))).toEqual(["one", "two"]);
    for (const line of lines) {
      expect(line.startsWith("\u001b[31m")).toBe(true);
      expect(line.endsWith("\u001b[0m")).toBe(true);
    }
  });

  it("loses nothing and keeps within its columns, whatever the text", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme", maxLength: 120 }).filter((text) => !/\p{C}/u.test(text)), fc.integer({ min: 4, max: 80 }), (text, room) => {
        const lines = wrapLines(text.trim(), room);
        for (const line of lines) expect(displayWidth(line)).toBeLessThanOrEqual(room);
        expect(lines.join("").replace(/\s/g, "")).toBe(text.replace(/\s/g, ""));
      }),
    );
  });
});
