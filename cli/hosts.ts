import type { Environment } from "../components/environment";
import { commandLine, planServer } from "../components/servers/plan";
import type { Connection, HostStep } from "../components/servers/plan";
import { ConnectionError, openConnection } from "../engine/providers/command/ssh";
import type { SshConnection } from "../engine/providers/command/ssh";
import type { Progress } from "./terminal";

/** One thing that a host step's `check` found to differ. */
export interface Finding {
  id: string;
  message: string;
  /** Whether `up` can mend it. What it cannot mend needs hands, or a decision. */
  mendable: boolean;
}

/** What one host step's `check` said. */
export interface StepCheck {
  server: string;
  step: string;
  kind: HostStep["kind"];
  findings: Finding[];
}

/** A server that did not answer. */
export interface UnreachableServer {
  server: string;
  address: string;
  reason: string;
}

export interface HostReport {
  checks: StepCheck[];
  unreachable: UnreachableServer[];
}

const serversAtOnce = 16;

/** Runs every step's `check` on every server. Changes nothing on any host. */
export async function checkHosts(environment: Environment, privateKey: string | undefined, progress: Progress, signal?: AbortSignal): Promise<HostReport> {
  const report: HostReport = { checks: [], unreachable: [] };
  const waiting = Object.keys(environment.servers);
  const total = waiting.length;
  let finished = 0;
  const worker = async (): Promise<void> => {
    for (let server = waiting.shift(); server !== undefined; server = waiting.shift()) {
      signal?.throwIfAborted();
      progress.doing(`checking servers: ${finished} of ${total} done, now ${server}`);
      await checkServer(environment, server, privateKey, report, signal);
      finished += 1;
    }
  };
  await Promise.all(Array.from({ length: Math.min(serversAtOnce, total) }, worker));
  const order = Object.keys(environment.servers);
  report.checks.sort((a, b) => order.indexOf(a.server) - order.indexOf(b.server));
  return report;
}

async function checkServer(environment: Environment, server: string, privateKey: string | undefined, report: HostReport, signal?: AbortSignal): Promise<void> {
  const plan = planServer(environment, server);
  let connection: SshConnection | undefined;
  try {
    connection = await openConnection(sshSettings(plan.connection, privateKey), { signal });
    for (const step of [...plan.steps, ...plan.clusterSteps, ...plan.recoverySteps]) report.checks.push(await checkStep(connection, server, step, plan.connection.user, signal));
  } catch (error) {
    if (!(error instanceof ConnectionError)) throw error;
    report.unreachable.push({ server, address: `${plan.connection.host}:${plan.connection.port}`, reason: error.message });
  } finally {
    connection?.close();
  }
}

async function checkStep(connection: SshConnection, server: string, step: HostStep, user: string, signal?: AbortSignal): Promise<StepCheck> {
  const result = await connection.exec(commandLine(step, "check", user), { signal });
  const findings = result.code === 0 || result.code === 1 ? parseFindings(result.stdout) : undefined;
  return {
    server,
    step: step.name,
    kind: step.kind,
    findings: findings ?? [
      {
        id: "check-did-not-run",
        message: `${step.script} is not on the host as planned, or did not finish (exit ${result.code ?? result.signal ?? "unknown"}): ${lastLine(result.stderr) || "no message"}`,
        mendable: true,
      },
    ],
  };
}

function parseFindings(stdout: string): Finding[] | undefined {
  try {
    const document = JSON.parse(stdout) as { ok?: unknown; findings?: Finding[] };
    return typeof document.ok === "boolean" && Array.isArray(document.findings) ? document.findings : undefined;
  } catch {
    return undefined;
  }
}

function lastLine(text: string): string {
  return text.trim().split("\n").at(-1) ?? "";
}

/** How a server is logged in to. */
export function sshSettings(connection: Connection, privateKey: string | undefined): Parameters<typeof openConnection>[0] {
  const credential = privateKey === undefined ? {} : { privateKey };
  const { bastion, dialTimeoutSeconds, ...target } = connection;
  return {
    ...target,
    ...credential,
    perDialTimeout: dialTimeoutSeconds,
    dialErrorLimit: 1,
    ...(bastion === undefined ? {} : { proxy: { ...bastion, ...credential, perDialTimeout: dialTimeoutSeconds, dialErrorLimit: 1 } }),
  };
}
