import { boardUids, layOut, serverVariable, type BoardInput } from "./board";
import { mounts, type Facts } from "./facts";
import { graph, states, table, units, type Column } from "./panels";
import { onServer, window } from "./queries";
import type { DashboardModel, PanelBuilder } from "./sdk";

const width = 8;
const legend = "{{server}} {{mountpoint}}";

/** The tiers of each server: space, arrays, drives, and how old backups are. */
export function storageBoard({ environment }: BoardInput, facts: Facts): DashboardModel {
  return layOut({
    uid: boardUids.storage,
    title: "Storage tiers",
    description: "Hot, warm and cold: space, arrays and drives. What is on the hot tier has its source elsewhere; warm and cold hold what nothing else has.",
    variables: [serverVariable("rackwright_tier_mounted", Object.keys(environment.servers).filter((name) => Object.keys(environment.servers[name]?.tiers ?? {}).length > 0))],
    rows: [
      { title: "Space", panels: space(facts) },
      { title: "Arrays", panels: facts.hasArrays ? arrays() : [] },
      { title: "Drives", panels: drives() },
      { title: "Backups", panels: backups() },
    ],
  });
}

function space(facts: Facts): PanelBuilder[] {
  const selector = `${mounts(facts)}, ${onServer}`;
  return [
    graph({ title: "Used", description: "Share of each tier that is taken.", unit: units.ratio, min: 0, max: 1, alert: "TierNearlyFull", queries: [{ expr: `max by (server, mountpoint) (1 - node_filesystem_avail_bytes{${selector}} / node_filesystem_size_bytes{${selector}})`, legend }], width }),
    graph({ title: "Free", description: "What can still be written to each tier.", unit: units.bytes, min: 0, queries: [{ expr: `min by (server, mountpoint) (node_filesystem_avail_bytes{${selector}})`, legend }], width }),
    states({
      title: "File systems", alert: "TierUnusable",
      description: "A file system that had an error is mounted read-only by the kernel, or cannot be asked at all. A tier that is not mounted leaves its folder on the system's drive.",
      states: { 0: { text: "well", colour: "green" }, 1: { text: "read-only", colour: "orange" }, 2: { text: "broken", colour: "red" }, 3: { text: "not mounted", colour: "red" } },
      queries: [
        { expr: `max by (server, mountpoint) (3 * (1 - rackwright_tier_mounted{${onServer}})) or max by (server, mountpoint) (node_filesystem_readonly{${selector}} + 2 * node_filesystem_device_error{${selector}})`, legend },
      ],
      width,
    }),
  ];
}

function arrays(): PanelBuilder[] {
  const by = "by (server, tier, array)";
  return [
    states({
      title: "Arrays", alert: "ArrayDegraded",
      description: "What mdadm says of each array. A RAID 0 has no degraded state: one drive lost is the array lost, and its data is loaded anew from its source.",
      states: { 0: { text: "ok", colour: "green" }, 1: { text: "rebuilding", colour: "yellow" }, 2: { text: "degraded", colour: "orange" }, 3: { text: "failed", colour: "red" }, 4: { text: "missing", colour: "red" } },
      queries: [{
        expr: ["ok", "rebuilding", "degraded", "failed", "missing"].map((state, value) => `${value} * max ${by} (rackwright_array_state{state="${state}", ${onServer}} == 1)`).join(" or "),
        legend: "{{server}} {{tier}} {{array}}",
      }],
      width,
    }),
    graph({ title: "Members missing", description: "Drives that an array should have, less those that work in it.", unit: units.count, min: 0, alert: "ArrayMemberMissing", queries: [{ expr: `max ${by} (rackwright_array_members_expected{${onServer}} - rackwright_array_members_working{${onServer}})`, legend: "{{server}} {{tier}} {{array}}" }], width }),
    graph({ title: "Rebuilt", description: "Share of an array that is in step: below 100 % while a member is rebuilt or the array is checked.", unit: units.ratio, min: 0, max: 1, queries: [{ expr: `min by (server, device) (node_md_blocks_synced{${onServer}} / node_md_blocks{${onServer}})`, legend: "{{server}} {{device}}" }], width }),
  ];
}

function drives(): PanelBuilder[] {
  const columns: [Column, ...Column[]] = [
    { header: "SMART verdict", expr: `min by (server, tier, drive) (rackwright_drive_healthy{${onServer}})`, unit: units.count },
    { header: "Endurance used", expr: `max by (server, tier, drive) (rackwright_drive_wear_ratio{${onServer}})`, unit: units.ratio, decimals: 0 },
    { header: "Media errors", expr: `max by (server, tier, drive) (rackwright_drive_media_errors{${onServer}})`, unit: units.count },
    { header: "Temperature", expr: `max by (server, tier, drive) (rackwright_drive_temperature_celsius{${onServer}})`, unit: units.celsius, decimals: 0 },
  ];
  const rate = (metric: string): string => `sum by (server, device) (rate(${metric}{device=~"md.*", ${onServer}}[${window}]))`;
  return [
    table({ title: "Drives", description: "SMART: the drive's own verdict is 1 where it is good. Endurance is what the maker grants for writing, used up at 100 %; rotating drives have no such figure.", alert: "DriveFailing", keys: { server: "Server", tier: "Tier", drive: "Drive" }, columns, width: 24 }),
    graph({ title: "Endurance used", description: "The most worn drive of each tier. A drive works on past 100 %, without its maker's promise.", unit: units.ratio, min: 0, alert: "DriveWearHigh", queries: [{ expr: `max by (server, tier) (rackwright_drive_wear_ratio{${onServer}})`, legend: "{{server}} {{tier}}" }], width }),
    graph({ title: "Reads of arrays", description: "A hot tier is read at each start of an engine, by many streams at once.", unit: units.bytesPerSecond, min: 0, queries: [{ expr: rate("node_disk_read_bytes_total"), legend: "{{server}} {{device}}" }], width }),
    graph({ title: "Writes to arrays", description: "Checkpoints come in bursts to warm tiers.", unit: units.bytesPerSecond, min: 0, queries: [{ expr: rate("node_disk_written_bytes_total"), legend: "{{server}} {{device}}" }], width }),
  ];
}

function backups(): PanelBuilder[] {
  const age = (metric: string): string => `time() - max by (server, what) (${metric}{${onServer}})`;
  return [
    graph({ title: "Age of the newest backup", description: "Time since a backup last ended well.", unit: units.seconds, min: 0, alert: "BackupOverdue", queries: [{ expr: age("rackwright_backup_timestamp_seconds"), legend: "{{server}} {{what}}" }], width: 12 }),
    graph({ title: "Age of the last proof", description: "Time since a backup was last read back and checked: one that nobody has read is a hope.", unit: units.seconds, min: 0, alert: "BackupUnverified", queries: [{ expr: age("rackwright_backup_verified_timestamp_seconds"), legend: "{{server}} {{what}}" }], width: 12 }),
  ];
}
