import { describe, expect, it } from "vitest";
import { paperOf } from "../../cli/terminal";

const utf8 = { LANG: "en_US.UTF-8" };
const red = "\u001b[31mno\u001b[39m";

describe("paperOf", () => {
  it.each([
    ["a pipe", { isTTY: false }, utf8, 80],
    ["a pipe with COLUMNS of the shell around it", {}, { ...utf8, COLUMNS: "200" }, 80],
    ["a terminal", { isTTY: true, columns: 92 }, utf8, 92],
    ["a narrow terminal", { isTTY: true, columns: 72 }, utf8, 72],
    ["a very narrow terminal", { isTTY: true, columns: 20 }, utf8, 60],
    ["a very wide terminal", { isTTY: true, columns: 312 }, utf8, 100],
    ["a terminal that does not know its size", { isTTY: true, columns: 0 }, utf8, 80],
  ])("gives %s its columns", (_, stream, env, columns) => {
    expect(paperOf(stream, env).columns).toBe(columns);
  });

  it.each([
    [utf8, true],
    [{ LANG: "C.utf8" }, true],
    [{ LC_ALL: "C.UTF-8", LANG: "C" }, true],
    [{ LC_CTYPE: "de_DE.UTF-8" }, true],
    [{ LC_ALL: "C", LANG: "en_US.UTF-8" }, false],
    [{ LC_ALL: "", LANG: "en_US.UTF-8" }, true],
    [{ LANG: "C" }, false],
    [{ LANG: "de_DE.ISO-8859-1" }, false],
    [{}, false],
    [{ ...utf8, TERM: "dumb" }, false],
    [{ ...utf8, TERM: "xterm-256color" }, true],
  ])("draws block characters with %j: %s", (env, unicode) => {
    expect(paperOf({ isTTY: true }, env).unicode).toBe(unicode);
  });

  it.each([
    ["a terminal", { isTTY: true }, {}, red],
    ["a pipe", {}, {}, "no"],
    ["a terminal with NO_COLOR", { isTTY: true }, { NO_COLOR: "1" }, "no"],
    ["a dumb terminal", { isTTY: true }, { TERM: "dumb" }, "no"],
  ])("colours on %s or not", (_, stream, env, text) => {
    expect(paperOf(stream, env).style("red", "no")).toBe(text);
  });
});
