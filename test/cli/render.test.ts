import { describe, expect, it } from "vitest";
import { renderHostReport } from "../../cli/render/drift";
import { renderChecks, toChecks } from "../../cli/render/checks";
import { capacity } from "../../cli/render/capacity";
import { plannedSteps, renderChanges, renderSteps } from "../../cli/render/steps";
import { renderVerdict } from "../../cli/render/verdict";
import type { EngineEvent, PolicyEvent, StepEventMetadata } from "../../engine/events";
import type { StepOp } from "../../engine/model";
import { plainPaper } from "../support/paper";

const plain = (_: string, text: string): string => text;
const prefix = "urn:pulumi:lab::rackwright::";
const stack = `${prefix}pulumi:pulumi:Stack::rackwright-lab`;
const server = `${prefix}rackwright:servers:Server::gpu-01`;
const tier = `${prefix}rackwright:servers:Server$rackwright:servers:StorageTier::gpu-01-hot`;
const command = `${prefix}rackwright:servers:Server$rackwright:servers:StorageTier$command:remote:Command::gpu-01-hot`;

function pre(op: StepOp, urn: string, type: string, parent: string, diffs?: string[]): EngineEvent {
  const state = { type, urn, id: "", parent, inputs: {}, outputs: {}, provider: "" };
  const metadata: StepEventMetadata = { op, urn, type, old: null, new: state, detailedDiff: null, provider: "", ...(diffs === undefined ? {} : { diffs }) };
  return { sequence: 0, timestamp: 0, resourcePreEvent: { metadata } };
}

describe("plannedSteps", () => {
  const events = [
    pre("create", stack, "pulumi:pulumi:Stack", ""),
    pre("create", server, "rackwright:servers:Server", stack),
    pre("create", `${prefix}rackwright:servers:Server::gpu-02`, "rackwright:servers:Server", stack),
    pre("same", `${prefix}pulumi:providers:command::default_1_2_1`, "pulumi:providers:command", ""),
    pre("create", tier, "rackwright:servers:StorageTier", server),
    pre("update", command, "command:remote:Command", tier, ["create"]),
  ];

  it("reads alike in whatever order independent resources reached the engine, from the servers up", () => {
    const site = `${prefix}rackwright:site:Site::lab`;
    const below = (type: string, name: string): EngineEvent => pre("create", `${prefix}rackwright:site:Site$${type}::${name}`, type, site);
    const independent = [
      below("rackwright:servers:Server", "gpu-2"),
      below("rackwright:servers:Server", "gpu-10"),
      below("rackwright:cluster:Cluster", "cluster"),
      below("rackwright:inference:ModelStore", "model-store"),
      below("rackwright:inference:InferenceService", "assistant"),
      below("rackwright:training:TrainingJob", "a-job"),
    ];
    const names = (list: EngineEvent[]): string[] => plannedSteps([pre("create", site, "rackwright:site:Site", stack), ...list]).map(({ name }) => name);
    expect(names(independent)).toEqual(["lab", "gpu-2", "gpu-10", "cluster", "model-store", "assistant", "a-job"]);
    expect(names([...independent].reverse())).toEqual(names(independent));
  });

  it("puts children behind their parents and leaves out the stack and the providers", () => {
    expect(plannedSteps(events).map(({ name, depth, op }) => [name, depth, op])).toEqual([
      ["gpu-01", 0, "create"],
      ["gpu-01-hot", 1, "create"],
      ["gpu-01-hot", 2, "update"],
      ["gpu-02", 0, "create"],
    ]);
  });

  it("names the inputs that differ, for updates only", () => {
    expect(plannedSteps(events).map(({ changed }) => changed)).toEqual([[], [], ["create"], []]);
  });

  it("lists what changes and not what stays", () => {
    const text = renderSteps(plannedSteps([pre("same", server, "rackwright:servers:Server", stack), pre("update", command, "command:remote:Command", server, ["create"])]), plainPaper);
    expect(text).toBe("  ~     gpu-01-hot  command:remote:Command  create\n");
  });
});

describe("renderSteps", () => {
  const site = `${prefix}rackwright:site:Site::lab`;
  const object = (op: StepOp, type: string, name: string, diffs?: string[]): EngineEvent => pre(op, `${prefix}rackwright:site:Site$${type}::${name}`, type, site, diffs);

  it("leaves out a type that the name says already, and no other", () => {
    const steps = plannedSteps([
      object("create", "kubernetes:rbac.authorization.k8s.io/v1:ClusterRoleBinding", "clusterrolebinding-rackwright"),
      object("create", "kubernetes:core/v1:ConfigMap", "own-name"),
      object("update", "kubernetes:apps/v1:Deployment", "deployment-assistant", ["spec"]),
    ]);
    expect(renderSteps(steps, plainPaper)).toBe(
      `  +   clusterrolebinding-rackwright
  ~   deployment-assistant  spec
  +   own-name              kubernetes:core/v1:ConfigMap
`,
    );
  });

  it("goes on below where a line has no room", () => {
    const inputs = ["connection", "create", "environment", "logging", "triggers", "update"];
    const text = renderSteps(plannedSteps([object("update", "command:remote:Command", "gpu-01-of-the-second-row-of-racks-monitoring", inputs)]), { ...plainPaper, columns: 60 });
    expect(text).toBe(
      `  ~   gpu-01-of-the-second-row-of-  command:remote:Command
      racks-monitoring              connection, create,
                                    environment, logging,
                                    triggers, update
`,
    );
  });
});

