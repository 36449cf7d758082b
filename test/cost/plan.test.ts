import * as path from "node:path";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { catalogPrice, planCost, sumOfParts, type CostPlan } from "../../components/cost";
import { listEnvironments, loadStackFile, type Environment, type Server } from "../../components/environment";

const stacks = path.join(__dirname, "../../stacks");

function shipped(name: string): Environment {
  const loaded = loadStackFile(path.join(stacks, `Pulumi.${name}.yaml`));
  if (!loaded.ok) throw new Error(`${name} does not load`);
  return loaded.environment;
}

function server(environment: Environment, name: string): Server {
  const found = environment.servers[name];
  if (found === undefined) throw new Error(`there is no ${name}`);
  return found;
}

/** A copy of an environment with changes to its site and to all of its servers. */
function changed(environment: Environment, change: { site?: Partial<Environment["site"]>; servers?: Partial<Server> }): Environment {
  return { ...environment, site: { ...environment.site, ...change.site }, servers: Object.fromEntries(Object.entries(environment.servers).map(([name, each]) => [name, { ...each, ...change.servers }])) };
}

const offerOf = (plan: CostPlan, tier: string, offer: string) => plan.tiers.find((each) => each.tier === tier)?.offers.find((each) => each.offer === offer);
const sme = shipped("sme-production");
const devTest = shipped("dev-test");

describe("the purchase", () => {
  it("of eight H100 is the published price of the server, and the sum of parts holds that price", () => {
    const gpuServer = server(shipped("large-cluster"), "gpu-01");
    expect(catalogPrice(gpuServer)).toEqual({ basis: "system", total: { low: 300_000, high: 350_000 }, missing: [] });
    const parts = sumOfParts(gpuServer).total;
    expect(parts.low).toBeLessThan(300_000);
    expect(parts.high).toBeGreaterThan(350_000);
  });

  it("of four of them is the sum of parts", () => {
    const gpuServer = server(shipped("large-cluster"), "gpu-01");
    expect(catalogPrice({ ...gpuServer, gpus: { model: "h100-80gb-sxm5", count: 4, nvlink: "nvswitch" } })).toMatchObject({ basis: "parts", gpus: { low: 100_000, high: 120_000 } });
  });

  it("counts every part", () => {
    const bare = server(devTest, "gpu-01");
    const { total } = sumOfParts(bare);
    const more: Partial<Server>[] = [{ memoryGiB: 512 }, { cpu: { ...bare.cpu, sockets: 2 } }, { drives: { ...bare.drives, "ata-one-more": { kind: "hdd", capacityGB: 8000 } } }, { gpus: { model: "rtx-4090", count: 3, nvlink: "none" } }, { nics: { ...bare.nics, ens1: { speedGbps: 100, rdma: "none" } } }];
    for (const each of more) {
      const dearer = sumOfParts({ ...bare, ...each }).total;
      expect(dearer.low).toBeGreaterThan(total.low);
      expect(dearer.high).toBeGreaterThan(total.high);
    }
  });

  it("is what the environment states, where it does and its currency can be used", () => {
    const plan = planCost(changed(devTest, { site: { currencyPerUsd: 7 }, servers: { price: 60_000 } }));
    expect(plan.servers).toEqual([{ server: "gpu-01", basis: "stated", total: { low: 60_000, high: 60_000 }, missing: [] }]);
    expect(plan).toMatchObject({ currency: "CNY", unconverted: [], own: { servers: { low: 60_000, high: 60_000 } } });
  });
});

