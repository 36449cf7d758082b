import { describe, expect, it } from "vitest";
import { urnsToMend } from "../../cli/mend";

const prefix = "urn:pulumi:lab::rackwright::rackwright:site:Site$rackwright:servers:Server$";
const hot = `${prefix}rackwright:servers:StorageTier$command:remote:Command::gpu-01-hot`;
const tools = `${prefix}command:remote:CopyToRemote::gpu-01-tools`;
const known = new Set([hot, tools]);
const check = { server: "gpu-01", step: "gpu-01-hot", kind: "storage-tier" as const };

describe("urnsToMend", () => {
  it("runs a step again whose check found something that it mends", () => {
    expect(urnsToMend("lab", [{ ...check, findings: [{ id: "not-mounted", message: "", mendable: true }] }], known)).toEqual([hot]);
  });

  it("leaves alone what needs hands, and what differs in nothing", () => {
    expect(urnsToMend("lab", [{ ...check, findings: [{ id: "drive-missing", message: "", mendable: false }] }, { ...check, findings: [] }], known)).toEqual([]);
  });

  it("renews the tools where a check could not run", () => {
    expect(urnsToMend("lab", [{ ...check, findings: [{ id: "check-did-not-run", message: "", mendable: true }] }], known)).toEqual([tools, hot]);
  });

  it("names no resource that the state does not hold", () => {
    expect(urnsToMend("lab", [{ ...check, findings: [{ id: "not-mounted", message: "", mendable: true }] }], new Set())).toEqual([]);
  });
});
