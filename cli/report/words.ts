/** "4,180 W"; from 100 kW on "123.4 kW". */
export function wattsText(watts: number): string {
  return watts >= 100_000 ? `${(watts / 1000).toFixed(1)} kW` : `${Math.round(watts).toLocaleString("en-GB")} W`;
}

/** Decimal gigabytes as on a label: "480 GB", "15.36 TB". */
export function capacityText(gigabytes: number): string {
  return gigabytes >= 1000 ? `${Number((gigabytes / 1000).toFixed(2))} TB` : `${Number(gigabytes.toFixed(1))} GB`;
}

export const whole = (value: number): string => Math.round(value).toLocaleString("en-GB");

/** "41 %". */
export const percentText = (share: number): string => `${Math.round(share * 100)} %`;

export const plural = (count: number, noun: string): string => `${whole(count)} ${noun}${count === 1 ? "" : "s"}`;

const mostNamed = 4;

/** "gpu-01, gpu-02"; of many, the first and how many more. */
export function names(all: readonly string[]): string {
  return all.length <= mostNamed ? all.join(", ") : `${all.slice(0, mostNamed - 1).join(", ")} and ${whole(all.length - mostNamed + 1)} more`;
}

/** Things that are alike but for their name, together. In the order of the first of each. */
export function alike<T>(things: readonly (readonly [string, T])[]): { names: string[]; thing: T }[] {
  const groups = new Map<string, { names: string[]; thing: T }>();
  for (const [name, thing] of things) {
    const key = JSON.stringify(thing);
    const found = groups.get(key);
    if (found === undefined) groups.set(key, { names: [name], thing });
    else found.names.push(name);
  }
  return [...groups.values()];
}

/** "5 min", "36 h": in the largest unit of which it is a whole number. */
export function durationText(seconds: number): string {
  const [unit, size] = ([["d", 86_400], ["h", 3600], ["min", 60]] as const).find(([, each]) => seconds >= each && seconds % each === 0) ?? ["s", 1];
  return `${whole(seconds / size)} ${unit}`;
}
