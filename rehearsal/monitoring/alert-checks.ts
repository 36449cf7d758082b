import type { Environment } from "../../components/environment/schema";
import type { WorkloadPlan } from "../../components/inference";
import { probeTargets } from "../../components/monitoring/prometheus-config";
import { must, type Checks } from "../verdict";
import { failedMember, fragmentation, hotServer, lostNode, lowUtilization, quietChanges, type Fault } from "./faults";
import { manyFaults } from "./many-faults";
import { balancerFaultsAlone } from "./standby-faults";
import { longestMilliseconds, pacedQuery, parseDuration } from "./pace";
import { Panels } from "./panels";
import { everything, watchdog, type AlertRule, type Scenario } from "./scenario";

const latencyMilliseconds = { tooMuch: 6, bearable: 4 } as const;
const fragmentationPercent = { tooMuch: 31, bearable: 29 } as const;
const shortCertificateDays = 2;
const usualCertificateDays = 365;
/** The guide's own (5.1): what idle and drained servers must not cause. */
const guideAlerts = ["GpuUtilizationLow", "MemoryFragmentationHigh", "NetworkLatencyHigh"] as const;
const targetsWithinMilliseconds = 30_000;
/** Beyond what an alert's window and `for` take: two evaluations and a busy machine. */
const quietSlackMilliseconds = 3000;

/** Everything that a rehearsal of alerts looks at, in its order. */
export class AlertChecks {
  private readonly delays: string[] = [];
  /** What this site has nothing for. */
  private readonly absent: string[] = [];
  private readonly panels: Panels;

  constructor(
    private readonly checks: Checks,
    private readonly scenario: Scenario,
    private readonly site: { environment: Environment; workloads: WorkloadPlan; rules: ReadonlyMap<string, AlertRule> },
  ) {
    this.panels = new Panels(site.environment, site.workloads);
  }

  /** @returns what was not looked at because the site was not well before */
  async all(): Promise<string[]> {
    const healthy = await this.checks.make("a healthy site: every target answers, and no alert but the watchdog is told", () => this.healthySite());
    if (!healthy) return ["all else, for the site is not healthy before anything is broken"];
    await this.checks.make("what is no fault is not told", () => this.quiet());
    await this.guide();
    const member = failedMember(this.scenario.state.now);
    if (member === undefined) this.absent.push("a failed member of an array: the site has no array that survives one");
    else await this.fault(member);
    await this.hot();
    await this.checks.make("a server that is down: told once, its other alerts are held back", () => this.serverDown());
    const lost = lostNode(this.scenario.state.now);
    if (lost !== undefined) await this.fault(lost);
    await this.certificate();
    const balancers = balancerFaultsAlone(this.scenario.state.now);
    if (balancers.length === 0) this.absent.push("balancers that fail: the site has none");
    for (const fault of balancers) await this.fault(fault);
    await this.many();
    await this.checks.make("the site's receivers are told what their severity says", () => this.receivers());
    return [];
  }

  /** Delays of every alert, and what the pace did. For the verdict. */
  notes(): string[] {
    const { pace, divided } = this.scenario.stand;
    const kinds = new Map<string, number>();
    for (const { where } of divided) {
      const kind = where.endsWith(".expr") ? "ranges in expressions" : (where.split(".").at(-1) ?? where);
      kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
    }
    const cut = divided.filter(({ to }) => parseDuration(to) === longestMilliseconds).length;
    const told = pace.factor === 1 ? "Real time: no duration was changed." : `Pace ${pace.factor}: these durations were divided by it: ${[...kinds].map(([kind, count]) => `${kind} (${count})`).join(", ")}; besides, Prometheus' lookback and resend delay. ${cut === 0 ? "" : `${cut} that would be longer were cut to ${longestMilliseconds / 1000} s. `}Scrapes come every ${pace.scrapeMilliseconds} ms.`;
    const broken = new Set(this.delays.map((line) => line.split(" ")[0]));
    const others = [...this.site.rules.keys()].filter((name) => name !== watchdog && !broken.has(name) && !this.scenario.webhook.fired(everything, 0).includes(name));
    return ["From the fault to the webhook:", ...this.delays, told, ...this.absent.map((what) => `Not shown at this site: ${what}.`), ...(others.length === 0 ? [] : [`Alerts that nothing was broken for: ${others.join(", ")}.`])];
  }

