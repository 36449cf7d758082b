import { describe, expect, it } from "vitest";
import { liquidCoolingPue } from "../../policies/hardware/liquid-cooling-pue";
import { rackPower } from "../../policies/hardware/rack-power";
import { serverPower } from "../../policies/hardware/server-power";
import { sitePower } from "../../policies/hardware/site-power";
import { analyze, broken, expectViolations } from "./analyze";
import { serverSpec, siteSpec } from "./fixtures";

// 4x A100 80GB PCIe at 300 W and one EPYC 7543 at 225 W, and 15 % for the rest: 1639 W a server, 3278 W for both.

describe("server-power", () => {
  const supplies = (maxPowerWatts?: number) => broken(serverSpec(), (spec) => Object.assign(spec, { maxPowerWatts }));

  it("refuses supplies that are one watt too weak and names both figures", () => {
    expect(analyze(serverPower, supplies(1639))).toEqual([]);
    expectViolations(analyze(serverPower, supplies(1638)), { at: "servers.gpu-01.maxPowerWatts", says: ["draw 1639 W", "1638 W"], allowed: "1638 W" });
  });

  it("counts a power limit, but not one above what the card draws anyway", () => {
    const limited = (powerLimitWatts: number) => broken(supplies(1638), ({ gpus }) => Object.assign(gpus ?? {}, { powerLimitWatts }));
    expect(analyze(serverPower, limited(250))).toEqual([]);
    expect(analyze(serverPower, limited(500))).toHaveLength(1);
    expect(analyze(serverPower, broken(limited(500), (spec) => (spec.maxPowerWatts = 1639)))).toEqual([]);
  });

  it("counts both CPUs and NPUs", () => {
    const spec = broken(supplies(1000), (spec) => Object.assign(spec, { gpus: undefined, cpu: { model: "epyc-7543", sockets: 2 }, npus: { resourceName: "vendor.example/npu", count: 8, powerWatts: 100 } }));
    expectViolations(analyze(serverPower, spec), { at: "servers.gpu-01.maxPowerWatts", says: ["draw 1438 W"], allowed: "1000 W" });
  });

  it("counts nothing for NPUs whose draw is not stated", () => {
    const npus = (maxPowerWatts: number) => broken(supplies(maxPowerWatts), (spec) => Object.assign(spec, { npus: { resourceName: "vendor.example/npu", count: 8 } }));
    expect(analyze(serverPower, npus(1639))).toEqual([]);
    expectViolations(analyze(serverPower, npus(1638)), { at: "servers.gpu-01.maxPowerWatts", says: ["draw 1639 W"], allowed: "1638 W" });
  });

  it("takes the site's overhead", () => {
    expect(analyze(serverPower, supplies(1425), { config: { overheadPercent: 0 } })).toEqual([]);
    expect(analyze(serverPower, supplies(1424), { config: { overheadPercent: 0 } })).toHaveLength(1);
  });

  it("says nothing where the supplies are not known", () => {
    expect(analyze(serverPower, supplies())).toEqual([]);
  });
});

describe("rack-power", () => {
  const feed = (powerLimitWatts?: number) => broken(siteSpec(), ({ site }) => Object.assign(site.racks["r1"] ?? {}, { powerLimitWatts }));

  it("refuses a feed that is one watt too weak for its servers", () => {
    expect(analyze(rackPower, feed(3278))).toEqual([]);
    expectViolations(analyze(rackPower, feed(3277)), { at: "site.racks.r1.powerLimitWatts", says: ["gpu-01 and gpu-02", "3278 W"], allowed: "3277 W" });
  });

  it("counts only the servers of the rack", () => {
    const spec = broken(feed(1639), ({ site, servers }) => {
      site.racks["r2"] = { heightUnits: 42, powerLimitWatts: 1639 };
      Object.assign(servers["gpu-02"]?.rack ?? {}, { name: "r2" });
    });
    expect(analyze(rackPower, spec)).toEqual([]);
    expectViolations(analyze(rackPower, broken(spec, ({ site }) => Object.assign(site.racks["r2"] ?? {}, { powerLimitWatts: 1638 }))), { at: "site.racks.r2.powerLimitWatts", says: [/^gpu-02 can draw 1639 W$/], allowed: "1638 W" });
  });

  it("says nothing of servers outside racks, nor of racks without a limit", () => {
    const outside = broken(feed(1), ({ servers }) => {
      for (const server of Object.values(servers)) delete server.rack;
    });
    expect(analyze(rackPower, outside)).toEqual([]);
    expect(analyze(rackPower, feed())).toEqual([]);
  });

  it("takes the site's overhead", () => {
    expect(analyze(rackPower, feed(3277), { config: { overheadPercent: 0 } })).toEqual([]);
  });
});

describe("site-power", () => {
  const room = (limitWatts: number | undefined, pue = 1.5) => broken(siteSpec(), ({ site }) => Object.assign(site.power, { limitWatts, pue }));

  it("refuses a room that is one watt too weak once cooling is counted", () => {
    expect(analyze(sitePower, room(5124))).toEqual([]);
    expectViolations(analyze(sitePower, room(5123)), { at: "site.power.limitWatts", says: ["3416 W", "5124 W", "PUE of 1.5"], allowed: "5123 W" });
  });

  it("needs less with better cooling", () => {
    expect(analyze(sitePower, room(4916, 1.1))).toEqual([]);
  });

  it("says nothing where the room's limit is not known", () => {
    expect(analyze(sitePower, room(undefined))).toEqual([]);
  });

  it("takes the site's overhead", () => {
    expect(analyze(sitePower, room(5123), { config: { overheadPercent: 0 } })).toEqual([]);
  });
});

describe("liquid-cooling-pue", () => {
  const cooled = (cooling: "air" | "liquid", pue: number) => broken(siteSpec(), ({ site }) => Object.assign(site.power, { cooling, pue }));

  it("objects to liquid cooling above 1.1 (guide 7)", () => {
    expect(analyze(liquidCoolingPue, cooled("liquid", 1.1))).toEqual([]);
    expectViolations(analyze(liquidCoolingPue, cooled("liquid", 1.11)), { at: "site.power.pue", says: ["1.11 with liquid"], allowed: "1.1 or less" });
  });

  it("objects to air cooling that counts on less", () => {
    expect(analyze(liquidCoolingPue, cooled("air", 1.1))).toEqual([]);
    expectViolations(analyze(liquidCoolingPue, cooled("air", 1.09)), { at: "site.power.pue", says: ["1.09 with air"], allowed: "1.1 or more" });
  });

  it("takes the site's own figure", () => {
    expect(analyze(liquidCoolingPue, cooled("liquid", 1.2), { config: { pue: 1.2 } })).toEqual([]);
  });
});
