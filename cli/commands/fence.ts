import { SECRETS, suggest } from "../../components/environment";
import { answersOverSsh } from "../../components/recovery/fence/answers";
import type { Look } from "../../components/recovery/fence/facts";
import { judge, type Refusal } from "../../components/recovery/fence/judge";
import { nodePort } from "../../components/recovery/fence/node";
import { runningServerLimits, silentServerLimits, type FenceLimits, type FenceState } from "../../components/recovery/fence/plan";
import { redfishBmc } from "../../components/recovery/fence/redfish";
import { releaseLimits } from "../../components/recovery/fence/release";
import { lookAt, runFence, runRelease, wallClock, type BmcPort, type NodePort } from "../../components/recovery/fence/run";
import { confirm } from "../ask";
import { clusterAccess } from "../cluster-access";
import { CliError, exitCodes } from "../exit";
import type { ExitCode } from "../exit";
import { interruptible } from "../interrupt";
import { loadEnvironment, type LoadedEnvironment } from "../project";
import { doing, exitOfFault, happened, renderIntent, renderLook, verdictOf, verdictOfRelease, type FencedServer, type Verdict } from "../render/fence";
import { readSecrets } from "../secrets";
import type { Terminal } from "../terminal";

export interface FenceOptions {
  yes?: boolean;
  dryRun?: boolean;
  json?: boolean;
  release?: boolean;
  forceRunning?: boolean;
  kubeconfig?: string;
}

interface Step {
  seconds: number;
  what: string;
}

/** Everything that one run works with. */
interface Session {
  terminal: Terminal;
  target: FencedServer;
  options: FenceOptions;
  bmc: BmcPort;
  node: NodePort;
  /** Whether servers.<name>.bmc.uuid is stated. */
  statesUuid: boolean;
  answers: () => Promise<Look["ssh"]>;
  /** Where a person reads along: stdout, or stderr where stdout gets JSON. */
  say: (text: string) => void;
  started: number;
  steps: Step[];
}

/**
 * `rackwright fence`: powers a server that has stopped answering off, and lets Kubernetes move what ran there. 0 it is fenced
 * (or released), 1 it is not, 2 nothing was done, 3 the BMC or the API server could not be reached.
 */
export async function fence(terminal: Terminal, environment: string, server: string, options: FenceOptions): Promise<ExitCode> {
  if (options.release === true && options.forceRunning === true) throw new CliError("--force-running is for powering off; leave it out with --release.", exitCodes.badInput);
  const loaded = loadEnvironment(environment);
  const bmc = bmcOf(loaded, server);
  const secrets = await readSecrets(loaded);
  const password = secrets[SECRETS.bmcPassword];
  if (password === undefined) throw new CliError(`${SECRETS.bmcPassword} is missing: servers.${server}.bmc.user logs in with it. Set it with \`rackwright secret ${environment} bmcPassword < FILE\`.`, exitCodes.badInput);
  const cluster = clusterAccess({ environment: loaded.environment, without: server, secrets, kubeconfigFile: options.kubeconfig });
  const { ssh, servers } = loaded.environment;
  const session: Session = {
    terminal,
    target: { environment, server },
    options,
    bmc: redfishBmc({ server, bmc, password }),
    node: nodePort(server, cluster.call),
    statesUuid: bmc.uuid !== undefined,
    answers: async () => (ssh.bastion === undefined ? answersOverSsh(servers[server]?.address ?? "", servers[server]?.port ?? ssh.port) : undefined),
    say: options.json === true ? terminal.err : terminal.out,
    started: Date.now(),
    steps: [],
  };
  try {
    return options.release === true ? await release(session) : await powerOffAndTaint(session);
  } finally {
    cluster.close();
  }
}

/** @throws CliError with exit code 2 for a server that cannot be fenced as the environment stands. */
function bmcOf({ environment, name }: LoadedEnvironment, server: string): NonNullable<LoadedEnvironment["environment"]["servers"][string]["bmc"]> {
  const names = Object.keys(environment.servers);
  const found = Object.hasOwn(environment.servers, server) ? environment.servers[server] : undefined;
  if (found === undefined) {
    const near = suggest(server, names);
    throw new CliError(`${name} has no server ${JSON.stringify(server)}. ${near === undefined ? `Servers are ${names.join(", ")}.` : `Did you mean ${near}?`}`, exitCodes.badInput);
  }
  if (environment.cluster.distribution === "none") throw new CliError(`${name} has no cluster (cluster.distribution is none), so that there are no pods and volumes to free. Power ${server} off at its BMC.`, exitCodes.badInput);
  if (found.bmc === undefined) {
    throw new CliError(`servers.${server}.bmc is missing: without its BMC nothing can tell whether ${server} is off. Write address, user and tls.fingerprintSha256 of it; docs/runbooks/fencing.md says how.`, exitCodes.badInput);
  }
  return found.bmc;
}

