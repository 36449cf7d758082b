import { execFileSync } from "node:child_process";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { shellCommand, shellQuote } from "../../components/servers/shell";

/** Runs the command line in a real shell and returns the words that arrived. */
function wordsIn(shell: string, words: readonly string[]): string[] {
  const text = execFileSync(shell, ["-c", `printf '%s\\0' ${shellCommand(words)}`], { encoding: "buffer" }).toString("utf8");
  return text.split("\0").slice(0, -1);
}

const hostile = ["", " ", "'", "''", '"', "\\", "$HOME", "`id`", "$(id)", ";id", "a b", "a\nb", "*", "~", "!x", "--", "-n", "#", "&&", "é漢", "\u0001\u007f", "it's 'quoted' \"twice\""];

describe("a quoted command line", () => {
  it.each(["bash", "sh"])("arrives in %s word for word, whatever the words hold", (shell) => {
    expect(wordsIn(shell, ["begin", ...hostile])).toEqual(["begin", ...hostile]);
  });

  it("arrives word for word for any text", () => {
    const word = fc.string({ unit: "binary", maxLength: 40 }).map((text) => text.replaceAll("\0", ""));
    fc.assert(
      fc.property(fc.array(word, { minLength: 1, maxLength: 400 }), (words) => {
        expect(wordsIn("bash", words)).toEqual(words);
      }),
      { numRuns: 10 },
    );
  });

  it("leaves plain words readable", () => {
    expect(shellCommand(["bash", ".rackwright/x.sh", "--drive", "nvme-A_B-1", "pkg=1.2+3"])).toBe("bash .rackwright/x.sh --drive nvme-A_B-1 pkg=1.2+3");
    expect(shellQuote("NVIDIA A40")).toBe("'NVIDIA A40'");
  });
});
