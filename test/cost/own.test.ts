import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { breakEven, cloudTotal, electricityPerYear, offeredPrice, ownCost, perGpuHour, residualShareAfter, cloudOffers, isReserved, type OwnInput, type Range } from "../../components/cost";

const point = (value: number): Range => ({ low: value, high: value });

/** Facts 9: eight H100 over 36 months. */
function workedExample(people: number): OwnInput {
  return {
    years: 3, servers: point(325_000), networkShare: point(0.12), maintenanceSharePerYear: point(0.05), residualShare: point(0.3),
    peoplePerYear: point(people), powerPerYear: electricityPerYear(point(7.5), 1.54, point(0.1)),
  };
}

const amount = (most: number): fc.Arbitrary<Range> => fc.tuple(fc.double({ min: 0.01, max: most, noNaN: true }), fc.double({ min: 1, max: 3, noNaN: true })).map(([low, factor]) => ({ low, high: low * factor }));
const share = (most: number): fc.Arbitrary<Range> => fc.tuple(fc.double({ min: 0, max: most, noNaN: true }), fc.double({ min: 0, max: most, noNaN: true })).map(([a, b]) => ({ low: Math.min(a, b), high: Math.max(a, b) }));
const pue = fc.double({ min: 1, max: 3, noNaN: true });
const factor = fc.double({ min: 1.01, max: 3, noNaN: true });
const use = fc.double({ min: 0.01, max: 1, noNaN: true });

const input = fc.record({
  years: fc.integer({ min: 1, max: 15 }), servers: amount(5e6), networkShare: share(0.3), maintenanceSharePerYear: share(0.2), residualShare: share(0.9), peoplePerYear: amount(5e5), powerPerYear: amount(5e5),
});

describe("what owning costs", () => {
  it("is the worked example of the facts, from the same inputs", () => {
    const { network, power, people, maintenance, residual, total } = ownCost(workedExample(35_000));
    expect(network.low).toBeCloseTo(39_000, 6);
    expect(residual.low).toBeCloseTo(-97_500, 6);
    expect(Math.round(power.low / 100) / 10).toBe(30.4);
    expect(maintenance.low).toBeCloseTo(48_750, 6);
    expect(people.low).toBe(105_000);
    expect(Math.round(total.low / 1000)).toBe(451);
    expect([1, 0.7, 0.6].map((utilization) => perGpuHour(total, 8, 3, utilization).low.toFixed(2))).toEqual(["2.14", "3.06", "3.57"]);
  });

  it("is the worked example without people", () => {
    const { total } = ownCost(workedExample(0));
    expect(perGpuHour(total, 8, 3, 1).low.toFixed(2)).toBe("1.64");
    // The facts say 2.34, which is 1.64 divided by 0.7 after rounding.
    expect(perGpuHour(total, 8, 3, 0.7).low).toBeCloseTo(2.35, 2);
  });

  it("adds up, and the cheap case is not above the dear one", () => {
    fc.assert(fc.property(input, (each) => {
      const { total, ...parts } = ownCost(each);
      for (const side of ["low", "high"] as const) expect(Object.values(parts).reduce((sum, part) => sum + part[side], 0)).toBeCloseTo(total[side], 2);
      expect(total.low).toBeLessThanOrEqual(total.high);
      expect(total.low).toBeGreaterThan(0);
      for (const part of ["servers", "network", "power", "people", "maintenance"] as const) expect(parts[part].low).toBeLessThanOrEqual(parts[part].high);
      expect(parts.residual.high).toBeLessThanOrEqual(0);
    }));
  });

  it("rises with the price of servers, of power, of people, and with the PUE", () => {
    fc.assert(fc.property(input, factor, pue, amount(100), amount(1), (each, more, cooling, kilowatts, price) => {
      const times = (range: Range): Range => ({ low: range.low * more, high: range.high * more });
      const with_ = (changed: Partial<OwnInput>): Range => ownCost({ ...each, ...changed }).total;
      const base = with_({ powerPerYear: electricityPerYear(kilowatts, cooling, price) });
      const dearer = [
        with_({ powerPerYear: electricityPerYear(kilowatts, cooling, price), servers: times(each.servers) }),
        with_({ powerPerYear: electricityPerYear(kilowatts, cooling, times(price)) }),
        with_({ powerPerYear: electricityPerYear(kilowatts, cooling * more, price) }),
        with_({ powerPerYear: electricityPerYear(kilowatts, cooling, price), peoplePerYear: times(each.peoplePerYear) }),
      ];
      for (const total of dearer) for (const side of ["low", "high"] as const) expect(total[side]).toBeGreaterThan(base[side]);
    }));
  });

  it("falls for one GPU-hour as the GPUs are used more, in proportion", () => {
    fc.assert(fc.property(amount(1e7), fc.integer({ min: 1, max: 1000 }), fc.integer({ min: 1, max: 15 }), use, (total, gpus, years, utilization) => {
      const full = perGpuHour(total, gpus, years, 1);
      expect(perGpuHour(total, gpus, years, utilization).low * utilization).toBeCloseTo(full.low, 6);
      expect(perGpuHour(total, gpus, years, utilization).high).toBeGreaterThanOrEqual(full.high);
    }));
  });

  it("takes the facts' residual value at 36 months, and less each year after", () => {
    expect(residualShareAfter(3)).toEqual({ low: 0.25, high: 0.35 });
    expect(residualShareAfter(5).low).toBeCloseTo(0.0992, 4);
    expect(residualShareAfter(5).high).toBeCloseTo(0.1738, 4);
    for (let years = 1; years < 15; years++) expect(residualShareAfter(years + 1).high).toBeLessThan(residualShareAfter(years).high);
  });
});

