import { describe, expect, it } from "vitest";
import { checkpointInterval } from "../../policies/recovery/checkpoint-interval";
import { checkpointsKept } from "../../policies/recovery/checkpoints-kept";
import { coldImagesHaveATier } from "../../policies/recovery/cold-images-have-a-tier";
import { coldStartRehearsed } from "../../policies/recovery/cold-start-rehearsed";
import { controlPlaneSurvivesAServer } from "../../policies/recovery/control-plane-survives-a-server";
import { interactiveServicesSurviveAServer } from "../../policies/recovery/interactive-services-survive-a-server";
import { standbyModeFitsServices } from "../../policies/recovery/standby-mode-fits-services";
import { standbyOnAnotherServer } from "../../policies/recovery/standby-on-another-server";
import { standbyWithinBudget } from "../../policies/recovery/standby-within-budget";
import type { SiteSpec } from "../../policies/specs";
import { analyze, broken, expectViolations } from "./analyze";
import { serviceSpec, siteSpec } from "./fixtures";

const site = (change: (spec: SiteSpec) => void) => broken(siteSpec(), change);
const assistant = (values: Partial<SiteSpec["services"][string]>, more: (spec: SiteSpec) => void = () => undefined) =>
  site((spec) => {
    Object.assign(spec.services["assistant"] ?? {}, values);
    more(spec);
  });

describe("checkpoint-interval", () => {
  const every = (everySteps: number) => site(({ recovery }) => (recovery.checkpoints.everySteps = everySteps));

  it("refuses more than the guide's 1,000 steps where something is trained", () => {
    expect(analyze(checkpointInterval, every(1000))).toEqual([]);
    expectViolations(analyze(checkpointInterval, every(1001)), { at: "recovery.checkpoints.everySteps", says: ["1001 steps"], allowed: "1000 or fewer" });
    expect(analyze(checkpointInterval, broken(every(1001), (spec) => (spec.training = {})))).toEqual([]);
  });
});

describe("checkpoints-kept", () => {
  const keep = (keepLast: number) => site(({ recovery }) => (recovery.checkpoints.keepLast = keepLast));

  it("objects to one alone where something is trained", () => {
    expect(analyze(checkpointsKept, keep(2))).toEqual([]);
    expectViolations(analyze(checkpointsKept, keep(1)), { at: "recovery.checkpoints.keepLast", says: ["only 1"], allowed: "2 or more" });
    expect(analyze(checkpointsKept, broken(keep(1), (spec) => (spec.training = {})))).toEqual([]);
  });
});

describe("standby-on-another-server", () => {
  const at = "services.assistant.standbyReplicas";

  it("refuses a standby beside its active replica and names the server", () => {
    const together = broken(serviceSpec(), ({ workloads }) => {
      for (const each of workloads) each.servers = ["gpu-01"];
    });
    expectViolations(analyze(standbyOnAnotherServer, together), { at, says: ["assistant-gpu-02-standby", "gpu-01"], allowed: "servers without an active replica of the service" });
  });

  it("refuses fewer standbys than asked for", () => {
    const without = broken(serviceSpec(), (spec) => (spec.workloads = spec.workloads.slice(0, 1)));
    expectViolations(analyze(standbyOnAnotherServer, without), { at, says: ["1 standbys are asked for and 0"], allowed: "1 standbys" });
    expect(analyze(standbyOnAnotherServer, broken(without, ({ service }) => (service.standbyReplicas = 0)))).toEqual([]);
  });

  it("counts replicas, not workloads", () => {
    const two = broken(serviceSpec(), (spec) => {
      spec.service.standbyReplicas = 2;
      for (const each of spec.workloads) each.replicas = 2;
    });
    expect(analyze(standbyOnAnotherServer, two)).toEqual([]);
  });
});

describe("standby-within-budget", () => {
  const within = (switchWithinSeconds: number, mode: "none" | "kubernetes" | "keepalived" = "kubernetes") => site(({ recovery }) => Object.assign(recovery.standby, { switchWithinSeconds, mode }));

  it("refuses more than the guide's 30 seconds where there is a standby", () => {
    expect(analyze(standbyWithinBudget, within(30))).toEqual([]);
    expectViolations(analyze(standbyWithinBudget, within(30.5)), { at: "recovery.standby.switchWithinSeconds", says: ["30.5 s"], allowed: "30 s or less" });
    expect(analyze(standbyWithinBudget, within(31, "keepalived"))).toHaveLength(1);
    expect(analyze(standbyWithinBudget, within(300, "none"))).toEqual([]);
  });
});

describe("standby-mode-fits-services", () => {
  it("objects to standbys that nothing switches to", () => {
    const idle = site(({ recovery }) => (recovery.standby.mode = "none"));
    expectViolations(analyze(standbyModeFitsServices, idle), { at: "services.assistant.standbyReplicas", says: ["1 standbys", "none"], allowed: "standbys with a mode other than none" });
  });

  it("objects to a switch without a standby", () => {
    expectViolations(analyze(standbyModeFitsServices, assistant({ standbyReplicas: 0 })), { at: "recovery.standby.mode", says: ["keepalived"], allowed: "a service with standbyReplicas" });
  });

  it("accepts neither, and a site without services", () => {
    expect(analyze(standbyModeFitsServices, assistant({ standbyReplicas: 0 }, ({ recovery }) => (recovery.standby.mode = "none")))).toEqual([]);
    expect(analyze(standbyModeFitsServices, site((spec) => (spec.services = {})))).toEqual([]);
  });
});

