import type { StepCheck } from "./hosts";
import { projectName } from "./project";

const site = "rackwright:site:Site";
const server = `${site}$rackwright:servers:Server`;

const componentOf: Record<StepCheck["kind"], string> = {
  "base-environment": `${server}$rackwright:servers:BaseEnvironment`,
  "storage-tier": `${server}$rackwright:servers:StorageTier`,
  "object-store": `${server}$rackwright:servers:ObjectStore`,
  "gpu-driver": `${server}$rackwright:servers:GpuDriver`,
  mig: `${server}$rackwright:servers:MigLayout`,
  monitoring: `${server}$rackwright:servers:HostMonitoring`,
  standby: `${server}$rackwright:recovery:StandbyBalancer`,
  k3s: `${site}$rackwright:cluster:Cluster$rackwright:cluster:K3sNode`,
  backup: `${site}$rackwright:recovery:Backup`,
  "backup-store": `${site}$rackwright:recovery:Backup`,
};

/**
 * The resources whose step has to run again: those whose check found something that it mends. Where a check could not
 * run at all, the tools on the host are renewed as well.
 */
export function urnsToMend(environment: string, checks: readonly StepCheck[], known: ReadonlySet<string>): string[] {
  const urns = new Set<string>();
  for (const check of checks) {
    const mendable = check.findings.filter((finding) => finding.mendable);
    if (mendable.length === 0) continue;
    if (mendable.some(({ id }) => id === "check-did-not-run")) urns.add(urn(environment, `${server}$command:remote:CopyToRemote`, `${check.server}-tools`));
    urns.add(urn(environment, `${componentOf[check.kind]}$command:remote:Command`, check.step));
  }
  return [...urns].filter((each) => known.has(each));
}

function urn(environment: string, type: string, name: string): string {
  return `urn:pulumi:${environment}::${projectName}::${type}::${name}`;
}