  private async fault(fault: Fault, also: Parameters<Scenario["alone"]>[1] = {}): Promise<void> {
    await this.checks.make(fault.title, async () => {
      const seen = await this.scenario.alone(fault, also);
      this.delays.push(seen);
      return seen;
    });
  }

  private async healthySite(): Promise<string> {
    const { stand } = this.scenario;
    const started = 0;
    await this.scenario.told({ alert: watchdog, labels: {} }, started);
    await this.targetsAnswer();
    await this.scenario.calm();
    const up = await stand.prometheus.query("count by (job) (up)");
    this.scenario.nothingElse(started, []);
    await this.askPanels();
    return up.map(({ metric, value }) => `${metric["job"] ?? ""} ${value[1]}`).join(", ");
  }

  /** As many as the site has, for discovery takes its time. @throws Mismatch */
  private async targetsAnswer(): Promise<void> {
    const { prometheus, targets } = this.scenario.stand;
    const until = Date.now() + targetsWithinMilliseconds;
    for (;;) {
      const all = await prometheus.query("up");
      const silent = all.filter(({ value }) => value[1] !== "1");
      if (all.length === targets && silent.length === 0) return;
      must(Date.now() < until, `${all.length} of ${targets} targets were found; no answer from ${silent.map(({ metric }) => `${metric["job"] ?? ""} ${metric["server"] ?? metric["pod"] ?? ""}`).join(", ") || "none"}`);
      await this.scenario.pause(200);
    }
  }

  private askPanels(): Promise<number> {
    return this.panels.ask(this.scenario.stand.prometheus, (expr) => pacedQuery(expr, this.scenario.stand.pace));
  }

  /** Each at once, for as long as the slowest of them would take to be told. */
  private async quiet(): Promise<string> {
    const { scenario } = this;
    const changes = quietChanges(scenario.state.now);
    const bearable = fragmentation(scenario.state.now, fragmentationPercent.bearable);
    await scenario.calm();
    const since = Date.now();
    for (const { inject } of [...changes, ...(bearable === undefined ? [] : [bearable])]) scenario.change(inject);
    await scenario.stand.latency?.setDelay(latencyMilliseconds.bearable);
    try {
      await scenario.pause(Math.max(...guideAlerts.map((alert) => this.untilTold(alert))) + quietSlackMilliseconds);
      const fired = scenario.webhook.fired(everything, since);
      const wrong = guideAlerts.filter((alert) => fired.includes(alert));
      must(wrong.length === 0, `${wrong.join(", ")} fired`);
    } finally {
      scenario.restore();
      await scenario.stand.latency?.setDelay(0);
    }
    const titles = [...changes.map(({ title }) => title), ...(bearable === undefined ? [] : [bearable.title]), ...(scenario.stand.latency === undefined ? [] : [`${latencyMilliseconds.bearable} ms from ${scenario.stand.latency.source} to ${scenario.stand.latency.destination}`])];
    return titles.join("; ");
  }

  /** The longest range of an alert and its `for`, in milliseconds at the pace. */
  private untilTold(alert: string): number {
    const rule = this.site.rules.get(alert);
    const ranges = [...(rule?.expr ?? "").matchAll(/\[(\w+)\]/g)].map(([, range = "0"]) => parseDuration(range));
    // Recorded series that they read look back five minutes.
    return (Math.max(0, ...ranges) + parseDuration("5m") + parseDuration(rule?.for ?? "0")) / this.scenario.stand.pace.factor;
  }

