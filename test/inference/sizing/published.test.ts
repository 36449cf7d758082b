import { describe, expect, it } from "vitest";
import { errorPercent } from "../../../bench/sizing-table";
import { publishedFigures } from "./published";

describe("published figures", () => {
  it("are at least 20", () => {
    expect(publishedFigures.length).toBeGreaterThanOrEqual(20);
  });

  it.each(publishedFigures.map((figure) => [`${figure.model} on ${figure.on}: ${figure.what}`, figure] as const))("%s is within its tolerance", (_, figure) => {
    expect(Math.abs(errorPercent(figure))).toBeLessThanOrEqual(figure.tolerancePercent);
  });
});