describe("currencies", () => {
  it("are not converted without a stated rate: what is not used is named, and all is in dollars", () => {
    const plan = planCost(changed(devTest, { servers: { price: 60_000 } }));
    expect(plan.currency).toBe("USD");
    expect(plan.unconverted).toEqual(["site.power.pricePerKWh", "servers.gpu-01.price"]);
    expect(plan.servers[0]?.basis).toBe("parts");
    expect(plan.own.servers).toEqual(planCost(devTest).own.servers);
  });

  it("are converted at the stated rate, the command's before the environment's", () => {
    const usd = planCost(sme);
    const stated = planCost(changed(sme, { site: { currencyPerUsd: 7 } }));
    expect(stated.own.servers.low).toBeCloseTo(7 * usd.own.servers.low, 6);
    expect(stated.own.people.high).toBeCloseTo(7 * 250_000, 6);
    expect(offerOf(stated, "specialty", "on-demand")?.perGpuHour.low).toBeCloseTo(7.7, 9);
    // Electricity is the site's own 0.75 CNY, at PUE 1.5, for 5 years.
    expect(stated.own.power.low).toBeCloseTo(stated.averageKilowatts.low * 1.5 * 8760 * 5 * 0.75, 3);
    expect(planCost(changed(sme, { site: { currencyPerUsd: 7 } }), { currencyPerUsd: 8 }).own.servers.low).toBeCloseTo(8 * usd.own.servers.low, 6);
  });

  it("need no rate where the site's is the dollar", () => {
    const plan = planCost(changed(sme, { site: { currency: "USD", budget: { min: 1, max: 300_000 }, power: { ...sme.site.power, pricePerKWh: 0.1 } } }));
    expect(plan).toMatchObject({ currency: "USD", unconverted: [], budget: { verdict: "enough" } });
  });
});

describe("what has no price", () => {
  const unpriced = changed(sme, { servers: { gpus: { model: "h200-nvl", count: 2, nvlink: "bridge" } } });

  it("is named, left out of the total, and nothing is compared", () => {
    const plan = planCost(unpriced);
    expect(plan.missing).toEqual(Object.keys(sme.servers).map((name) => ({ server: name, parts: ["2x NVIDIA H200 NVL"] })));
    expect(plan.tiers).toEqual([]);
    expect(plan.saving).toBeUndefined();
    expect(planCost(unpriced, { cloudUsdPerGpuHour: { low: 4, high: 5 } }).tiers).toEqual([]);
  });

  it("may be an NPU, even in a server that has a price as a whole", () => {
    const large = shipped("large-cluster");
    const plan = planCost({ ...large, servers: { "gpu-01": { ...server(large, "gpu-01"), npus: { resourceName: "vendor.example/npu", count: 4 } } } });
    expect(plan.missing).toEqual([{ server: "gpu-01", parts: ["4x vendor.example/npu"] }]);
  });

  it("is no matter where the server's price is stated; only the cloud's is then missing", () => {
    const plan = planCost(changed(unpriced, { site: { currencyPerUsd: 7 }, servers: { price: 500_000 } }));
    expect(plan.missing).toEqual([]);
    expect(plan.unpricedTiers.map(({ tier, gpus }) => [tier, gpus])).toEqual([["hyperscaler", ["h200-nvl"]], ["specialty", ["h200-nvl"]], ["long-tail", ["h200-nvl"]]]);
  });

  it("in a cloud is compared at a price that the command states", () => {
    const plan = planCost(shipped("quality-inspection"), { cloudUsdPerGpuHour: { low: 0.7, high: 0.8 } });
    expect(plan.tiers.map(({ tier }) => tier)).toEqual(["specialty", "stated"]);
    expect(offerOf(plan, "stated", "on-demand")?.perGpuHour).toEqual({ low: 0.7, high: 0.8 });
  });

  it("leaves a site without GPUs its total and nothing else", () => {
    const store = server(sme, "store-01");
    const plan = planCost({ ...sme, servers: { "store-01": store }, services: {} });
    expect(plan).toMatchObject({ gpuCount: 0, byUtilization: [], tiers: [], unpricedTiers: [], missing: [] });
    expect(plan.own.total.low).toBeGreaterThan(0);
  });
});

