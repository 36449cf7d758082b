import type { Environment } from "../../environment/schema";
import { readiness } from "../../inference/engines/pod";
import type { BalancerPlan } from "./plan";
import { containerEndSeconds, endpointSpreadSeconds, kubernetesDefaults, nodeSettings, openingPacketSeconds, standbySettings as settings } from "./settings";

/** One part of the time from a failure to the next good answer, at worst. */
export interface BudgetLine {
  step: "detect" | "decide" | "move" | "retry";
  seconds: number;
  /** Of which settings it is made. */
  reason: string;
}

export interface FailureBudget {
  failure: "engine-process" | "engine-hang" | "node-crash" | "network-cut" | "balancer-node" | "balancer-process";
  /** `a server that crashes`. */
  title: string;
  lines: BudgetLine[];
  /** Sum of the lines. */
  seconds: number;
  /** What would shorten it, as the end of a sentence; absent where only other settings would. */
  fix?: string;
}

/** The failure that takes longest. */
export function slowest(budget: readonly FailureBudget[]): FailureBudget | undefined {
  return budget.reduce<FailureBudget | undefined>((worst, each) => (worst === undefined || each.seconds > worst.seconds ? each : worst), undefined);
}

/** Worst cases, from the settings that are installed. An answer's own time comes on top: it is the model's. */
export function standbyBudget(environment: Environment, balancer: BalancerPlan | undefined): FailureBudget[] {
  return balancer === undefined ? kubernetesBudget(environment) : [...replicaBudget(), ...balancerBudget(balancer)];
}

function failure(name: FailureBudget["failure"], title: string, lines: Readonly<Record<BudgetLine["step"], readonly [seconds: number, reason: string]>>, fix?: string): FailureBudget {
  const list = Object.entries(lines).map(([step, [seconds, reason]]): BudgetLine => ({ step: step as BudgetLine["step"], seconds: round(seconds), reason }));
  return { failure: name, title, lines: list, seconds: round(list.reduce((sum, { seconds }) => sum + seconds, 0)), ...(fix === undefined ? {} : { fix }) };
}

const round = (seconds: number): number => Math.round(seconds * 1000) / 1000;
const none = (reason: string): readonly [number, string] => [0, reason];

const interval = settings.checkIntervalMilliseconds / 1000;
const fast = settings.checkFastMilliseconds / 1000;
const timeout = settings.checkTimeoutMilliseconds / 1000;
const connect = settings.connectTimeoutMilliseconds / 1000;

/** What HAProxy sees of replicas. A check that began just before the failure still succeeds. */
function replicaBudget(): FailureBudget[] {
  const refused = [interval + (settings.checkFall - 1) * fast, `a check each ${interval} s, the next after ${fast} s, ${settings.checkFall} that fail at once`] as const;
  const silent = [interval + settings.checkFall * timeout + (settings.checkFall - 1) * fast, `a check each ${interval} s, the next after ${fast} s, ${settings.checkFall} that fail after ${timeout} s`] as const;
  const decide = none("the balancer that notices passes requests on otherwise");
  const move = none("the standby is loaded; sessions with the failed replica are ended");
  const retries = settings.connectRetries;
  const after = (attempt: number): readonly [number, string] => [attempt * (retries + 1) + connect * retries, `${retries + 1} attempts to connect that were under way, ${connect} s between them`];
  return [
    failure("engine-process", "an engine that ends", { detect: refused, decide, move, retry: after(0) }),
    failure("engine-hang", "an engine that hangs", { detect: silent, decide, move, retry: after(0) }),
    failure("node-crash", "a server that crashes", { detect: silent, decide, move, retry: after(connect) }),
    failure("network-cut", "a server that is cut off", { detect: silent, decide, move, retry: after(connect) }),
  ];
}

/** VRRP version 3: a backup takes over after three intervals and its skew (RFC 5798, 6.1). */
function balancerBudget({ balancers }: BalancerPlan): FailureBudget[] {
  // The worst case is the last one in line.
  const lowest = Math.min(...balancers.map(({ priority }) => priority));
  const skew = round(((256 - lowest) * settings.advertIntervalSeconds) / 256);
  const missed = settings.advertsMissed * settings.advertIntervalSeconds;
  const takeover = round(missed + skew);
  const health = settings.healthIntervalSeconds + settings.healthFall * settings.healthAnswerSeconds;
  const opening = openingPacketSeconds.find((seconds) => seconds >= takeover) ?? takeover;
  const decide = [skew, `skew of VRRP priority ${lowest}`] as const;
  const move = none("an address and its announcement; HAProxy runs there already");
  return [
    failure("balancer-node", "a balancer that crashes or is cut off", { detect: [missed, `${settings.advertsMissed} advertisements that do not come, one each ${settings.advertIntervalSeconds} s`], decide, move, retry: [round(opening - takeover), `a client that was connecting tries again after ${opening} s`] }),
    failure("balancer-process", "HAProxy that ends or hangs", { detect: [health, `a look each ${settings.healthIntervalSeconds} s, ${settings.healthFall} that fail after ${settings.healthAnswerSeconds} s`], decide, move, retry: none("connections are refused at once until then") }),
  ];
}

/** Kubernetes alone: the Service has every replica, and loses those that are not ready. */
function kubernetesBudget({ cluster }: Environment): FailureBudget[] {
  const node = cluster.distribution === "k3s" ? nodeSettings : kubernetesDefaults;
  const whose = cluster.distribution === "k3s" ? "" : ", Kubernetes' defaults";
  const decide = none("a replica that is not ready leaves the Service");
  const move = [endpointSpreadSeconds, "until every node's kube-proxy knows"] as const;
  const [opening] = openingPacketSeconds;
  const retry = [opening, `a client that was connecting tries again after ${opening} s`] as const;
  const lost = [node.monitorGraceSeconds + node.monitorPeriodSeconds, `node-monitor-grace-period ${node.monitorGraceSeconds} s, looked at each ${node.monitorPeriodSeconds} s${whose}`] as const;
  const hang = readiness.periodSeconds * readiness.failureThreshold + readiness.timeoutSeconds;
  const fix = "write mode: keepalived, with which balancers ask the replicas themselves";
  return [
    failure("engine-process", "an engine that ends", { detect: [containerEndSeconds, "the kubelet sees that the container ended"], decide, move, retry }, fix),
    failure("engine-hang", "an engine that hangs", { detect: [hang, `${readiness.failureThreshold} probes, one each ${readiness.periodSeconds} s, that fail after ${readiness.timeoutSeconds} s`], decide, move, retry }, fix),
    failure("node-crash", "a server that crashes", { detect: lost, decide, move, retry }, fix),
    failure("network-cut", "a server that is cut off", { detect: lost, decide, move, retry }, fix),
  ];
}
