import type { Environment } from "../environment/schema";
import { hostPort } from "../host-port";
import type { Severity } from "./alert";

/** Files that hold what the configuration must not: mounted from a Secret, or readable by Alertmanager's user on a host. */
export const alertmanagerSecrets = {
  folder: "/etc/rackwright/alertmanager",
  smtpPassword: "smtp-password",
  chatUrl: "chat-url",
} as const;

type Receiver = Environment["monitoring"]["receivers"][string];

/** Alerts that explain others of the same server: who is told of the first need not be told of the rest. */
export const explaining = ["ServerDown", "NodeNotReady"] as const;

const atLeast: Readonly<Record<Severity, string>> = { info: "info|warning|critical", warning: "warning|critical", critical: "critical" };
/** Takes what no receiver wants, such as the alert that always fires. */
const nobody = "nobody";

/** Notifications of one alert on one server or service come together; critical ones sooner, and again after an hour. */
const timing = {
  usual: { group_wait: "30s", group_interval: "5m", repeat_interval: "4h" },
  critical: { group_wait: "10s", repeat_interval: "1h" },
} as const;

/** Alertmanager's configuration as plain data, for `alertmanager.yml`. Secrets are named as files. */
export function alertmanagerConfig({ monitoring }: Environment): Record<string, unknown> {
  const { receivers, smtp } = monitoring;
  const entries = Object.entries(receivers);
  return {
    ...(smtp === undefined ? {} : { global: smtpSettings(smtp) }),
    route: {
      receiver: nobody,
      group_by: ["alertname", "server", "service"],
      ...timing.usual,
      routes: entries.flatMap(([name, { minimumSeverity }]) => routesTo(name, minimumSeverity)),
    },
    receivers: [{ name: nobody }, ...entries.map(([name, receiver]) => ({ name, ...settingsOf(receiver) }))],
    inhibit_rules: [{ source_matchers: [`alertname=~"${explaining.join("|")}"`], target_matchers: [`alertname!~"${explaining.join("|")}"`, 'server!=""'], equal: ["server"] }],
  };
}

/** Each receiver sees all alerts from its severity on, whatever the others see. */
function routesTo(receiver: string, minimum: Severity): Record<string, unknown>[] {
  const below = atLeast[minimum].split("|").filter((severity) => severity !== "critical");
  return [
    { receiver, matchers: ['severity="critical"'], continue: true, ...timing.critical },
    ...(below.length === 0 ? [] : [{ receiver, matchers: [`severity=~"${below.join("|")}"`], continue: true }]),
  ];
}

function smtpSettings({ server, port, from, user }: NonNullable<Environment["monitoring"]["smtp"]>): Record<string, unknown> {
  return {
    smtp_smarthost: hostPort(server, port),
    smtp_from: from,
    ...(user === undefined ? {} : { smtp_auth_username: user, smtp_auth_password_file: `${alertmanagerSecrets.folder}/${alertmanagerSecrets.smtpPassword}` }),
  };
}

/** What people read in a chat: the place and the value, and the first thing to do. */
const chatText = "{{ range .Alerts }}{{ .Annotations.summary }}{{ if eq .Status \"firing\" }}\n{{ .Annotations.action }}{{ end }}\n{{ end }}";
const chatTitle = "{{ .Status | toUpper }} {{ .GroupLabels.alertname }} ({{ .Alerts | len }})";

function settingsOf(receiver: Receiver): Record<string, unknown> {
  switch (receiver.kind) {
    case "webhook":
      return { webhook_configs: [{ url: receiver.url, send_resolved: true }] };
    case "email":
      return { email_configs: [{ to: receiver.to, send_resolved: true }] };
    case "chat":
      return { slack_configs: [{ api_url_file: `${alertmanagerSecrets.folder}/${alertmanagerSecrets.chatUrl}`, ...(receiver.channel === undefined ? {} : { channel: receiver.channel }), send_resolved: true, title: chatTitle, text: chatText }] };
  }
}