describe("interactive-services-survive-a-server", () => {
  it("objects to one replica alone where there are two servers with GPUs", () => {
    expectViolations(analyze(interactiveServicesSurviveAServer, assistant({ standbyReplicas: 0 })), { at: "services.assistant.standbyReplicas", says: ["one replica", "2 servers"], allowed: "a standby or a second replica" });
  });

  it("accepts a second replica, batch work, and a site where there is no other place", () => {
    expect(analyze(interactiveServicesSurviveAServer, assistant({ standbyReplicas: 0, replicas: 2 }))).toEqual([]);
    expect(analyze(interactiveServicesSurviveAServer, assistant({ standbyReplicas: 0, priority: "batch" }))).toEqual([]);
    expect(analyze(interactiveServicesSurviveAServer, assistant({ standbyReplicas: 0 }, ({ servers }) => delete servers["gpu-02"]))).toEqual([]);
    expect(analyze(interactiveServicesSurviveAServer, assistant({ standbyReplicas: 0 }, ({ servers }) => Object.assign(servers["gpu-02"] ?? {}, { roles: ["storage"] })))).toEqual([]);
  });
});

describe("control-plane-survives-a-server", () => {
  const plane = (count: number, mode: "none" | "keepalived" = "keepalived") => site(({ cluster, recovery }) => {
    cluster.controlPlane = Array.from({ length: count }, (_, index) => `ctrl-${index}`);
    recovery.standby.mode = mode;
  });

  it.each([2, 4])("objects to %i servers", (count) => {
    for (const mode of ["none", "keepalived"] as const) expectViolations(analyze(controlPlaneSurvivesAServer, plane(count, mode)), { at: "cluster.controlPlane", says: [`${count} servers`], allowed: "an odd number" });
  });

  it("objects to one where services have a standby", () => {
    expectViolations(analyze(controlPlaneSurvivesAServer, plane(1)), { at: "cluster.controlPlane", says: ["1 server", "keepalived"], allowed: "3 servers or more" });
    expect(analyze(controlPlaneSurvivesAServer, plane(1, "none"))).toEqual([]);
    expect(analyze(controlPlaneSurvivesAServer, plane(3))).toEqual([]);
  });

  it("leaves a cluster that is there already to those who run it", () => {
    expect(analyze(controlPlaneSurvivesAServer, broken(plane(2), ({ cluster }) => (cluster.distribution = "existing")))).toEqual([]);
  });
});

describe("cold-images-have-a-tier", () => {
  const without = (...tiers: ("warm" | "cold" | "store")[]) => (imagesTier?: "warm" | "cold") => site(({ site, servers, recovery }) => {
    recovery.coldStart = { ...recovery.coldStart, ...(imagesTier === undefined ? {} : { imagesTier }) };
    if (imagesTier === undefined) delete recovery.coldStart.imagesTier;
    for (const tier of tiers) {
      if (tier === "store") delete site.objectStore;
      else for (const server of Object.values(servers)) Reflect.deleteProperty(server.tiers, tier);
    }
  });
  const at = "recovery.coldStart.imagesTier";
  const allowed = "a tier that is there";

  it("refuses images that lie nowhere", () => {
    expectViolations(analyze(coldImagesHaveATier, without("cold", "store")("cold")), { at, says: ["no server has a cold tier", "no object store"], allowed });
    expectViolations(analyze(coldImagesHaveATier, without("warm")("warm")), { at, says: [/^no server has a warm tier, so/], allowed });
    expectViolations(analyze(coldImagesHaveATier, without("warm", "cold", "store")()), { at, says: ["cold or warm"], allowed });
  });

  it("accepts an object store as the cold tier, any tier where none is named, and a site without a cluster", () => {
    expect(analyze(coldImagesHaveATier, without("cold")("cold"))).toEqual([]);
    expect(analyze(coldImagesHaveATier, without("cold", "store")())).toEqual([]);
    expect(analyze(coldImagesHaveATier, without("warm")())).toEqual([]);
    expect(analyze(coldImagesHaveATier, broken(without("warm", "cold", "store")(), ({ cluster }) => (cluster.distribution = "none")))).toEqual([]);
  });
});

describe("cold-start-rehearsed", () => {
  const every = (days: number) => site(({ recovery }) => (recovery.coldStart.rehearseEveryDays = days));

  it("objects to less than twice a year", () => {
    expect(analyze(coldStartRehearsed, every(180))).toEqual([]);
    expectViolations(analyze(coldStartRehearsed, every(181)), { at: "recovery.coldStart.rehearseEveryDays", says: ["181 days"], allowed: "180 days or fewer" });
  });
});
