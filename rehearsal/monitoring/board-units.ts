import type { Unit } from "../../components/monitoring/dashboards/panels";

type Scale = readonly (readonly [from: number, unit: string])[];

const decimal = (unit: string): Scale => [[1e12, `T${unit}`], [1e9, `G${unit}`], [1e6, `M${unit}`], [1e3, `k${unit}`], [1, unit]];
const binary: Scale = [[2 ** 40, "TiB"], [2 ** 30, "GiB"], [2 ** 20, "MiB"], [2 ** 10, "KiB"], [1, "B"]];
const time: Scale = [[2 * 86_400, "d"], [2 * 3600, "h"], [120, "min"], [1, "s"], [1e-3, "ms"], [1e-6, "µs"], [1e-9, "ns"]];
const perTime: Readonly<Record<string, number>> = { d: 86_400, h: 3600, min: 60, s: 1, ms: 1e-3, "µs": 1e-6, ns: 1e-9 };

/** Three digits that matter, or as many after the point as asked for. */
function digits(value: number, decimals: number | undefined): string {
  if (decimals !== undefined) return value.toLocaleString("en", { minimumFractionDigits: decimals, maximumFractionDigits: decimals });
  const magnitude = value === 0 ? 0 : Math.floor(Math.log10(Math.abs(value)));
  return value.toLocaleString("en", { maximumFractionDigits: Math.min(6, Math.max(0, 2 - magnitude)) });
}

function scaled(value: number, scale: Scale, size: (step: readonly [number, string]) => number, decimals: number | undefined): string {
  const step = scale.find(([from]) => Math.abs(value) >= from) ?? (value === 0 ? scale.find(([from]) => from === 1) : scale.at(-1)) ?? [1, ""];
  return `${digits(value / size(step), step[0] === 1 ? decimals : undefined)} ${step[1]}`;
}

/** Large counts in thousands and millions. */
function plain(value: number, decimals: number | undefined): string {
  return Math.abs(value) < 1e5 ? digits(value, decimals) : scaled(value, decimal(""), ([from]) => from, decimals).trim();
}

const binaryUnits: Readonly<Record<string, number>> = { bytes: 1, mbytes: 2 ** 20 };

/** What an axis up to a value is divided by, so that its steps are round in the unit that is shown: 1024 to some power, or an hour. */
export function roundIn(highest: number, unit: Unit): number {
  const bytes = binaryUnits[unit];
  if (bytes !== undefined) return (binary.find(([from]) => highest * bytes >= from)?.[0] ?? 1) / bytes;
  if (unit === "s") return perTime[time.find(([from]) => highest >= from)?.[1] ?? "s"] ?? 1;
  return 1;
}

/** A value as people read it in the unit that a panel has. */
export function formatted(value: number, unit: Unit, decimals?: number): string {
  if (!Number.isFinite(value)) return "no value";
  if (unit.startsWith("suffix:")) return `${plain(value, decimals)} ${unit.slice("suffix:".length).trim()}`;
  switch (unit) {
    case "percent":
      return `${digits(value, decimals)} %`;
    case "percentunit":
      return `${digits(value * 100, decimals)} %`;
    case "s":
      return scaled(value, time, ([, name]) => perTime[name] ?? 1, decimals);
    case "bytes":
      return scaled(value, binary, ([from]) => from, decimals);
    case "mbytes":
      return scaled(value * 2 ** 20, binary, ([from]) => from, decimals);
    case "Bps":
      return scaled(value, decimal("B/s"), ([from]) => from, decimals);
    case "watt":
      return scaled(value, decimal("W"), ([from]) => from, decimals);
    case "joule":
      return scaled(value, decimal("J"), ([from]) => from, decimals);
    case "celsius":
      return `${digits(value, decimals)} °C`;
    default:
      return plain(value, decimals);
  }
}
