/**
 * How long the planner takes on a large site: `npm run bench:placement [servers [services]]`. The requirement is below 2 s
 * for 1,000 servers with 8 GPUs each.
 */
import { parseEnvironment } from "../components/environment";
import { planWorkloads } from "../components/inference/placement";
import { table } from "../cli/table";
import { largeSite } from "../test/inference/placement/sites";

const rounds = 5;

function main(): void {
  const [servers = 1000, services = 500] = process.argv.slice(2).map(Number);
  const parsed = parseEnvironment(largeSite(servers, services));
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.problems.slice(0, 3)));
  const seconds: number[] = [];
  let replicas = 0;
  let findings = 0;
  for (let round = 0; round < rounds; round++) {
    const started = process.hrtime.bigint();
    const plan = planWorkloads(parsed.environment);
    seconds.push(Number(process.hrtime.bigint() - started) / 1e9);
    replicas = Object.values(plan.services).reduce((sum, { workloads }) => sum + workloads.reduce((count, workload) => count + workload.replicas, 0), 0);
    findings = plan.findings.length;
  }
  process.stdout.write(
    table([
      ["servers", "GPUs", "services", "replicas placed", "findings", "first s", "median s"],
      [String(servers), String(servers * 8), String(services), String(replicas), String(findings), (seconds[0] ?? 0).toFixed(2), ([...seconds].sort((a, b) => a - b)[Math.floor(rounds / 2)] ?? 0).toFixed(2)],
    ]),
  );
}

main();
