import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { code, fencedLine, listed, md, prose, row } from "../../../cli/pr/markdown";
import { faults } from "./inert";
import { payloads, worst } from "./payloads";

/** A string where it stands in a comment: as code, in a sentence, in a table and in a fenced block. */
function inPlace(text: string): string {
  return [
    md`- **Destroys**: ${text} and ${prose(text)} and ${code(text)}${prose(text)}.`.text,
    "",
    row([md`a`, md`b ${text}`, prose(text)]).text,
    "| :-- | :-- | :-- |",
    row([md`${text}`, prose(text), listed([text, prose(text), text])]).text,
    "",
    `<details><summary>x</summary>\n\n\`\`\`diff\n${fencedLine("+", text).text}\n${fencedLine("-+", text).text}\n\`\`\`\n\n</details>`,
    "",
  ].join("\n");
}

describe("text from elsewhere in a comment", () => {
  it("is found where it is not inert", () => {
    // The check itself: each of these must be seen.
    for (const bad of ["[a](https://x.example)", "![a](b)", "<b>x</b>", "hello @octocat", "see #12", "https://x.example", "www.x.example", "x\n/close", "a `@octocat` b", "| a | b |\n| - | - |\n| x |\n\n| a |\n| - |\n| <i> |"]) expect(faults(bad), bad).not.toEqual([]);
    expect(faults("- plain `code`, 80 % of it\n")).toEqual([]);
  });

  it.each(payloads)("is inert: %j", (payload) => {
    expect(faults(inPlace(payload))).toEqual([]);
  });

  it("is inert whatever it is made of", () => {
    const piece = fc.oneof(fc.constantFrom(...payloads), fc.constantFrom("`", "``", "|", "\\", "\n", "@", "#1", "<", ">", "[", "](", ")", "*", "_", "~", "&", "://", "www.", "a", "1", " ", "$", ":", "!", "%", "^", "-", "=", "/x"), fc.string({ unit: "binary", maxLength: 8 }));
    const property = fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => faults(inPlace(pieces.join(""))).length === 0);
    fc.assert(property, { numRuns: process.env["RACKWRIGHT_FULL"] === "1" ? 20_000 : 300 });
  });

  it("stays readable", () => {
    expect(md`drive ${"nvme-A_B"}`.text).toBe("drive `nvme-A_B`");
    expect(prose("servers.gpu-01: 80 % of 4x A100, at 3.2 GHz").text).toBe("servers.gpu-01: 80 % of 4x A100, at 3.2 GHz");
    expect(listed(["a", "b", "c"]).text).toBe("`a`, `b` and `c`");
    expect(listed(["a", "b", "c"], 2).text).toBe("`a`, `b` and 1 more");
    expect(md`${1234} servers`.text).toBe("1,234 servers");
    expect(code("").text).toBe("`(empty)`");
  });

  it("is bounded", () => {
    expect(code(worst.repeat(1000)).text.length).toBeLessThan(400);
    expect(prose(worst.repeat(1000)).text.length).toBeLessThan(2_500);
  });
});
