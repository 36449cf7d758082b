import fc from "fast-check";
import { stripVTControlCharacters, styleText } from "node:util";
import { describe, expect, it } from "vitest";
import { fill, levelBar, stackedBar, type Fill } from "../../cli/render/bars";
import type { Paper } from "../../cli/terminal";
import { displayWidth } from "../../cli/text";
import { plainPaper } from "../support/paper";

const ascii: Paper = { ...plainPaper, unicode: false };
const colour: Paper = { ...plainPaper, style: (style, text) => styleText(style, text, { validateStream: false }) };
const fills: readonly Fill[] = ["first", "second", "third", "free", "outside"];

const count = (bar: string, character: string): number => bar.split(character).length - 1;

describe("stackedBar", () => {
  const parts = [{ amount: 40, fill: "first" }, { amount: 20, fill: "second" }, { amount: 10, fill: "third" }, { amount: 20, fill: "free" }] as const;

  it("draws each part in proportion, and the rest as what is outside", () => {
    expect(stackedBar(parts, 100, 20, plainPaper)).toBe("████████▓▓▓▓▒▒░░░░··");
    expect(stackedBar(parts, 100, 20, ascii)).toBe("########====++....--");
  });

  it("stands for what the parts are together where that is more than the whole", () => {
    expect(stackedBar([{ amount: 150, fill: "first" }, { amount: 50, fill: "second" }], 100, 20, ascii)).toBe("###############=====");
  });

  it("is as wide as asked for, with every part within one column of its share, whatever the amounts", () => {
    fc.assert(
      fc.property(fc.array(fc.double({ min: -10, max: 1e12, noNaN: true }), { minLength: 4, maxLength: 4 }), fc.double({ min: 0, max: 1e12, noNaN: true }), fc.integer({ min: 1, max: 100 }), (amounts, whole, columns) => {
        const bar = stackedBar(amounts.map((amount, index) => ({ amount, fill: fills[index] ?? "first" })), whole, columns, ascii);
        expect(bar).toHaveLength(columns);
        const scale = Math.max(whole, amounts.reduce((sum, amount) => sum + Math.max(0, amount), 0));
        for (const [index, character] of ["#", "=", "+", "."].entries()) {
          const share = scale > 0 ? (Math.max(0, amounts[index] ?? 0) / scale) * columns : 0;
          expect(Math.abs(count(bar, character) - share)).toBeLessThanOrEqual(1);
        }
      }),
    );
  });

  it("is only of what is outside where there is nothing", () => {
    expect(stackedBar([{ amount: 0, fill: "first" }], 0, 5, ascii)).toBe("-----");
  });
});

describe("levelBar", () => {
  it.each([
    [0, "........"], [1, "#......."], [25, "##......"], [50, "####...."], [99, "#######."], [100, "########"], [101, "#######>"], [1e9, "#######>"],
  ])("draws %d of 100 as %s", (taken, bar) => {
    expect(levelBar(taken, 100, 8, ascii)).toBe(bar);
  });

  it("is full only where all is taken, empty only where nothing is, and never wider", () => {
    fc.assert(
      fc.property(fc.double({ min: 0, max: 1e9, noNaN: true }), fc.double({ min: 1e-3, max: 1e9, noNaN: true }), fc.integer({ min: 2, max: 60 }), (taken, whole, columns) => {
        const bar = levelBar(taken, whole, columns, ascii);
        expect(bar).toHaveLength(columns);
        expect(bar.endsWith(">")).toBe(taken > whole);
        expect(/^#+$/.test(bar)).toBe(taken === whole);
        expect(/^\.+$/.test(bar)).toBe(taken === 0);
        if (taken <= whole) expect(Math.abs(count(bar, "#") - (taken / whole) * columns)).toBeLessThanOrEqual(1);
      }),
    );
  });

  it("shows nothing of nothing", () => {
    expect(levelBar(0, 0, 4, ascii)).toBe("....");
  });
});

describe("patterns", () => {
  it("are told apart without colour, each one column wide", () => {
    for (const paper of [plainPaper, ascii]) {
      const drawn = fills.map((kind) => fill(kind, 1, paper));
      expect(new Set(drawn).size).toBe(fills.length);
      for (const each of drawn) expect(displayWidth(each)).toBe(1);
    }
    expect(fills.map((kind) => fill(kind, 1, ascii)).join("")).toMatch(/^[\u0020-\u007e]+$/);
  });

  it("are the same with colour", () => {
    for (const kind of fills) expect(stripVTControlCharacters(fill(kind, 3, colour))).toBe(fill(kind, 3, plainPaper));
    expect(fill("first", 0, colour)).toBe("");
  });
});
