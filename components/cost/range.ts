/** An estimate as two cases: everything that is uncertain on the cheap side, and everything on the dear side. */
export interface Range {
  low: number;
  high: number;
}

export const point = (value: number): Range => ({ low: value, high: value });

export function add(...ranges: readonly Range[]): Range {
  return ranges.reduce((sum, { low, high }) => ({ low: sum.low + low, high: sum.high + high }), point(0));
}

export function times({ low, high }: Range, factor: number): Range {
  return { low: low * factor, high: high * factor };
}

/** Product of two estimates that are not negative. */
export function product(a: Range, b: Range): Range {
  return { low: a.low * b.low, high: a.high * b.high };
}
