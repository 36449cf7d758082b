import type { Part } from "../control-plane/part";
import { pause, RehearsalError } from "../process";

export interface Series {
  metric: Readonly<Record<string, string>>;
  /** Unix time and value, as text. */
  value: readonly [number, string];
}

export interface ActiveAlert {
  labels: Readonly<Record<string, string>>;
  state: "pending" | "firing";
}

interface Answer<T> {
  status: "success" | "error";
  error?: string;
  data?: T;
}

/** A running Prometheus, asked over HTTP. */
export class PrometheusApi {
  constructor(readonly url: string) {}

  /** @throws Error with Prometheus' words where the query does not parse or cannot be answered */
  async query(expr: string, at?: number): Promise<Series[]> {
    const { resultType, result } = await this.get<{ resultType: string; result: Series[] | readonly [number, string] }>("/api/v1/query", { query: expr, ...(at === undefined ? {} : { time: String(at) }) });
    // A number alone is one series without labels.
    return resultType === "scalar" ? [{ metric: {}, value: result as readonly [number, string] }] : (result as Series[]);
  }

  async value(expr: string): Promise<number | undefined> {
    const [first] = await this.query(expr);
    return first === undefined ? undefined : Number(first.value[1]);
  }

  async alerts(): Promise<ActiveAlert[]> {
    return (await this.get<{ alerts: ActiveAlert[] }>("/api/v1/alerts", {})).alerts;
  }

  async ready(): Promise<boolean> {
    try {
      return (await fetch(`${this.url}/-/ready`)).ok;
    } catch {
      return false;
    }
  }

  private async get<T>(path: string, parameters: Record<string, string>): Promise<T> {
    const response = await fetch(`${this.url}${path}?${new URLSearchParams(parameters).toString()}`).catch(() => undefined);
    if (response === undefined) throw new RehearsalError(`Prometheus at ${this.url} does not answer.`);
    const answer = (await response.json()) as Answer<T>;
    if (answer.status !== "success" || answer.data === undefined) throw new Error(answer.error ?? `${path}: ${response.status}`);
    return answer.data;
  }
}

/** @throws RehearsalError with the end of what the program wrote when it ends or takes too long */
export async function untilReady(part: Part, ready: () => Promise<boolean>, withinSeconds: number, signal?: AbortSignal): Promise<void> {
  const until = Date.now() + withinSeconds * 1000;
  while (!(await ready())) {
    if (part.ended) throw new RehearsalError(`${part.name} ended:\n${part.lastLines()}`);
    if (Date.now() > until) throw new RehearsalError(`${part.name} is not ready after ${withinSeconds} s:\n${part.lastLines()}`);
    await pause(50, signal);
  }
}
