import type { Environment } from "../components/environment";
import { commandLine, planServer } from "../components/servers/plan";
import type { Connection, HostStep, ServerPlan } from "../components/servers/plan";
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

/** Whether every server answered, and none differs in anything. */
export function isWell({ unreachable, checks }: HostReport): boolean {
  return unreachable.length === 0 && checks.every(({ findings }) => findings.length === 0);
}

const serversAtOnce = 16;

/** What is done on one server, whose connection is closed afterwards. */
type Visit = (connection: SshConnection, server: string, plan: ServerPlan) => Promise<void>;

/**
 * Goes to every server, a bounded number at a time.
 * @returns those that did not answer, in the order of the environment
 */
export async function visitServers(environment: Environment, privateKey: string | undefined, progress: Progress, visit: Visit, signal?: AbortSignal): Promise<UnreachableServer[]> {
  const unreachable: UnreachableServer[] = [];
  const order = Object.keys(environment.servers);
  const waiting = [...order];
  let finished = 0;
  const worker = async (): Promise<void> => {
    for (let server = waiting.shift(); server !== undefined; server = waiting.shift()) {
      signal?.throwIfAborted();
      progress.doing(`checking servers: ${finished} of ${order.length} done, now ${server}`);
      const lost = await visitServer(environment, server, privateKey, visit, signal);
      if (lost !== undefined) unreachable.push(lost);
      finished += 1;
    }
  };
  await Promise.all(Array.from({ length: Math.min(serversAtOnce, order.length) }, worker));
  return unreachable.sort((a, b) => order.indexOf(a.server) - order.indexOf(b.server));
}

async function visitServer(environment: Environment, server: string, privateKey: string | undefined, visit: Visit, signal?: AbortSignal): Promise<UnreachableServer | undefined> {
  const plan = planServer(environment, server);
  let connection: SshConnection | undefined;
  try {
    connection = await openConnection(sshSettings(plan.connection, privateKey), { signal });
    await visit(connection, server, plan);
    return undefined;
  } catch (error) {
    if (!(error instanceof ConnectionError)) throw error;
    return { server, address: `${plan.connection.host}:${plan.connection.port}`, reason: error.message };
  } finally {
    connection?.close();
  }
}

/** Runs every step's `check` on every server. Changes nothing on any host. */
export async function checkHosts(environment: Environment, privateKey: string | undefined, progress: Progress, signal?: AbortSignal): Promise<HostReport> {
  const checks: StepCheck[] = [];
  const unreachable = await visitServers(environment, privateKey, progress, async (connection, server, plan) => {
    for (const step of [...plan.steps, ...plan.clusterSteps, ...plan.recoverySteps]) checks.push(await checkStep(connection, server, step, plan.connection.user, signal));
  }, signal);
  const order = Object.keys(environment.servers);
  checks.sort((a, b) => order.indexOf(a.server) - order.indexOf(b.server));
  return { checks, unreachable };
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
