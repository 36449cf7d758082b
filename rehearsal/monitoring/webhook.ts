import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { pause } from "../process";

/** One alert of a notification, as Alertmanager's webhook has it. */
export interface NotifiedAlert {
  status: "firing" | "resolved";
  labels: Readonly<Record<string, string>>;
  annotations: Readonly<Record<string, string>>;
  startsAt: string;
}

export interface Notification {
  /** The receiver's name in the environment. */
  receiver: string;
  /** When it arrived, in milliseconds of Unix time. */
  at: number;
  groupLabels: Readonly<Record<string, string>>;
  alerts: readonly NotifiedAlert[];
}

/** What somebody waits for: an alert by its name and some of its labels. */
export interface Awaited {
  receiver: string;
  alert: string;
  labels?: Readonly<Record<string, string>>;
  status: NotifiedAlert["status"];
  /** Milliseconds of Unix time: what arrived before does not count. */
  since: number;
}

const lookEveryMilliseconds = 50;

export function matches(alert: NotifiedAlert, { alert: name, labels = {}, status }: Pick<Awaited, "alert" | "labels" | "status">): boolean {
  return alert.labels["alertname"] === name && alert.status === status && Object.entries(labels).every(([label, value]) => alert.labels[label] === value);
}

/** Stands for everybody that Alertmanager tells: takes its notifications on loopback and keeps them. */
export class Webhook {
  readonly received: Notification[] = [];

  private constructor(private readonly server: Server) {}

  static async listen(): Promise<Webhook> {
    const server = createServer();
    const webhook = new Webhook(server);
    server.on("request", (incoming, outgoing) => {
      let text = "";
      incoming.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
      incoming.on("end", () => {
        webhook.take(decodeURIComponent((incoming.url ?? "/").slice(1)), text);
        outgoing.writeHead(200).end();
      });
    });
    await new Promise<void>((resolve, reject) => server.once("error", reject).listen(0, "127.0.0.1", resolve));
    return webhook;
  }

  /** Address for one of the environment's receivers. */
  url(receiver: string): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}/${encodeURIComponent(receiver)}`;
  }

  private take(receiver: string, text: string): void {
    const { groupLabels, alerts } = JSON.parse(text) as Pick<Notification, "groupLabels" | "alerts">;
    this.received.push({ receiver, at: Date.now(), groupLabels, alerts });
  }

  /** The first notification with it; undefined when it has not come in time. */
  async wait(awaited: Awaited, withinMilliseconds: number, signal?: AbortSignal): Promise<{ notification: Notification; alert: NotifiedAlert } | undefined> {
    const until = Date.now() + withinMilliseconds;
    for (;;) {
      for (const notification of this.received) {
        if (notification.receiver !== awaited.receiver || notification.at < awaited.since) continue;
        const alert = notification.alerts.find((each) => matches(each, awaited));
        if (alert !== undefined) return { notification, alert };
      }
      if (Date.now() > until) return undefined;
      await pause(lookEveryMilliseconds, signal);
    }
  }

  /** Names of the alerts that a receiver was told to fire since a time. */
  fired(receiver: string, since: number): string[] {
    const alerts = this.received.filter((each) => each.receiver === receiver && each.at >= since).flatMap((each) => each.alerts);
    return [...new Set(alerts.filter(({ status }) => status === "firing").map(({ labels }) => labels["alertname"] ?? ""))].sort();
  }

  async close(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }
}