  private async guide(): Promise<void> {
    const { now } = this.scenario.state;
    const low = lowUtilization(now);
    if (low === undefined) this.absent.push("low utilisation: no service holds GPUs and says how much work it has");
    else await this.fault(low);
    const pieces = fragmentation(now, fragmentationPercent.tooMuch);
    if (pieces === undefined) this.absent.push("fragmentation: no service that holds GPUs runs on torch");
    else await this.fault(pieces);
    const { latency, noLatency = "" } = this.scenario.stand;
    if (latency === undefined) this.absent.push(`latency: ${noLatency}`);
    else {
      const { source, destination } = latency;
      await this.fault(
        { title: `${latencyMilliseconds.tooMuch} ms from ${source} to ${destination}`, alert: "NetworkLatencyHigh", labels: { source, destination }, inject: () => undefined },
        { inject: () => latency.setDelay(latencyMilliseconds.tooMuch), takeBack: () => latency.setDelay(0) },
      );
    }
  }

  private async hot(): Promise<void> {
    const fault = hotServer(this.scenario.state.now);
    if (fault === undefined) {
      this.absent.push("one notification for all GPUs of a server: no server has more than one");
      return;
    }
    await this.checks.make(`${fault.title}: one notification`, async () => {
      const since = Date.now();
      const seen = await this.scenario.alone(fault);
      const notifications = this.scenario.webhook.received.filter(({ receiver, at, alerts }) => receiver === everything && at >= since && alerts.some(({ labels, status }) => status === "firing" && labels["alertname"] === fault.alert));
      const [first] = notifications;
      must(first?.alerts.length === fault.gpus, `the first notification has ${first?.alerts.length ?? 0} alerts instead of ${fault.gpus}`);
      this.delays.push(seen);
      return `${fault.gpus} alerts in it; ${seen}`;
    });
  }

  private async serverDown(): Promise<string> {
    const { scenario } = this;
    const { stand } = scenario;
    const server = stand.realNode;
    const fault: Fault = { title: "", alert: "ServerDown", labels: { server }, inject: () => undefined };
    const held = (await stand.prometheus.query(`up{server="${server}",job!="node"}`)).length > 0;
    await scenario.calm();
    const since = Date.now();
    await stand.nodeExporter.crash();
    stand.silence(server);
    try {
      const { after, alert } = await scenario.told(fault, since);
      const also = held ? await this.firingInPrometheus(server) : [];
      await scenario.pause(parseDuration("5m") / stand.pace.factor);
      const told = scenario.webhook.received.filter(({ receiver, at }) => receiver === everything && at >= since).flatMap(({ alerts }) => alerts);
      const others = told.filter(({ labels, status }) => status === "firing" && labels["server"] === server && labels["alertname"] !== "ServerDown");
      must(others.length === 0, `${others.map(({ labels }) => labels["alertname"]).join(", ")} of the same server was told as well`);
      const tookBack = Date.now();
      stand.speakAgain(server);
      stand.nodeExporter.comeBack();
      const over = await scenario.resolved(fault, tookBack);
      const seen = `ServerDown after ${after.toFixed(1)} s (${scenario.describeFor("ServerDown")}), "${alert.annotations["summary"] ?? ""}"; resolved ${over.toFixed(1)} s after; held back: ${also.join(", ") || "nothing"}`;
      this.delays.push(seen);
      return seen;
    } finally {
      stand.speakAgain(server);
      stand.nodeExporter.comeBack();
    }
  }

  /** Alerts of a server that Prometheus fires besides. @throws Mismatch where there is none, for then nothing was held back */
  private async firingInPrometheus(server: string): Promise<string[]> {
    const { stand } = this.scenario;
    const until = Date.now() + this.untilTold("TargetDown") + 10 * quietSlackMilliseconds;
    for (;;) {
      const firing = (await stand.prometheus.alerts()).filter(({ labels, state }) => state === "firing" && labels["server"] === server && labels["alertname"] !== "ServerDown");
      if (firing.length > 0) return [...new Set(firing.map(({ labels }) => labels["alertname"] ?? ""))];
      must(Date.now() < until, `Prometheus fires nothing else of ${server}, so that it is not shown what is held back`);
      await this.scenario.pause(200);
    }
  }

