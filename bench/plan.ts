/**
 * How long a plan takes and how much memory it needs, by number of servers: `npm run bench [servers …]`.
 * Times are of this machine; the ratios in the last columns are what to compare.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import * as path from "node:path";
import { stringify } from "yaml";
import { findPulumi } from "../cli/engine-choice";
import { policyPackDir, projectName, projectRoot } from "../cli/project";
import { table } from "../cli/table";
import { preview } from "../engine";
import { generatedEnvironment } from "../test/support/environments";

const sampleMilliseconds = 200;

interface Row {
  servers: number;
  resources: number;
  seconds: number;
  peakMiB: number;
  pulumiSeconds?: number;
}

/** Resident memory of this process and all below it. */
function treeMiB(): number {
  const children = new Map<number, number[]>();
  const resident = new Map<number, number>();
  for (const entry of readdirSync("/proc")) {
    const id = Number(entry);
    if (!Number.isInteger(id)) continue;
    try {
      const status = readFileSync(`/proc/${id}/status`, "utf8");
      const parent = Number(/^PPid:\s+(\d+)/m.exec(status)?.[1]);
      resident.set(id, Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1] ?? 0) / 1024);
      children.set(parent, [...(children.get(parent) ?? []), id]);
    } catch {
      continue;
    }
  }
  const sum = (id: number): number => (resident.get(id) ?? 0) + (children.get(id) ?? []).reduce((total, child) => total + sum(child), 0);
  return sum(process.pid);
}

async function measure(servers: number): Promise<Row> {
  const folder = mkdtempSync(path.join(tmpdir(), "rackwright-bench-"));
  let peakMiB = 0;
  const sampler = setInterval(() => (peakMiB = Math.max(peakMiB, treeMiB())), sampleMilliseconds);
  try {
    const environmentFile = path.join(folder, "environment.yaml");
    const generated = generatedEnvironment(servers);
    // The shape of large-cluster's GPU servers: the cold tier is on servers of its own, not an object store.
    const { objectStore: _objectStore, ...site } = generated.site;
    // A rule asks a site of this size to tell somebody of its alerts.
    const monitoring = { receivers: { operations: { kind: "webhook", url: "https://alerts.example.org/hook" } } };
    writeFileSync(environmentFile, stringify({ ...generated, site, monitoring }));
    const started = process.hrtime.bigint();
    const result = await preview({
      project: projectName,
      stack: `bench-${servers}`,
      programDir: projectRoot,
      config: { "rackwright:environmentFile": environmentFile },
      stateFile: path.join(folder, "state.json"),
      policyPackDir,
    });
    const seconds = Number(process.hrtime.bigint() - started) / 1e9;
    if (!result.ok) throw new Error(`the plan of ${servers} servers failed: ${JSON.stringify(result.diagnostics.slice(0, 3))} ${JSON.stringify(result.violations.slice(0, 3))}`);
    clearInterval(sampler);
    const pulumi = await pulumiSeconds(folder, `bench-${servers}`, environmentFile);
    return { servers, resources: result.changes.create ?? 0, seconds, peakMiB, ...(pulumi === undefined ? {} : { pulumiSeconds: pulumi }) };
  } finally {
    clearInterval(sampler);
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The same plan by the real CLI, with a backend of its own in a temporary folder. */
async function pulumiSeconds(folder: string, stack: string, environmentFile: string): Promise<number | undefined> {
  if (findPulumi() === undefined) return undefined;
  const configFile = path.join(folder, `Pulumi.${stack}.yaml`);
  writeFileSync(configFile, JSON.stringify({ config: { "rackwright:environmentFile": environmentFile } }));
  const env = { ...process.env, PULUMI_BACKEND_URL: `file://${folder}`, PULUMI_CONFIG_PASSPHRASE: "bench", PULUMI_SKIP_UPDATE_CHECK: "true" };
  const run = async (parameters: string[]): Promise<void> => {
    const child = spawn("pulumi", parameters, { cwd: projectRoot, env, stdio: ["ignore", "ignore", "inherit"] });
    const [code] = (await once(child, "close")) as [number];
    if (code !== 0) throw new Error(`pulumi ${parameters[0] ?? ""} failed with ${code}`);
  };
  try {
    await run(["stack", "init", stack, "--no-select"]);
    const started = process.hrtime.bigint();
    await run(["preview", "--stack", stack, "--config-file", configFile, "--policy-pack", "policies", "--non-interactive", "--suppress-progress"]);
    return Number(process.hrtime.bigint() - started) / 1e9;
  } finally {
    // The CLI writes the new stack's encryption salt beside the environments.
    rmSync(path.join(projectRoot, "stacks", `Pulumi.${stack}.yaml`), { force: true });
  }
}

async function main(): Promise<void> {
  const asked = process.argv.slice(2).map(Number).filter((count) => count > 0);
  const rows: Row[] = [];
  for (const servers of asked.length > 0 ? asked : [10, 100, 1000]) {
    process.stderr.write(`planning ${servers} servers ...\n`);
    rows.push(await measure(servers));
  }
  const first = rows[0];
  if (first === undefined) return;
  const withPulumi = rows.some(({ pulumiSeconds: each }) => each !== undefined);
  process.stdout.write(
    table([
      ["servers", "resources", "seconds", "ms per resource", "peak MiB", "ms per server", ...(withPulumi ? ["pulumi seconds", "pulumi / embedded"] : [])],
      ...rows.map((row) => [
        String(row.servers),
        String(row.resources),
        row.seconds.toFixed(1),
        ((row.seconds * 1000) / row.resources).toFixed(1),
        row.peakMiB.toFixed(0),
        ((row.seconds * 1000) / row.servers).toFixed(1),
        ...(row.pulumiSeconds === undefined ? [] : [row.pulumiSeconds.toFixed(1), (row.pulumiSeconds / row.seconds).toFixed(1)]),
      ]),
    ]),
  );
}

void main();
