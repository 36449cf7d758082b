import { cpu, gpu } from "../../../components/catalog";
import type { Environment, Server } from "../../../components/environment";
import { overheadPercent, serverWatts } from "../../../policies/hardware/power";
import type { Bar, BarChart, Figure, Table } from "../types";
import { alike, names, percentText, wattsText, whole } from "../words";
import type { FileSource } from "./file-source";

/** One rack as it stands, units counted from below. */
export interface RackElevation {
  name: string;
  heightUnits: number;
  /** The same in a sentence. */
  description: string;
  servers: { name: string; unit: number; heightUnits: number; about: string }[];
}

export interface RacksData {
  racks: RackElevation[];
  /** Servers of which the environment does not say where they stand. */
  unracked: string[];
  /** How all draws here are reckoned. */
  draw: Figure;
  power: BarChart;
  servers: Table;
}

const overhead = overheadPercent.default;

const drawSource = `rules server-power, rack-power and site-power (docs/rules.md): board power of GPUs and NPUs or their cap, thermal design power of CPUs (facts 1 and 2), and ${overhead} % for the rest`;

export function gpusText({ gpus, npus }: Pick<Server, "gpus" | "npus">): string {
  const cards = gpus === undefined ? [] : [`${gpus.count}x ${gpu(gpus.model)?.name ?? gpus.model}`];
  return [...cards, ...(npus === undefined ? [] : [`${npus.count}x ${npus.resourceName}`])].join(", ");
}

function elevation(name: string, heightUnits: number, servers: Environment["servers"]): RackElevation {
  const held = Object.entries(servers).flatMap(([server, spec]) => (spec.rack?.name === name ? [{ name: server, unit: spec.rack.unit, heightUnits: spec.rack.heightUnits, about: [gpusText(spec), wattsText(serverWatts(spec, overhead))].filter((text) => text !== "").join(", ") }] : []));
  const inOrder = held.sort((a, b) => b.unit - a.unit);
  const units = inOrder.reduce((sum, server) => sum + server.heightUnits, 0);
  const places = inOrder.map((server) => `${server.name} in ${server.heightUnits === 1 ? `unit ${server.unit}` : `units ${server.unit} to ${server.unit + server.heightUnits - 1}`}`);
  return { name, heightUnits, servers: inOrder, description: `Rack ${name}, ${heightUnits} units, ${units} taken${places.length === 0 ? "" : `: from the top ${places.join(", ")}`}.` };
}

function powerBar(label: string, drawn: number, limitWatts: number): Bar {
  const over = drawn > limitWatts;
  return {
    label,
    result: `${wattsText(drawn)} of ${wattsText(limitWatts)}, ${percentText(drawn / limitWatts)}`,
    state: over ? "bad" : "good",
    total: Math.max(drawn, limitWatts),
    parts: [
      { name: "can draw", value: Math.min(drawn, limitWatts), text: "", fill: "first" },
      over ? { name: "over the limit", value: drawn - limitWatts, text: "", fill: "over" } : { name: "left below the limit", value: limitWatts - drawn, text: "", fill: "spare" },
    ],
  };
}

const watts = (servers: readonly Server[]): number => servers.reduce((sum, server) => sum + serverWatts(server, overhead), 0);

function powerChart({ site, servers }: Environment): BarChart {
  const { limitWatts, pue } = site.power;
  const room = limitWatts === undefined ? [] : [powerBar(`The room, at a PUE of ${pue}`, watts(Object.values(servers)) * pue, limitWatts)];
  const racks = Object.entries(site.racks).flatMap(([name, { powerLimitWatts }]) => (powerLimitWatts === undefined ? [] : [powerBar(`${name}, the whole rack`, watts(Object.values(servers).filter(({ rack }) => rack?.name === name)), powerLimitWatts)]));
  const supplied = alike(Object.entries(servers).flatMap(([name, server]) => (server.maxPowerWatts === undefined ? [] : [[name, { drawn: serverWatts(server, overhead), limitWatts: server.maxPowerWatts }] as const])));
  const supplies = supplied.map(({ names: each, thing }) => powerBar(`${names(each)}, ${each.length === 1 ? "" : "each "}with one supply failed`, thing.drawn, thing.limitWatts));
  const bars = [...room, ...racks, ...supplies];
  return {
    title: "Power against limit",
    legend: [{ name: "can draw", fill: "first" }, { name: "left below the limit", fill: "spare" }, ...(bars.some(({ state }) => state === "bad") ? [{ name: "over the limit", fill: "over" as const }] : [])],
    bars,
  };
}

function serverTable({ servers }: Environment, file: FileSource): Table {
  return {
    caption: "Servers",
    columns: [
      { title: "Server", source: file("servers") }, { title: "Place", source: file("servers.<name>.rack") }, { title: "Roles" }, { title: "CPU", kind: "wide" }, { title: "Memory", kind: "number", source: file("servers.<name>.memoryGiB") },
      { title: "GPUs", kind: "wide", source: file("servers.<name>.gpus") }, { title: "Can draw", kind: "number", source: drawSource }, { title: "Supplies deliver", kind: "number", source: `${file("servers.<name>.maxPowerWatts")}: what the power supplies deliver together with one failed` },
    ],
    rows: Object.entries(servers).map(([name, server]) => [
      name,
      server.rack === undefined ? "not stated" : `${server.rack.name}, unit ${server.rack.unit}`,
      server.roles.join(", "),
      `${server.cpu.sockets === 1 ? "" : `${server.cpu.sockets}x `}${cpu(server.cpu.model)?.name ?? server.cpu.model}`,
      `${whole(server.memoryGiB)} GiB`,
      gpusText(server) || "none",
      wattsText(serverWatts(server, overhead)),
      server.maxPowerWatts === undefined ? "not stated" : wattsText(server.maxPowerWatts),
    ]),
  };
}

/** What the servers draw at most, with the room's cooling where there is a limit for both. */
export function siteDraw({ site, servers }: Environment): { watts: number; limitWatts?: number; source: string } {
  const drawn = watts(Object.values(servers));
  const { limitWatts, pue } = site.power;
  return limitWatts === undefined ? { watts: drawn, source: drawSource } : { watts: drawn * pue, limitWatts, source: `${drawSource}; times the PUE of ${pue}` };
}

export function racksData(environment: Environment, file: FileSource): RacksData {
  const { site, servers } = environment;
  const unracked = Object.entries(servers).filter(([, { rack }]) => rack === undefined).map(([name]) => name);
  return {
    racks: Object.entries(site.racks).map(([name, { heightUnits }]) => elevation(name, heightUnits, servers)),
    unracked,
    draw: { text: wattsText(watts(Object.values(servers))), source: drawSource },
    power: powerChart(environment),
    servers: serverTable(environment, file),
  };
}
