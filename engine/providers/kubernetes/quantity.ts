const NUMBER = /^([+-]?)(\d*)(?:\.(\d*))?(?:(n|u|m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei)|[eE]([+-]?\d+))?$/;
const DECIMAL: Record<string, number> = { n: -9, u: -6, m: -3, "": 0, k: 3, M: 6, G: 9, T: 12, P: 15, E: 18 };
const BINARY: Record<string, bigint> = { Ki: 10n, Mi: 20n, Gi: 30n, Ti: 40n, Pi: 50n, Ei: 60n };
const NANO = 10n ** 9n;

/**
 * A quantity as the API server writes it: nothing lost, no fraction, the largest suffix that fits (`0.5` is `500m`,
 * `1024Mi` is `1Gi`, `1000Mi` stays). What is no quantity comes back as it is, for the server to refuse.
 */
export function canonicalQuantity(given: string): string {
  const match = NUMBER.exec(given.trim());
  if (match === null || ((match[2] ?? "") === "" && (match[3] ?? "") === "")) return given;
  const [, sign = "", whole = "", fraction = "", suffix = "", exponent] = match;
  const binary = BINARY[suffix];
  // In billionths, which is as fine as quantities get; smaller parts are rounded up.
  let nano = BigInt(`${whole}${fraction}`) * NANO;
  const power = (binary === undefined ? (DECIMAL[suffix] ?? 0) + Number(exponent ?? 0) : 0) - fraction.length;
  if (power > 60 || power < -60) return given;
  if (binary !== undefined) nano <<= binary;
  if (power >= 0) nano *= 10n ** BigInt(power);
  else nano = divideUp(nano, 10n ** BigInt(-power));
  const negative = sign === "-" && nano !== 0n ? "-" : "";
  if (nano === 0n) return "0";
  if (binary !== undefined && nano >= 1024n * NANO) return negative + inBinary(divideUp(nano, NANO));
  return negative + inDecimal(nano, exponent !== undefined);
}

function divideUp(value: bigint, by: bigint): bigint {
  return (value + by - 1n) / by;
}

function inBinary(value: bigint): string {
  for (const [suffix, bits] of Object.entries(BINARY).reverse()) {
    if (value % (1n << bits) === 0n) return `${String(value >> bits)}${suffix}`;
  }
  return String(value);
}

function inDecimal(nano: bigint, scientific: boolean): string {
  let value = nano;
  let power = -9;
  while (value % 1000n === 0n && power < 18) {
    value /= 1000n;
    power += 3;
  }
  if (scientific) return power === 0 ? String(value) : `${String(value)}e${String(power)}`;
  const suffix = Object.entries(DECIMAL).find(([, exponent]) => exponent === power)?.[0] ?? "";
  return `${String(value)}${suffix}`;
}
