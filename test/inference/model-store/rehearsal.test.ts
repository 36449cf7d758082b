import { describe, expect, it } from "vitest";
import { driveArguments, type EmulatedDrive } from "../../../rehearsal/hardware";
import { rehearseModelStore } from "../../../rehearsal/model-store";

const drive: EmulatedDrive = { id: "nvme-A_0001", kind: "nvme", device: "drive0", node: "disk0", file: "drive0.raw", sizeMiB: 64, serial: "0001", idFrom: "rule", bus: "port0" };

const values = (args: readonly string[], flag: string): unknown[] => args.flatMap((word, index): unknown[] => (word === flag ? [JSON.parse(args[index + 1] ?? "null") as unknown] : []));

describe("an emulated drive", () => {
  it("is held to its read speed by a throttle of its own, under the name by which it is plugged in", () => {
    const args = driveArguments([{ ...drive, readBytesPerSecond: 1_000_000 }], (file) => `/tmp/${file}`);
    expect(values(args, "-object")).toEqual([{ "qom-type": "throttle-group", id: "speed-of-drive0", limits: { "bps-read": 1_000_000 } }]);
    expect(values(args, "-blockdev")).toMatchObject([{ driver: "throttle", "node-name": "disk0", "throttle-group": "speed-of-drive0", file: { driver: "raw", file: { filename: "/tmp/drive0.raw" } } }]);
    expect(args.indexOf("-object")).toBeLessThan(args.indexOf("-blockdev"));
  });

  it("is as fast as the emulator where no speed is given", () => {
    const args = driveArguments([drive], (file) => `/tmp/${file}`);
    expect(values(args, "-object")).toEqual([]);
    expect(values(args, "-blockdev")).toMatchObject([{ driver: "raw", "node-name": "disk0" }]);
  });
});

describe("the rehearsal of the model store", () => {
  it.each([1, 9, 2.5])("says what numbers of drives it can measure, before anything starts: %s", async (drives) => {
    await expect(rehearseModelStore({ workDir: "/nonexistent", drives: [drives] })).rejects.toThrow(`A hot tier of ${drives} drives cannot be rehearsed: allowed are 2 to 8.`);
  });
});