  private async certificate(): Promise<void> {
    const { probe } = this.scenario.stand;
    const [first] = probeTargets(this.site.environment);
    if (probe === undefined || first === undefined) {
      this.absent.push("a certificate that ends soon: nothing of the site has one");
      return;
    }
    const { target } = first;
    await this.fault(
      { title: `the certificate of ${target} ends in ${shortCertificateDays} days`, alert: "CertificateExpiringNow", labels: { target }, alsoFires: ["CertificateExpiring"], inject: () => undefined },
      { inject: () => probe.setCertificate(target, shortCertificateDays), takeBack: () => probe.setCertificate(target, usualCertificateDays) },
    );
  }

  /** Faults that touch nothing of each other, at once: every one is told, and nothing else. */
  private async many(): Promise<void> {
    const { scenario } = this;
    const { probe } = scenario.stand;
    const target = probeTargets(this.site.environment).at(-1)?.target;
    const unreachable: Fault[] = probe === undefined || target === undefined ? [] : [{ title: `nobody answers at ${target}`, alert: "ProbeFailing", labels: { target }, inject: () => undefined }];
    const faults = [...manyFaults(scenario.state.now, new Set(this.site.rules.keys())), ...unreachable];
    await this.checks.make(`${faults.length} other faults at once`, () => scenario.calm().then(() => "the site is healthy before"));
    const since = Date.now();
    for (const { inject } of faults) scenario.change(inject);
    if (target !== undefined) await probe?.setAnswering(target, false);
    const told: Fault[] = [];
    for (const fault of faults) {
      await this.checks.make(fault.title, async () => {
        const { after, alert } = await scenario.told(fault, since);
        told.push(fault);
        const seen = `${fault.alert} after ${after.toFixed(1)} s (${scenario.describeFor(fault.alert)}), "${alert.annotations["summary"] ?? ""}"`;
        this.delays.push(seen);
        return seen;
      });
    }
    await this.checks.make("every panel of every board parses and has data", async () => {
      await this.askPanels();
      return this.panels.verdict();
    });
    await this.checks.make("nothing else is told meanwhile", () => {
      scenario.nothingElse(since, faults.flatMap(({ alert, alsoFires = [] }) => [alert, ...alsoFires]));
      return Promise.resolve(`${told.length} alerts`);
    });
    const tookBack = Date.now();
    scenario.restore();
    if (target !== undefined) await probe?.setAnswering(target, true);
    await this.checks.make("all of them are told to be over", async () => {
      // What happened once, such as a new media error, is over by itself.
      const overs = await Promise.all(told.map((fault) => scenario.resolved(fault, since)));
      const longest = Math.max(...overs) - (tookBack - since) / 1000;
      return `the last ${longest.toFixed(1)} s after they were taken back`;
    });
  }

  /** Each of the environment's own receivers had exactly the alerts of its severities. */
  private receivers(): Promise<string> {
    const levels = ["info", "warning", "critical"];
    const { received } = this.scenario.webhook;
    const severitiesOf = (receiver: string): string[] => [...new Set(received.filter((each) => each.receiver === receiver).flatMap(({ alerts }) => alerts.map(({ labels }) => labels["severity"] ?? "")))];
    const seen = Object.entries(this.site.environment.monitoring.receivers).map(([name, { minimumSeverity }]) => {
      const severities = severitiesOf(name);
      const below = severities.filter((severity) => levels.indexOf(severity) < levels.indexOf(minimumSeverity));
      must(below.length === 0, `${name} was told of alerts of severity ${below.join(", ")}, below its ${minimumSeverity}`);
      must(severities.length > 0, `${name} was told of nothing`);
      return `${name} (from ${minimumSeverity}): ${severities.sort().join(", ")}`;
    });
    return Promise.resolve(seen.join("; "));
  }
}