describe("the guide's claims", () => {
  it("a budget is enough, enough for the cheap case only, or too little", () => {
    const { low, high } = planCost(changed(devTest, { site: { currencyPerUsd: 1 } })).own.servers;
    const verdict = (max: number) => planCost(changed(devTest, { site: { currencyPerUsd: 1, budget: { min: 0, max } } })).budget?.verdict;
    expect([verdict(high), verdict(high - 1), verdict(low), verdict(low - 1)]).toEqual(["enough", "partly", "partly", "short"]);
  });

  it("without a rate the rate is given that the budget would take", () => {
    const plan = planCost(devTest);
    expect(plan.budget?.verdict).toBeUndefined();
    const { cheapCase, dearCase } = plan.budget?.currencyPerUsd ?? { cheapCase: NaN, dearCase: NaN };
    const verdictAt = (rate: number) => planCost(devTest, { currencyPerUsd: rate }).budget?.verdict;
    expect([verdictAt(dearCase * 0.999), verdictAt(dearCase * 1.001), verdictAt(cheapCase * 0.999), verdictAt(cheapCase * 1.001)]).toEqual(["enough", "partly", "partly", "short"]);
  });

  it("of the budgets that the guide gives are met up to the rates in docs/cost.md", () => {
    const rate = (name: string, at: string, budget: number, of: "total" | "gpus"): string[] => {
      const { low, high } = catalogPrice(server(shipped(name), at))[of] ?? { low: NaN, high: NaN };
      return [(budget / low).toFixed(1), (budget / high).toFixed(1)];
    };
    expect(rate("dev-test", "gpu-01", 35_000, "total")).toEqual(["4.8", "2.2"]);
    expect(rate("dev-test", "gpu-01", 35_000, "gpus")[0]).toBe("10.9");
    expect(rate("sme-production", "gpu-01", 250_000, "total")).toEqual(["6.0", "2.3"]);
    expect(rate("sme-production", "gpu-01", 250_000, "gpus")[0]).toBe("7.8");
    expect(rate("large-cluster", "gpu-01", 800_000, "total")).toEqual(["2.7", "2.3"]);
  });

  it("67 % takes the use in docs/cost.md", () => {
    const least = (name: string, tier: string, people?: { low: number; high: number }): string | undefined => {
      const found = planCost(shipped(name), people === undefined ? {} : { peopleUsdPerYear: people }).saving?.tiers.find((each) => each.tier === tier)?.utilization;
      return found === undefined ? undefined : found.verdict === "never" ? "never" : `${Math.round(found.low * 100)} %`;
    };
    const nobody = { low: 0, high: 0 };
    expect([least("sme-production", "hyperscaler"), least("sme-production", "specialty"), least("sme-production", "hyperscaler", nobody)]).toEqual(["41 %", "82 %", "22 %"]);
    expect([least("large-cluster", "hyperscaler"), least("large-cluster", "specialty"), least("large-cluster", "hyperscaler", nobody)]).toEqual(["47 %", "67 %", "44 %"]);
    expect([least("quality-inspection", "hyperscaler"), least("quality-inspection", "specialty"), least("quality-inspection", "specialty", nobody)]).toEqual([undefined, "89 %", "28 %"]);
    expect([least("edge", "hyperscaler"), least("edge", "specialty"), least("edge", "hyperscaler", nobody)]).toEqual(["never", "never", "19 %"]);
    expect([least("medical-imaging", "specialty"), least("dev-test", "specialty")]).toEqual(["never", "never"]);
  });

  it("67 % holds at the utilisation that is given for it, and not below", () => {
    for (const { tier, utilization } of planCost(sme).saving?.tiers ?? []) {
      if (utilization.low > 1) continue;
      const at = planCost(sme, { utilization: utilization.low });
      const rented = offerOf(at, tier, "on-demand-with-extras")?.total.high ?? NaN;
      expect(1 - at.own.total.low / rented).toBeCloseTo(0.67, 9);
    }
    expect(planCost(sme).saving?.tiers.map(({ tier, utilization }) => [tier, utilization.verdict])).toEqual([["hyperscaler", "at-best"], ["specialty", "at-best"], ["long-tail", "never"]]);
  });

  it("67 % is asked of five years, whatever years are asked for", () => {
    expect(planCost(sme, { years: 3 }).saving).toEqual(planCost(sme).saving);
  });
});