describe("what renting costs", () => {
  it("is the discounted price for all hours, and extras come on top of the list price", () => {
    const list = { low: 2, high: 4 };
    const rounded = cloudOffers.map((offer) => { const { low, high } = offeredPrice(list, offer); return [offer, Number(low.toFixed(6)), Number(high.toFixed(6))]; });
    expect(rounded).toEqual([["on-demand", 2, 4], ["on-demand-with-extras", 2.6, 6], ["reserved", 0.8, 2.8], ["reserved-with-extras", 1.4, 4.8]]);
  });

  it.each([
    ["never", { low: 110, high: 200 }, { low: 50, high: 100 }, false],
    ["at-best", { low: 60, high: 200 }, { low: 50, high: 100 }, false],
    ["from", { low: 20, high: 40 }, { low: 50, high: 100 }, false],
    ["always", { low: 0.1, high: 0.4 }, { low: 50, high: 100 }, false],
    ["never", { low: 110, high: 200 }, { low: 50, high: 100 }, true],
    ["undecided", { low: 60, high: 200 }, { low: 50, high: 100 }, true],
    ["always", { low: 20, high: 50 }, { low: 50, high: 100 }, true],
  ] as const)("says %s of %o against %o", (verdict, own, cloud, reserved) => {
    expect(breakEven(own, cloud, reserved).verdict).toBe(verdict);
  });

  it("meets what owning costs exactly at the break-even", () => {
    fc.assert(fc.property(amount(1e7), amount(10), fc.integer({ min: 1, max: 1000 }), fc.integer({ min: 1, max: 15 }), (own, price, gpus, years) => {
      const { low, high } = breakEven(own, cloudTotal(price, gpus, years, 1), false);
      expect(cloudTotal(price, gpus, years, low).high / own.low).toBeCloseTo(1, 9);
      expect(cloudTotal(price, gpus, years, high).low / own.high).toBeCloseTo(1, 9);
      // A little less use: renting is cheaper in every case. A little more: owning is.
      expect(cloudTotal(price, gpus, years, low * 0.99).high).toBeLessThan(own.low);
      expect(cloudTotal(price, gpus, years, high * 1.01).low).toBeGreaterThan(own.high);
    }));
  });

  it("is told apart by who pays idle hours", () => {
    expect(cloudOffers.filter(isReserved)).toEqual(["reserved", "reserved-with-extras"]);
  });
});
