import { metrics, type Metric } from "../../components/monitoring/metrics";

export type Labels = Readonly<Record<string, string | number | undefined>>;
/** One line of an exporter. Labels without a value are left out. */
export type Sample = readonly [name: string, labels: Labels, value: number];

export type ExporterJob = keyof typeof metrics;

/** Lines of one metric; a name that is not in components/monitoring/metrics.ts is an error of the compiler. */
export function samplesOf<J extends ExporterJob>(job: J): (name: keyof (typeof metrics)[J] & string, labels: Labels, value: number) => Sample {
  const known: Readonly<Record<string, Metric>> = metrics[job];
  return (name, labels, value) => {
    if (known[name] === undefined) throw new Error(`${job} has no metric ${name}`);
    return [name, labels, value];
  };
}

const suffixes = /_(bucket|sum|count)$/;

/** Upper ends of buckets that emulated histograms have, in seconds. */
export const bucketEnds = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60] as const;

/** A histogram of `count` observations that all took `mean`. */
export function histogram(name: string, labels: Labels, count: number, mean: number, ends: readonly number[] = bucketEnds): Sample[] {
  return [
    ...[...ends.map(String), "+Inf"].map((le): Sample => [`${name}_bucket`, { ...labels, le }, le === "+Inf" || Number(le) >= mean ? count : 0]),
    [`${name}_sum`, labels, count * mean],
    [`${name}_count`, labels, count],
  ];
}

function escaped(value: string): string {
  return value.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
}

function line([name, labels, value]: Sample): string {
  const given = Object.entries(labels).filter(([, each]) => each !== undefined && each !== "");
  const braces = given.length === 0 ? "" : `{${given.map(([label, each]) => `${label}="${escaped(String(each))}"`).join(",")}}`;
  return `${name}${braces} ${value}\n`;
}

const kinds = new Map<string, Metric["kind"]>(Object.values(metrics).flatMap((ofJob: Readonly<Record<string, Metric>>) => Object.entries(ofJob).map(([name, { kind }]) => [name, kind] as const)));

/** Samples in Prometheus' text format, each metric with its type and all its lines together. */
export function exposition(samples: readonly Sample[]): string {
  const families = new Map<string, Sample[]>();
  for (const sample of samples) {
    const [name] = sample;
    const base = name.replace(suffixes, "");
    const family = kinds.get(base) === "histogram" ? base : name;
    const known = families.get(family);
    if (known === undefined) families.set(family, [sample]);
    else known.push(sample);
  }
  return [...families].map(([family, lines]) => `# TYPE ${family} ${kinds.get(family) ?? "untyped"}\n${lines.map(line).join("")}`).join("");
}
