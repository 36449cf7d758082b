import type { HostReport } from "../hosts";
import { table } from "../table";
import type { Terminal } from "../terminal";

/** What differs on the hosts, as a table: one line a finding. */
export function renderHostReport(report: HostReport, style: Terminal["style"]): string {
  const rows = report.checks.flatMap((check) =>
    check.findings.map((finding) => [
      check.server,
      check.step,
      finding.mendable ? style("yellow", "up mends") : style("red", "by hand"),
      finding.message,
    ]),
  );
  const lost = report.unreachable.map(({ server, address, reason }) => `${style("red", "unreachable")}  ${server} (${address}): ${reason}\n`).join("");
  const steps = report.checks.length;
  if (rows.length === 0) return `${lost}${steps} steps checked, nothing differs.\n`;
  const mendable = report.checks.flatMap((check) => check.findings).filter((finding) => finding.mendable).length;
  return `${table(rows)}${lost}${steps} steps checked, ${rows.length} differences: ${mendable} that \`rackwright up\` mends, ${rows.length - mendable} that need hands.\n`;
}
