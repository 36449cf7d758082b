import { afterAll, beforeAll, vi } from "vitest";
import { rules } from "../../policies/all";

/** The day by which tests judge what ages: drivers, releases and images all end some time. */
export const day = "2026-11-26";

/** Lets every test of a file run on {@link day}. Timers run as they do. */
export function judgeOnOneDay(): void {
  beforeAll(() => void vi.useFakeTimers({ toFake: ["Date"], now: new Date(day) }));
  afterAll(() => void vi.useRealTimers());
}

/** The same for a pack in a process of its own, as configuration of the pack. */
export const judgedOnOneDay: Record<string, { asOf: string }> = Object.fromEntries(rules.filter(({ settings }) => "asOf" in settings).map(({ name }) => [name, { asOf: day }]));
