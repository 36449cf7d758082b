export const gibibyte = 1024 ** 3;
export const gigabyte = 1e9;

/** `38.6 GiB`. */
export function gibText(bytes: number): string {
  return `${(bytes / gibibyte).toFixed(1)} GiB`;
}

export function ceilDivide(dividend: number, divisor: number): number {
  return Math.ceil(dividend / divisor);
}
