import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Tier } from "../../components/environment";
import { arrayName, dataDrives, survivesDrives, usableGB } from "../../components/servers/tiers-plan";

const fewest: Record<Tier["level"], number> = { single: 1, raid0: 2, raid1: 2, raid5: 3, raid6: 4, raid10: 4 };
const levels = Object.keys(fewest) as Tier["level"][];

const array = fc.constantFrom(...levels).chain((level) =>
  fc.record({
    level: fc.constant(level),
    capacities: fc
      .array(fc.integer({ min: 1, max: 30_000 }), { minLength: fewest[level], maxLength: level === "single" ? 1 : 16 })
      .filter((drives) => level !== "raid10" || drives.length % 2 === 0),
  }),
);

describe("capacity of a tier", () => {
  it.each([
    ["single", [3840], 3840],
    ["raid0", [3840, 3840], 7680],
    ["raid1", [3840, 3840], 3840],
    ["raid5", [8000, 8000, 8000, 8000], 24000],
    ["raid6", [8000, 8000, 8000, 8000], 16000],
    ["raid10", [8000, 8000, 8000, 8000], 16000],
  ] as const)("of %s over %j GB is %i GB", (level, capacities, expected) => {
    expect(usableGB(level, capacities)).toBe(expected);
  });

  it("takes of each drive what the smallest has, where drives hold copies of each other", () => {
    expect(usableGB("raid1", [1000, 960])).toBe(960);
    expect(usableGB("raid5", [1000, 960, 2000])).toBe(1920);
    expect(usableGB("raid0", [1000, 960])).toBe(1960);
  });

  it("is never above what the drives hold together, and never nothing", () => {
    fc.assert(
      fc.property(array, ({ level, capacities }) => {
        const usable = usableGB(level, capacities);
        expect(usable).toBeGreaterThan(0);
        expect(usable).toBeLessThanOrEqual(capacities.reduce((sum, capacity) => sum + capacity, 0));
      }),
    );
  });

  it("falls as more drives may fail", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 20_000 }), fc.integer({ min: 2, max: 8 }), (capacity, pairs) => {
        const drives = Array<number>(2 * pairs).fill(capacity);
        expect(usableGB("raid0", drives)).toBeGreaterThan(usableGB("raid5", drives));
        expect(usableGB("raid5", drives)).toBeGreaterThan(usableGB("raid6", drives));
        expect(usableGB("raid6", drives)).toBeGreaterThanOrEqual(usableGB("raid10", drives));
      }),
    );
  });
});

describe("stripe of a tier", () => {
  it.each([
    ["single", 1, 1],
    ["raid0", 2, 2],
    ["raid0", 3, 3],
    ["raid1", 3, 1],
    ["raid5", 4, 3],
    ["raid6", 6, 4],
    ["raid10", 4, 2],
    // The kernel's preferred width of an odd near-2 array is all of its drives.
    ["raid10", 5, 5],
  ] as const)("of %s over %i drives holds %i drives' worth of data", (level, count, expected) => {
    expect(dataDrives(level, count)).toBe(expected);
  });
});

describe("what a tier survives", () => {
  it.each([
    ["single", 1, 0],
    ["raid0", 4, 0],
    ["raid1", 2, 1],
    ["raid1", 3, 2],
    ["raid5", 5, 1],
    ["raid6", 5, 2],
    ["raid10", 6, 1],
  ] as const)("%s of %i drives survives the loss of any %i", (level, count, expected) => {
    expect(survivesDrives(level, count)).toBe(expected);
  });
});

describe("name of an array", () => {
  const server = fc.stringMatching(/^[a-z]([-a-z0-9]{0,51}[a-z0-9])?$/);
  const tier = fc.constantFrom("hot" as const, "warm" as const, "cold" as const);

  it("is <server>-<tier> where mdadm has room for it", () => {
    expect(arrayName("gpu-01", "hot")).toBe("gpu-01-hot");
    expect(arrayName("a234567890123456", "hot")).toBe("a234567890123456-hot");
  });

  it("is cut and told apart by a hash where it has not", () => {
    const one = arrayName("inference-server-berlin-01", "warm");
    const other = arrayName("inference-server-berlin-02", "warm");
    expect(one).toMatch(/^inferen[a-z-]*-[0-9a-f]{6}-warm$/);
    expect(one).not.toBe(other);
  });

  it("fits into a superblock beside `rackwright:`, and is what the host script takes", () => {
    fc.assert(
      fc.property(server, tier, (name, which) => {
        expect(`rackwright:${arrayName(name, which)}`.length).toBeLessThan(32);
        expect(arrayName(name, which)).toMatch(/^[a-z][a-z0-9-]{0,19}$/);
      }),
    );
  });
});
