import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { programs, type ProgramOptions } from "../control-plane/programs";
import { tryRun } from "../process";

const load = createRequire(__filename);

/** Parts of Grafana's SDK whose enumerations boards use. Its Go and JavaScript forms are made from the same schema. */
const parts = ["common", "dashboard", "bargauge", "prometheus", "stat", "statetimeline", "table", "text", "timeseries"] as const;

/** `common.StackingMode` to its values: an enumeration is an object of strings, or one that maps numbers both ways. */
function enumerations(): Record<string, unknown[]> {
  const found: Record<string, unknown[]> = {};
  for (const part of parts) {
    const exported = load(`@grafana/grafana-foundation-sdk/${part}`) as Record<string, unknown>;
    for (const [name, value] of Object.entries(exported)) {
      if (typeof value !== "object" || value === null || !/^[A-Z]/.test(name)) continue;
      const values = Object.entries(value).filter(([key]) => !/^\d+$/.test(key)).map(([, each]) => each as unknown);
      if (values.every((each) => typeof each === "string" || typeof each === "number")) found[`${part}.${name}`] = values;
    }
  }
  return found;
}

/**
 * Faults of dashboards against the schema of Grafana's own SDK, each as `<file>: <path>: <what is wrong>`; empty where there is
 * none. The program that looks is built the first time on a machine, in about 40 s.
 * @param files name to dashboard
 */
export async function schemaFaults(files: Readonly<Record<string, unknown>>, options: ProgramOptions = {}): Promise<string[]> {
  const program = (await programs(["grafana-schema"], options))["grafana-schema"];
  const folder = mkdtempSync(join(tmpdir(), "rackwright-boards-"));
  try {
    writeFileSync(join(folder, "enumerations"), JSON.stringify(enumerations()));
    for (const [name, model] of Object.entries(files)) writeFileSync(join(folder, name), JSON.stringify(model));
    const { code, stdout, stderr } = await tryRun(program, ["-enums", "enumerations", ...Object.keys(files)], { cwd: folder, signal: options.signal });
    if (code > 1 || stderr !== "") throw new Error(`grafana-schema ended with exit code ${code}: ${stderr}`);
    return stdout.split("\n").filter((line) => line !== "");
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
