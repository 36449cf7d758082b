import type { Environment } from "../environment/schema";
import { keepsMeasurements } from "../monitoring/storage";
import { receiverSecrets } from "../monitoring/alertmanager";
import { planBackups } from "../recovery/backup-plan";
import type { Credentials } from "../servers";

/** A secret that an environment needs for `up`, and what for. */
export interface MissingSecret {
  key: keyof Credentials;
  purpose: string;
}

/** All secrets that are needed and not there. Asked before anything is created. */
export function missingSecrets(environment: Environment, credentials: Credentials): MissingSecret[] {
  const { site, cluster, services, monitoring } = environment;
  const ownPrograms = keepsMeasurements(environment);
  const receivers = receiverSecrets(environment);
  const needed: MissingSecret[] = [
    ...(site.objectStore === undefined
      ? []
      : (["objectStoreAccessKeyId", "objectStoreSecretAccessKey"] as const).map((key) => ({ key, purpose: "site.objectStore is opened with it" }))),
    ...(cluster.distribution === "existing" ? [{ key: "kubeconfig", purpose: "cluster.distribution is existing, and this is the way in" } as const] : []),
    ...(Object.keys(services).length > 0 ? [{ key: "inferenceApiKey", purpose: "clients of the inference services send it" } as const] : []),
    ...(ownPrograms && monitoring.grafana.enabled ? [{ key: "grafanaAdminPassword", purpose: "Grafana's account admin has it" } as const] : []),
    ...(ownPrograms && receivers.smtpPassword ? [{ key: "smtpPassword", purpose: "alerts are mailed through monitoring.smtp, whose user it belongs to" } as const] : []),
    ...(ownPrograms && receivers.chatUrl ? [{ key: "alertChatUrl", purpose: "alerts are posted to the chat at this address" } as const] : []),
    ...(Object.keys(planBackups(environment).sources).length > 0 ? [{ key: "backupPassword", purpose: "backups are encrypted with it, and cannot be read again without it: keep a copy outside of the site" } as const] : []),
  ];
  return needed.filter(({ key }) => credentials[key] === undefined);
}
