import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { z } from "zod";
import { RehearsalError } from "../process";

const folder = join(__dirname, "scenarios");

/** What is broken, and how. Each ends when the run does. */
const faultSchema = z.strictObject({
  fault: z.enum(["kill-engine", "hang-engine", "crash", "cut", "cut-outgoing", "kill-keepalived"]),
  /** The server with the active replica, or the one that holds the virtual address when the fault comes. */
  on: z.enum(["active", "holder"]),
  /** After the fault before it. */
  afterSeconds: z.number().min(0).max(30).default(0),
});

/** What must be seen besides good answers. Where a fault takes the holder off, `address-stays` asks that the address moves, once. */
const expectation = z.enum(["standby-answers", "active-answers-again", "address-stays", "address-moves", "address-does-not-return", "endpoint-leaves"]);

const scenarioSchema = z.strictObject({
  title: z.string().min(1),
  faults: z.array(faultSchema).min(1),
  expect: z.array(expectation).min(1),
  /** Between two good answers, and until the last error that a client sees. */
  limitSeconds: z.number().positive(),
  /** Until the failed replica has left the Service and a ready one is in it; needs a control plane. */
  clusterLimitSeconds: z.number().positive().optional(),
});

export type Fault = z.output<typeof faultSchema>;
export type Expectation = z.output<typeof expectation>;
/** A fault, or several, and what must be seen. Its name is its file's. */
export type Scenario = z.output<typeof scenarioSchema> & { name: string };

/** @throws RehearsalError naming the file and what is wrong in it */
export function parseScenario(name: string, text: string): Scenario {
  let content: unknown;
  try {
    content = parse(text);
  } catch (error) {
    throw new RehearsalError(`rehearsal/recovery/scenarios/${name}.yaml is not YAML: ${error instanceof Error ? error.message : String(error)}`);
  }
  const parsed = scenarioSchema.safeParse(content);
  if (!parsed.success) throw new RehearsalError(`rehearsal/recovery/scenarios/${name}.yaml: ${parsed.error.issues.map(({ path, message }) => `${path.join(".") || "the file"}: ${message}`).join("; ")}`);
  return { name, ...parsed.data };
}

/** Names of all scenarios, in order. */
export function scenarioNames(): string[] {
  return readdirSync(folder).filter((file) => file.endsWith(".yaml")).map((file) => file.replace(/\.yaml$/, "")).sort();
}

export function readScenario(name: string): Scenario {
  return parseScenario(name, readFileSync(join(folder, `${name}.yaml`), "utf8"));
}