describe("a plan", () => {
  it.each(listEnvironments(stacks))("of %s has ordered ranges, and break-evens that its totals bear out", (name) => {
    const environment = shipped(name);
    const plan = planCost(environment);
    expect(plan.missing).toEqual([]);
    expect(plan.tiers.length).toBeGreaterThan(0);
    const ordered = (value: unknown): void => {
      if (typeof value !== "object" || value === null) return;
      if ("low" in value && "high" in value && value !== plan.own.residual) expect(value.low as number).toBeLessThanOrEqual(value.high as number);
      Object.values(value).forEach(ordered);
    };
    ordered(plan);
    for (const { tier, offers } of plan.tiers) {
      for (const { offer, breakEven } of offers) {
        if (offer.startsWith("reserved") || breakEven.low > 1) continue;
        expect(offerOf(planCost(environment, { utilization: breakEven.low }), tier, offer)?.total.high).toBeCloseTo(plan.own.total.low, 3);
      }
    }
  });

  it("rises with years, people, PUE and the price of power; renting rises with use and owning does not", () => {
    fc.assert(fc.property(fc.integer({ min: 1, max: 14 }), fc.double({ min: 0.01, max: 0.5, noNaN: true }), fc.double({ min: 1, max: 2, noNaN: true }), (years, utilization, pue) => {
      const at = (site: Partial<Environment["site"]["power"]>, options = {}) => planCost(changed(sme, { site: { power: { ...sme.site.power, ...site } } }), { years, utilization, currencyPerUsd: 7, ...options });
      const base = at({ pue });
      for (const dearer of [at({ pue: pue + 0.1 }), at({ pue, pricePerKWh: 0.8 }), at({ pue }, { peopleUsdPerYear: { low: 21_000, high: 51_000 } }), at({ pue }, { years: years + 1 })]) expect(dearer.own.total.high).toBeGreaterThan(base.own.total.high);
      const busier = at({ pue }, { utilization: utilization * 1.5 });
      expect(busier.own).toEqual(base.own);
      expect(offerOf(busier, "specialty", "on-demand")?.total.low).toBeGreaterThan(offerOf(base, "specialty", "on-demand")?.total.low ?? NaN);
      expect(offerOf(busier, "specialty", "reserved")?.total).toEqual(offerOf(base, "specialty", "reserved")?.total);
    }), { numRuns: 30 });
  });

  it("draws what a DGX H100 does at work, and less with a power limit", () => {
    const large = shipped("large-cluster");
    const gpuServer = server(large, "gpu-01");
    const plan = planCost({ ...large, servers: { "gpu-01": gpuServer } });
    expect(plan.averageKilowatts.low).toBeCloseTo(6.5, 6);
    expect(plan.averageKilowatts.high).toBeCloseTo(8.5, 6);
    const limited = planCost({ ...large, servers: { "gpu-01": { ...gpuServer, gpus: { model: "h100-80gb-sxm5", count: 8, nvlink: "nvswitch", powerLimitWatts: 500 } } } });
    expect(limited.own.power.high).toBeLessThan(plan.own.power.high);
  });

  it("counts a rented room by its kilowatts, whatever PUE and electricity are", () => {
    const rented = planCost(sme, { colocation: true });
    const kilowatts = ((2 * (4 * 300 + 225) + 120) / 1000) * (10.2 / 6.3);
    expect(rented.own.power.low).toBeCloseTo(kilowatts * 450 * 5, 3);
    expect(rented.own.power.high).toBeCloseTo(kilowatts * 250 * 12 * 5, 3);
    expect(planCost(changed(sme, { site: { power: { ...sme.site.power, pue: 3 } } }), { colocation: true }).own.power).toEqual(rented.own.power);
  });

  it("takes one more share of an administrator with the ninth server", () => {
    const of = (count: number) => planCost({ ...sme, servers: Object.fromEntries(Array.from({ length: count }, (_, index) => [`gpu-${index}`, server(sme, "gpu-01")])) }, { years: 1 }).own.people;
    expect([of(1), of(8), of(9)]).toEqual([{ low: 20_000, high: 50_000 }, { low: 20_000, high: 50_000 }, { low: 40_000, high: 100_000 }]);
  });
});
