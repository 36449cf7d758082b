import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { environmentSchema, type Server } from "../../components/environment/schema";
import { driveArguments, driveDevice, emulateDrives, udevRules } from "../../rehearsal/hardware";
import { machineArguments } from "../../rehearsal/server";

type Drives = Record<string, { kind: "nvme" | "sata-ssd" | "hdd"; capacityGB: number }>;

function serverWith(drives: Drives, tiers: Record<string, { level: string; drives: string[] }> = {}): Server {
  const environment = environmentSchema.parse({
    site: { name: "here" },
    servers: {
      one: {
        address: "192.0.2.1",
        hostKey: "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIkzRIZLK6CHZpHv6R778lKRtfnFPfEeF1bY9YVCxP16",
        cpu: { model: "xeon-silver-4310" },
        memoryGiB: 64,
        pcieGeneration: 4,
        nics: { eno1: { speedGbps: 10 } },
        drives,
        tiers,
      },
    },
  });
  const server = environment.servers["one"];
  if (server === undefined) throw new Error("no server");
  return server;
}

const nvme = "nvme-Samsung_SSD_990_PRO_2TB_S7DNNJ0WA01101F";
const eui = "nvme-eui.0025385b21404321";
const sata = "ata-Samsung_SSD_870_EVO_4TB_S6BCNJ0T901101A";
const hdd = "ata-ST8000NM017B-2TJ103_WWZ0A101";
const wwn = "wwn-0x5000c500a1b2c3d4";

describe("emulated drives", () => {
  it("are the environment's: every id once, with its kind", () => {
    const drives = emulateDrives(serverWith({ [nvme]: { kind: "nvme", capacityGB: 2000 }, [sata]: { kind: "sata-ssd", capacityGB: 4000 }, [hdd]: { kind: "hdd", capacityGB: 8000 } }));
    expect(drives.map(({ id, kind }) => [id, kind])).toEqual([[nvme, "nvme"], [sata, "sata-ssd"], [hdd, "hdd"]]);
  });

  it("carry model and serial themselves where SATA has room for both", () => {
    const [drive] = emulateDrives(serverWith({ [hdd]: { kind: "hdd", capacityGB: 8000 } }));
    expect(drive).toMatchObject({ model: "ST8000NM017B-2TJ103", serial: "WWZ0A101", idFrom: "device" });
    expect(udevRules(drive === undefined ? [] : [drive])).toBe("");
  });

  it("get a udev rule for NVMe, for the emulator's model name is fixed", () => {
    const drives = emulateDrives(serverWith({ [nvme]: { kind: "nvme", capacityGB: 2000 } }));
    expect(drives[0]).toMatchObject({ serial: "S7DNNJ0WA01101F", idFrom: "rule" });
    expect(drives[0]).not.toHaveProperty("model");
    expect(udevRules(drives)).toContain(`ENV{DEVTYPE}=="disk", KERNEL=="nvme*n*", ATTRS{serial}=="S7DNNJ0WA01101F", SYMLINK+="disk/by-id/${nvme}"`);
    expect(udevRules(drives)).toContain(`ENV{DEVTYPE}=="partition", KERNEL=="nvme*n*", ATTRS{serial}=="S7DNNJ0WA01101F", SYMLINK+="disk/by-id/${nvme}-part%n"`);
  });

  it.each([eui, wwn, `ata-A_MODEL_NAME_THAT_IS_LONGER_THAN_FORTY_CHARACTERS_SER123456`])("get a rule where the id does not tell model and serial: %s", (id) => {
    const [drive] = emulateDrives(serverWith({ [id]: { kind: id === eui ? "nvme" : "hdd", capacityGB: 1000 } }));
    expect(drive?.idFrom).toBe("rule");
    expect(udevRules(drive === undefined ? [] : [drive])).toContain(`SYMLINK+="disk/by-id/${id}"`);
  });

  it("say how they rotate", () => {
    const drives = emulateDrives(serverWith({ [sata]: { kind: "sata-ssd", capacityGB: 4000 }, [hdd]: { kind: "hdd", capacityGB: 8000 } }));
    expect(drives.map(driveDevice)).toMatchObject([{ driver: "ide-hd", rotation_rate: 1 }, { driver: "ide-hd", rotation_rate: 7200 }]);
  });

  it.each([
    ["single", 1, 336],
    ["raid0", 2, 320],
    ["raid0", 8, 128],
    ["raid1", 2, 336],
    ["raid5", 4, 224],
    ["raid6", 4, 320],
    ["raid10", 4, 320],
  ])("of a %s of %i are %i MiB each, so that XFS finds room", (level, count, sizeMiB) => {
    const ids = Array.from({ length: count }, (_, index) => `nvme-MODEL_SERIAL${index}`);
    const drives = emulateDrives(serverWith(Object.fromEntries(ids.map((id) => [id, { kind: "nvme" as const, capacityGB: 1000 }])), { hot: { level, drives: ids } }));
    expect(drives.map((drive) => drive.sizeMiB)).toEqual(ids.map(() => sizeMiB));
  });

  it("have serials of at most 20 characters and buses that are theirs alone, whatever the ids are", () => {
    const id = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._:+-]{2,60}$/).filter((text) => !/-part\d+$/.test(text));
    const kind = fc.constantFrom("nvme" as const, "sata-ssd" as const, "hdd" as const);
    fc.assert(
      fc.property(fc.uniqueArray(fc.tuple(id, kind), { minLength: 1, maxLength: 40, selector: ([one]) => one }), (entries) => {
        const drives = emulateDrives(serverWith(Object.fromEntries(entries.map(([one, what]) => [one, { kind: what, capacityGB: 1000 }]))));
        expect(drives).toHaveLength(entries.length);
        for (const key of ["serial", "bus", "device", "node", "file"] as const) expect(new Set(drives.map((drive) => drive[key])).size).toBe(drives.length);
        for (const drive of drives) expect(drive.serial).toMatch(/^[A-Za-z0-9-]{4,20}$/);
        for (const drive of drives) expect(drive.idFrom === "device" || udevRules([drive]).includes(`"disk/by-id/${drive.id}"`)).toBe(true);
      }),
      { numRuns: 200 },
    );
  });
});

