import { describe, expect, it } from "vitest";
import { driveArguments, type EmulatedDrive } from "../../../rehearsal/hardware";
import { rehearseModelStore } from "../../../rehearsal/model-store";

const drive: EmulatedDrive = { id: "nvme-A_0001", kind: "nvme", device: "drive0", node: "disk0", file: "drive0.raw", sizeMiB: 64, serial: "0001", idFrom: "rule", bus: "port0" };

const values = (args: readonly string[], flag: string): unknown[] => args.flatMap((word, index): unknown[] => (word === flag && (args[index + 1] ?? "").startsWith("{") ? [JSON.parse(args[index + 1] ?? "null") as unknown] : []));

describe("an emulated drive", () => {
  it("is read through the server that slows it down, under the name by which it is plugged in", () => {
    const args = driveArguments([{ ...drive, nbdSocket: "/tmp/drive0.sock" }], (file) => `/tmp/${file}`);
    expect(values(args, "-blockdev")).toMatchObject([{ driver: "nbd", "node-name": "disk0", server: { type: "unix", path: "/tmp/drive0.sock" } }]);
    expect(values(args, "-device").at(-1)).toMatchObject({ driver: "nvme", drive: "disk0", serial: "0001" });
  });

  it("is as fast as the emulator where nothing slows it down", () => {
    expect(values(driveArguments([drive], (file) => `/tmp/${file}`), "-blockdev")).toMatchObject([{ driver: "raw", "node-name": "disk0", file: { driver: "file", filename: "/tmp/drive0.raw" } }]);
  });
});

describe("the rehearsal of the model store", () => {
  it.each([1, 9, 2.5])("says what numbers of drives it can measure, before anything starts: %s", async (drives) => {
    await expect(rehearseModelStore({ workDir: "/nonexistent", drives: [drives] })).rejects.toThrow(`A hot tier of ${drives} drives cannot be rehearsed: allowed are 2 to 8.`);
  });
});