function limitsFor({ node, ssh }: Look): FenceLimits {
  return ("facts" in node && node.facts.ready) || ssh === "answers" ? runningServerLimits : silentServerLimits;
}

async function powerOffAndTaint(session: Session): Promise<ExitCode> {
  const { terminal, target, options, say } = session;
  terminal.progress.doing(`asking the BMC, the API server and ${target.server} itself`);
  const look = await lookAt({ bmc: session.bmc, node: session.node, answers: session.answers, clock: wallClock });
  terminal.progress.done();
  say(renderLook(look, target, terminal.style));
  const refusal = judge(look, { server: target.server, forceRunning: options.forceRunning === true, statesUuid: session.statesUuid });
  if (refusal !== undefined) return finish(session, { outcome: "refused", verdict: { good: false, text: refusalText(refusal), exit: exitOfRefusal(refusal) }, look });
  const limits = limitsFor(look);
  say(renderIntent(look, limits, target));
  if (options.dryRun === true) return finish(session, { outcome: "dry-run", verdict: { good: true, text: "Nothing was done: this was a dry run.", exit: exitCodes.well }, look });
  if (!(await confirm(`Fence ${target.server}?`, options.yes === true))) return finish(session, { outcome: "declined", verdict: { good: false, text: "Nothing was done.", exit: exitCodes.finding }, look });
  let before: FenceState | undefined;
  const { outcome, state } = await interruptible(terminal, (signal) =>
    runFence({
      ...session, look, limits, signal, clock: wallClock,
      onAction: (action, current) => {
        before ??= current;
        terminal.progress.doing(doing(action, current, target));
      },
      onEvent: (event, after) => {
        record(session, happened(before, event, after));
        before = after;
      },
    }));
  return finish(session, { outcome: outcome.kind, verdict: verdictOf(outcome, state, target), look, state });
}

async function release(session: Session): Promise<ExitCode> {
  const { terminal, target, options } = session;
  if (options.dryRun === true) {
    const look = await lookAt({ bmc: session.bmc, node: session.node, answers: session.answers, clock: wallClock });
    session.say(renderLook(look, target, terminal.style));
    return finish(session, { outcome: "dry-run", verdict: { good: true, text: `Nothing was done: this was a dry run. Without it ${target.server} would be powered on where it is off, and lose the taint once its node is Ready.`, exit: exitCodes.well }, look });
  }
  const outcome = await interruptible(terminal, (signal) =>
    runRelease({
      ...session, signal, clock: wallClock, limits: releaseLimits,
      mayPowerOn: async () => {
        terminal.progress.done();
        const may = await confirm(`${target.server} is off. Is nobody working on it, and is it to be powered on?`, options.yes === true);
        if (may) record(session, "power on is asked");
        return may;
      },
      onReading: (bmc, node) => terminal.progress.doing(`waiting for ${target.server} to be Ready; power ${"system" in bmc ? bmc.system.power : "not known"}, node ${"facts" in node ? (node.facts.ready ? "Ready" : "not Ready") : "not known"}`),
    }));
  return finish(session, { outcome: outcome.kind, verdict: verdictOfRelease(outcome, target) });
}

function record({ started, steps, say, terminal }: Session, what: string | undefined): void {
  if (what === undefined) return;
  const seconds = Math.round((Date.now() - started) / 100) / 10;
  steps.push({ seconds, what });
  terminal.progress.done();
  say(`  ${seconds.toFixed(1).padStart(6)} s  ${what}\n`);
}

function refusalText(refusal: Refusal): string {
  return refusal.kind === "bmc" ? `${refusal.fault.message} Nothing was switched, and no taint is set.` : refusal.message;
}

function exitOfRefusal(refusal: Refusal): ExitCode {
  if (refusal.kind === "bmc") return exitOfFault(refusal.fault);
  return refusal.kind === "api-unreachable" ? exitCodes.unreachable : exitCodes.badInput;
}

function finish({ terminal, target, options, say, started, steps }: Session, { outcome, verdict, look, state }: { outcome: string; verdict: Verdict; look?: Look; state?: FenceState }): ExitCode {
  terminal.progress.done();
  say(`${terminal.style(verdict.good ? "green" : "red", verdict.text)}\n`);
  if (options.json === true) {
    terminal.out(`${JSON.stringify({
      ...target, ok: verdict.good, outcome, message: verdict.text,
      ...(state === undefined ? {} : { power: state.lastPower ?? null, tainted: state.tainted }),
      ...(look === undefined ? {} : { look }),
      steps, durationSeconds: Math.round((Date.now() - started) / 100) / 10,
    }, null, 2)}\n`);
  }
  return verdict.exit;
}
