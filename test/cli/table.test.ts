import { describe, expect, it } from "vitest";
import { table } from "../../cli/table";

describe("table", () => {
  it("pads columns to the widest cell and leaves no trailing blanks", () => {
    expect(table([["hot", "raid0", "3.8 TB"], ["warm", "raid1", ""]])).toBe("hot   raid0  3.8 TB\nwarm  raid1\n");
  });

  it("gives colour codes no room", () => {
    expect(table([["\u001b[31mno\u001b[39m", "x"], ["yes", "y"]])).toBe("\u001b[31mno\u001b[39m   x\nyes  y\n");
  });
});
