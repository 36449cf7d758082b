const multiples: Readonly<Record<string, number>> = { "": 1, k: 1e3, M: 1e6, G: 1e9, T: 1e12, Ki: 2 ** 10, Mi: 2 ** 20, Gi: 2 ** 30, Ti: 2 ** 40 };

/** Kubernetes' `16Gi` in bytes; a plain number stays what it is. @throws Error for anything else */
export function memoryBytes(quantity: string): number {
  const match = /^(\d+(?:\.\d+)?)(k|M|G|T|Ki|Mi|Gi|Ti)?$/.exec(quantity);
  if (match === null) throw new Error(`${JSON.stringify(quantity)} is not a quantity such as 16Gi`);
  return Number(match[1]) * (multiples[match[2] ?? ""] ?? 1);
}

/** Kubernetes' `500m` or `2` in cores. @throws Error for anything else */
export function cpuAmount(quantity: string): number {
  const match = /^(\d+(?:\.\d+)?)(m)?$/.exec(quantity);
  if (match === null) throw new Error(`${JSON.stringify(quantity)} is not a number of cores such as 2 or 500m`);
  return Number(match[1]) / (match[2] === "m" ? 1000 : 1);
}
