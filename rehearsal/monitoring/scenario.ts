import { pause } from "../process";
import { must } from "../verdict";
import type { Fault } from "./faults";
import { pacedWait, parseDuration } from "./pace";
import type { Stand } from "./stand";
import type { SiteState } from "./state";
import type { Notification, NotifiedAlert, Webhook } from "./webhook";

/** A rule as Prometheus was given it, with its durations undivided. */
export interface AlertRule {
  alert: string;
  expr: string;
  for?: string;
  labels: Readonly<Record<string, string>>;
  annotations: Readonly<Record<string, string>>;
}

/** Receiver that is told of everything, besides the site's own. */
export const everything = "rehearsal";
/** The one alert of a healthy site. */
export const watchdog = "Watchdog";

/** Beyond what was configured: scrapes, evaluations and a busy machine. */
const slackMilliseconds = 30_000;
/** Notifications of groups go out with the usual interval of Alertmanager's route; a window may hold a fault for as long as its length. */
const longestWindow = "15m";
const groupInterval = "5m";
const lookEveryMilliseconds = 200;
const calmMilliseconds = 1200;

/** What a fault did. */
export interface Told {
  alert: NotifiedAlert;
  notification: Notification;
  /** From the fault to the notification, in seconds. */
  after: number;
}

/** Breaks things at a site that is watched, and looks who is told. */
export class Scenario {
  private readonly healthy: SiteState;
  /** It was waited for calm in vain. */
  private restless = false;

  constructor(
    readonly stand: Stand,
    readonly webhook: Webhook,
    readonly state: { now: SiteState },
    private readonly rules: ReadonlyMap<string, AlertRule>,
    private readonly signal?: AbortSignal,
  ) {
    this.healthy = structuredClone(state.now);
  }

  /** `for` of an alert, in milliseconds at the pace. */
  private waits(alert: string): number {
    return parseDuration(pacedWait(this.rules.get(alert)?.for ?? "0s", this.stand.pace));
  }

  private paced(duration: string): number {
    return parseDuration(duration) / this.stand.pace.factor;
  }

  /** `for 5m: 5 s at pace 60`. */
  describeFor(alert: string): string {
    const configured = this.rules.get(alert)?.for ?? "0s";
    return this.stand.pace.factor === 1 ? `for ${configured}` : `for ${configured}: ${this.waits(alert) / 1000} s at pace ${this.stand.pace.factor}`;
  }

  pause(milliseconds: number): Promise<void> {
    return pause(milliseconds, this.signal);
  }

  change(change: (state: SiteState, now: number) => void): void {
    change(this.state.now, Date.now() / 1000);
  }

  /** Everything as it was. Textfiles are as fresh as they always are. */
  restore(): void {
    this.state.now = structuredClone(this.healthy);
  }

  /** Waits for the notification of a fault that was just made. @throws Mismatch where it does not come or is not as it should be */
  async told(fault: Pick<Fault, "alert" | "labels">, since: number): Promise<Told> {
    const within = this.waits(fault.alert) + this.paced(longestWindow) + this.paced(groupInterval) + slackMilliseconds;
    const found = await this.webhook.wait({ receiver: everything, alert: fault.alert, labels: fault.labels, status: "firing", since }, within, this.signal);
    must(found !== undefined, `no ${fault.alert} with ${JSON.stringify(fault.labels)} arrived within ${Math.round(within / 1000)} s; Prometheus has ${await this.active()}`);
    this.wellFormed(found.alert);
    return { ...found, after: (found.notification.at - since) / 1000 };
  }

  /** Severity, what to do, and where its page is: as in the rule. */
  private wellFormed({ labels, annotations }: NotifiedAlert): void {
    const name = labels["alertname"] ?? "";
    const rule = this.rules.get(name);
    must(rule !== undefined, `${name} is no alert of the site`);
    must(labels["severity"] === rule.labels["severity"], `${name} arrived with severity ${labels["severity"] ?? "none"} instead of ${rule.labels["severity"] ?? "none"}`);
    for (const annotation of ["summary", "action", "runbook_url"] as const) must((annotations[annotation] ?? "") !== "" && !/<no value>|error expanding/i.test(annotations[annotation] ?? ""), `${name} arrived with the ${annotation} ${JSON.stringify(annotations[annotation])}`);
    must(annotations["runbook_url"] === rule.annotations["runbook_url"], `${name} arrived with the runbook ${annotations["runbook_url"] ?? ""}`);
  }

  /** Waits until the receiver is told that it is over. Seconds since. */
  async resolved(fault: Pick<Fault, "alert" | "labels">, since: number): Promise<number> {
    const within = this.paced(longestWindow) + 2 * this.paced(groupInterval) + slackMilliseconds;
    const found = await this.webhook.wait({ receiver: everything, alert: fault.alert, labels: fault.labels, status: "resolved", since }, within, this.signal);
    must(found !== undefined, `${fault.alert} was not said to be resolved within ${Math.round(within / 1000)} s; Prometheus has ${await this.active()}`);
    return (found.notification.at - since) / 1000;
  }

  /** @throws Mismatch where something fired that should not have */
  nothingElse(since: number, expected: readonly string[]): void {
    const others = this.webhook.fired(everything, since).filter((name) => name !== watchdog && !expected.includes(name));
    must(others.length === 0, `${others.join(", ")} fired as well`);
  }

  /** Alerts that Prometheus has, as text. */
  async active(): Promise<string> {
    const alerts = (await this.stand.prometheus.alerts()).filter(({ labels }) => labels["alertname"] !== watchdog);
    return alerts.map(({ labels: { alertname = "", severity: _, ...labels }, state }) => `${alertname} (${state}) ${JSON.stringify(labels)}`).join(", ") || "no other alert";
  }

  /** Waits until nothing is wrong, not even for a moment ago. @throws Mismatch when something stays, and soon where it stayed before */
  async calm(): Promise<void> {
    const until = Date.now() + (this.restless ? 2 * calmMilliseconds : this.paced(longestWindow) + slackMilliseconds);
    this.restless = true;
    let calmSince: number | undefined;
    for (;;) {
      const alerts = await this.stand.prometheus.alerts();
      const still = alerts.length > 0 && alerts.every(({ labels }) => labels["alertname"] === watchdog);
      calmSince = still ? (calmSince ?? Date.now()) : undefined;
      if (calmSince !== undefined && Date.now() - calmSince >= calmMilliseconds) {
        this.restless = false;
        return;
      }
      must(Date.now() < until, `the site does not become healthy: ${await this.active()}`);
      await this.pause(lookEveryMilliseconds);
    }
  }

  /** One fault alone: it is told, nothing else is, and it is told when it is over. What was seen, in words. */
  async alone(fault: Fault, { inject, takeBack }: { inject?: () => Promise<void>; takeBack?: () => Promise<void> } = {}): Promise<string> {
    await this.calm();
    const injected = Date.now();
    this.change(fault.inject);
    await inject?.();
    try {
      const { after, alert } = await this.told(fault, injected);
      this.nothingElse(injected, [fault.alert, ...(fault.alsoFires ?? [])]);
      const tookBack = Date.now();
      this.restore();
      await takeBack?.();
      const over = await this.resolved(fault, tookBack);
      return `${fault.alert} after ${after.toFixed(1)} s (${this.describeFor(fault.alert)}), "${alert.annotations["summary"] ?? ""}"; resolved ${over.toFixed(1)} s after`;
    } finally {
      this.restore();
      await takeBack?.();
    }
  }
}