describe("QEMU's arguments", () => {
  const many: Drives = Object.fromEntries([
    ...Array.from({ length: 9 }, (_, index) => [`nvme-MODEL_SERIAL${index}`, { kind: "nvme", capacityGB: 1000 }]),
    ...Array.from({ length: 7 }, (_, index) => [`ata-MODEL_DISK${index}00`, { kind: "hdd", capacityGB: 1000 }]),
  ]) as Drives;
  const server = serverWith(many);
  const drives = emulateDrives(server);
  const args = driveArguments(drives, (file) => `/rack/${file}`);

  it("give each NVMe drive a port of its own, so that it can be pulled", () => {
    const ports = args.filter((argument) => argument.startsWith("pcie-root-port"));
    expect(ports).toHaveLength(9);
    expect(new Set(ports.map((port) => /addr=([0-9a-f.]+)/.exec(port)?.[1])).size).toBe(9);
    expect(ports[0]).toContain("addr=10.0,multifunction=on");
    expect(ports[8]).toContain("addr=11.0,multifunction=on");
  });

  it("add a SATA controller for every six drives", () => {
    expect(args.filter((argument) => argument.startsWith("ich9-ahci"))).toEqual(["ich9-ahci,id=ahci0", "ich9-ahci,id=ahci1"]);
    expect(drives.at(-1)?.bus).toBe("ahci1.0");
  });

  it("take paths with commas as they are", () => {
    const node = driveArguments(drives.slice(0, 1), (file) => `/a,b/${file}`).find((argument) => argument.includes("node-name"));
    expect(JSON.parse(node ?? "{}")).toMatchObject({ file: { filename: "/a,b/drive0.raw" } });
  });

  const machine = machineArguments({ name: "one", server, memoryMiB: 1024, port: 12345, kernel: "/k", initrd: "/i", disk: "/d", console: "/c,c", folder: "/rack", drives });

  it("emulate in software and listen on loopback only", () => {
    expect(machine.join(" ")).toContain("-accel tcg,thread=multi");
    expect(machine.join(" ")).toContain("hostfwd=tcp:127.0.0.1:12345-:22");
    expect(machine.filter((argument) => argument.includes("hostfwd"))).toHaveLength(1);
  });

  it("give the guest the environment's network interfaces, cut off from everything", () => {
    expect(machine).toContain("user,id=nic0,restrict=on");
    expect(machine).toContain("virtio-net-pci,netdev=nic0,mac=52:54:00:00:01:00");
  });

  it("end the emulator at a reboot, so that the disk's own kernel is taken", () => {
    expect(machine).toContain("-no-reboot");
    expect(machine).toContain("file:/c,,c");
  });
});
