/** The setting of rules that judge by a day. */
export const asOf = { type: "string", pattern: "^(today|\\d{4}-\\d{2}(-\\d{2})?)$", description: "The day to judge by, as YYYY-MM-DD, or today.", default: "today" } as const;

/** Whether support ended before a day's month; the month that is named is still supported. */
export function hasEnded(endOfLife: string, day: string): boolean {
  return (day === "today" ? new Date().toISOString() : day).slice(0, 7) > endOfLife;
}
