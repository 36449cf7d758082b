import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { renderNodeLoss } from "../../../cli/render/node-loss";
import { standbyBudget } from "../../../components/recovery/standby/budget";
import type { NodeLossReport } from "../../../rehearsal/recovery/node-loss";
import { shipped } from "../../recovery/standby/environments";
import { full } from "../../support/full";
import { ProjectCopy } from "../../support/project-copy";

const environment = shipped("sme-production", (input) => (input.recovery = { ...input.recovery, standby: { mode: "kubernetes" } }));
const budget = standbyBudget(environment, undefined).find(({ failure }) => failure === "node-crash");
if (budget === undefined) throw new Error("no budget");

const report = (endpointGoneSeconds: number, ok: boolean): NodeLossReport => ({
  environment: "site", ok, service: "assistant", server: "gpu-01", switchWithinSeconds: 30, budget, notMeasuredSeconds: 3, seconds: 70,
  runs: [{ run: 1, ok, endpointGoneSeconds, replacementReadySeconds: 0.1 }], standIns: [{ what: "KWOK", standsInFor: "kubelets" }], notes: ["no kube-proxy"],
});

describe("what is said of a node's crash in a cluster that switches by itself", () => {
  const plain = (_: string, text: string): string => text;

  it("stands beside the budget, with what nobody measured named", () => {
    const text = renderNodeLoss(report(21, true), plain);
    expect(text).toMatch(/\n {2}ok +1 +21\.0 s +22 s +24\.0 s +25 s +30 s\n/);
    expect(text).toContain("note: no kube-proxy\n");
    expect(text).toMatch(/Verdict: GOOD, 1 of 1 runs, 70 s\.\n$/);
    expect(renderNodeLoss(report(28, false), plain)).toMatch(/\n {2}FAILED +1 +28\.0 s[^]*Verdict: NOT GOOD, 0 of 1 runs/);
  });
});

describe("rackwright rehearse --fault where Kubernetes switches by itself", () => {
  let copy: ProjectCopy;
  beforeAll(() => {
    copy = new ProjectCopy();
    const stacks = join(copy.folder, "stacks");
    mkdirSync(stacks, { recursive: true });
    const shippedText = readFileSync(join(__dirname, "../../../stacks/Pulumi.sme-production.yaml"), "utf8");
    const text = shippedText.replace(/standby: \{ mode: keepalived[^}]*\}/, "standby: { mode: kubernetes }");
    expect(text).not.toBe(shippedText);
    copy.writeStack("site", text);
  });
  afterAll(() => copy.remove());

  it("refuses what kubelets and kube-proxy would notice", async () => {
    const { code, stderr } = await copy.run(["rehearse", "site", "--fault", "engine-dies"]);
    expect([code, stderr]).toEqual([2, expect.stringContaining("recovery.standby.mode is kubernetes, of which only node-crash can be rehearsed")]);
  }, 60_000);

  it.skipIf(!full)("(RACKWRIGHT_FULL=1) takes a silent node's endpoint out of the Service within its budget, on a real control plane", async () => {
    const { code, stdout, stderr } = await copy.run(["rehearse", "site", "--fault", "node-crash", "--json"]);
    expect(code, stderr).toBe(0);
    const { ok, server, runs } = JSON.parse(stdout) as NodeLossReport;
    expect([ok, server, runs.length]).toEqual([true, "gpu-01", 1]);
    // Not before the grace period: a node that is late is not lost.
    expect(runs[0]?.endpointGoneSeconds).toBeGreaterThan(15);
    expect(runs[0]?.endpointGoneSeconds).toBeLessThan(27);
    const record = JSON.parse(readFileSync(join(copy.folder, ".rackwright/recovery/site.json"), "utf8")) as { standby: { seconds: number } };
    expect(record.standby.seconds).toBeCloseTo((runs[0]?.endpointGoneSeconds ?? 0) + 3, 5);
  }, 300_000);
});