describe("renderChanges", () => {
  it("counts by kind, what changes first", () => {
    expect(renderChanges({ same: 3, create: 2, delete: 1 })).toBe("2 to create, 1 to delete, 3 unchanged");
    expect(renderChanges({})).toBe("no resources");
  });
});

describe("checks", () => {
  const violation = (policyName: string, enforcementLevel: "mandatory" | "advisory"): PolicyEvent => ({
    policyName,
    enforcementLevel,
    message: "What the rule is about.\nservers.gpu-01: is wrong.\n",
    color: "never",
    policyPackName: "rackwright",
    policyPackVersion: "1",
    policyPackVersionTag: "1",
    resourceUrn: server,
    severity: "high",
  });

  it("puts mandatory violations first and leaves out the rule's description", () => {
    expect(toChecks([violation("b", "advisory"), violation("c", "mandatory"), violation("a", "mandatory")])).toEqual([
      { policy: "a", level: "mandatory", severity: "high", resource: "gpu-01", message: "servers.gpu-01: is wrong." },
      { policy: "c", level: "mandatory", severity: "high", resource: "gpu-01", message: "servers.gpu-01: is wrong." },
      { policy: "b", level: "advisory", severity: "high", resource: "gpu-01", message: "servers.gpu-01: is wrong." },
    ]);
  });

  it("breaks a long message between words, behind its label", () => {
    const long: PolicyEvent = { ...violation("drives-by-id", "mandatory"), message: "What the rule is about.\nservers.gpu-01.tiers.hot.drives: nvme0n1 changes between boots. Allowed: names under /dev/disk/by-id. Remedy: look it up." };
    expect(renderChecks(toChecks([long]), 39, plainPaper)).toBe(
      `  violation  drives-by-id: servers.gpu-01.tiers.hot.drives: nvme0n1 changes
             between boots. Allowed: names under /dev/disk/by-id. Remedy: look
             it up.
  39 rules: 1 violated
`,
    );
  });

  it("ends with a sum", () => {
    expect(renderChecks([], 39, plainPaper)).toBe("  39 rules: all hold\n");
    expect(renderChecks(toChecks([violation("b", "advisory"), violation("c", "mandatory")]), 39, plainPaper)).toContain("  39 rules: 1 violated, 1 warning\n");
  });
});

describe("capacity", () => {
  it("is decimal, as on a drive's label", () => {
    expect([480, 1000, 7680, 15360].map(capacity)).toEqual(["480 GB", "1 TB", "7.68 TB", "15.36 TB"]);
  });
});

describe("renderHostReport", () => {
  const check = { server: "gpu-01", step: "gpu-01-hot", kind: "storage-tier" as const };

  it("says that nothing differs, and how much was looked at", () => {
    expect(renderHostReport({ checks: [{ ...check, findings: [] }], unreachable: [] }, plain)).toBe("1 steps checked, nothing differs.\n");
  });

  it("tells what up mends from what needs hands, and names servers that did not answer", () => {
    const findings = [
      { id: "not-mounted", message: "/srv/hot is not mounted", mendable: true },
      { id: "drive-missing", message: "nvme-X is not there", mendable: false },
    ];
    const text = renderHostReport({ checks: [{ ...check, findings }], unreachable: [{ server: "gpu-02", address: "192.0.2.2:22", reason: "connection refused" }] }, plain);
    expect(text).toContain("gpu-01  gpu-01-hot  up mends  /srv/hot is not mounted");
    expect(text).toContain("gpu-01  gpu-01-hot  by hand   nvme-X is not there");
    expect(text).toContain("unreachable  gpu-02 (192.0.2.2:22): connection refused");
    expect(text).toContain("2 differences: 1 that `rackwright up` mends, 1 that need hands");
  });
});

describe("renderVerdict", () => {
  const verdict = {
    environment: "lab",
    ok: false,
    servers: ["gpu-01"],
    leftOut: ["gpu-02"],
    checks: [
      { name: "up makes servers", ok: true, detail: "14 create", seconds: 61.2 },
      { name: "a second up changes nothing", ok: false, detail: "the second up did 1 update", seconds: 4 },
    ],
    notMade: ["reboot"],
    standIns: [{ what: "nvidia-smi", standsInFor: "the GPUs" }],
    seconds: 70,
  };

  it("shows why a check failed, what was not made, what was left out and what stood in", () => {
    const text = renderVerdict(verdict, plain);
    expect(text).toContain("FAILED  4.0 s   a second up changes nothing: the second up did 1 update");
    expect(text).toContain("not made  reboot");
    expect(text).toContain("Not emulated: gpu-02.");
    expect(text).toContain("  nvidia-smi\n    for the GPUs\n");
    expect(text).toContain("Verdict: NOT GOOD, 1 of 3 checks, 70 s.");
  });
});
