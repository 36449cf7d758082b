import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { stringify } from "yaml";
import type { Bmc } from "../../../components/environment/schema";
import { hostKey } from "../../support/environments";
import { ProjectCopy, type CommandResult } from "../../support/project-copy";

export const passphrase = { PULUMI_CONFIG_PASSPHRASE: "a passphrase" };

const server = (address: string, bmc?: Bmc): object => ({ address, hostKey: hostKey(address), cpu: { model: "epyc-7543" }, memoryGiB: 64, pcieGeneration: 4, ...(bmc === undefined ? {} : { bmc }) });

export interface SiteOptions {
  bmc: Bmc | undefined;
  /** Where gpu-01 is reached. @default an address where nothing answers */
  address?: string;
  sshPort?: number;
  distribution?: "existing" | "none";
}

/** A project whose environment `lab` has gpu-01, with this BMC, and gpu-02, in a cluster that exists. */
export async function project({ bmc, address = "127.0.0.7", sshPort = 22, distribution = "existing" }: SiteOptions, secrets: Readonly<Record<string, string>>): Promise<ProjectCopy> {
  const copy = new ProjectCopy();
  const gpu01 = { ...server(address, bmc), port: sshPort };
  const environment = {
    site: { name: "lab" },
    servers: { "gpu-01": gpu01, "gpu-02": server("127.0.0.8") },
    cluster: { distribution },
    monitoring: { enabled: false },
  };
  mkdirSync(join(copy.folder, "stacks"), { recursive: true });
  copy.writeStack("lab", stringify({ config: { "rackwright:environment": environment } }));
  for (const [name, value] of Object.entries(secrets)) {
    const { code, stderr } = await copy.run(["secret", "lab", name], { env: passphrase, stdin: value });
    if (code !== 0) throw new Error(stderr);
  }
  return copy;
}

export interface FenceReport {
  outcome: string;
  ok: boolean;
  message: string;
  power?: string | null;
  tainted?: boolean;
  steps: { seconds: number; what: string }[];
  look?: { node: { facts?: { ready: boolean; pods: { name: string; then: string; because?: string }[]; volumes: number } } };
}

/** `rackwright fence lab gpu-01 --json` and what it reported. */
export async function fence(copy: ProjectCopy, ...more: string[]): Promise<CommandResult & { report: FenceReport }> {
  const result = await copy.run(["fence", "lab", "gpu-01", "--json", ...more], { env: passphrase });
  return { ...result, report: (result.stdout === "" ? { outcome: "", ok: false, message: result.stderr, steps: [] } : JSON.parse(result.stdout)) as FenceReport };
}

export function kubeconfigFile(folder: string, text: string): string {
  const file = join(folder, "kubeconfig");
  writeFileSync(file, text, { mode: 0o600 });
  return file;
}
