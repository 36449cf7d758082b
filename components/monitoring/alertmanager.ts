import { stringify } from "yaml";
import { image } from "../catalog/images";
import { namespaces } from "../cluster/names";
import type { KubernetesObject } from "../cluster/object";
import type { Finding } from "../environment/problems";
import type { Environment } from "../environment/schema";
import { portOf, privateNetworks } from "../inference/model-store/network";
import { alertmanagerConfig, alertmanagerSecrets } from "./alertmanager-config";
import { ports } from "./names";
import { host, networks, openings, pods, type Opening } from "./network";
import { configMap, programDeployment, programService } from "./objects";
import { claimOf, measurementVolume, type Measurements } from "./storage";

const name = "alertmanager";
const folder = "/etc/alertmanager";
const data = "/alertmanager";

/** Secret with the passwords of receivers: made by the component, for its content is secret. */
export const alertmanagerSecret = "alertmanager";

/** Which secrets its receivers need. */
export function receiverSecrets({ monitoring }: Environment): { smtpPassword: boolean; chatUrl: boolean } {
  const kinds = new Set(Object.values(monitoring.receivers).map(({ kind }) => kind));
  return { smtpPassword: kinds.has("email") && monitoring.smtp?.user !== undefined, chatUrl: kinds.has("chat") };
}

export function needsReceiverSecret(environment: Environment): boolean {
  return Object.values(receiverSecrets(environment)).includes(true);
}

/** Mail that no server takes. */
export function* receiverFindings({ monitoring }: Environment): Generator<Finding> {
  if (!monitoring.enabled || monitoring.smtp !== undefined) return;
  for (const [receiver, { kind }] of Object.entries(monitoring.receivers)) {
    if (kind === "email") yield { keys: ["monitoring", "receivers", receiver], message: "is reached by e-mail, but the site has no mail server", fix: "Describe monitoring.smtp: its server and the address that mails come from." };
  }
}

function outwards(environment: Environment): Opening[] {
  const { receivers, smtp } = environment.monitoring;
  const webhooks = Object.values(receivers).flatMap((receiver) => {
    if (receiver.kind !== "webhook") return [];
    const url = new URL(receiver.url);
    return [{ ...host(environment, url.hostname), ports: [portOf(url)] }];
  });
  // Only a secret holds its address: it may be anywhere on the site.
  const chat = receiverSecrets(environment).chatUrl ? [{ ...(environment.site.internetAccess ? {} : { peers: networks(privateNetworks) }), ports: [443] }] : [];
  return [...webhooks, ...(smtp === undefined ? [] : [{ ...host(environment, smtp.server), ports: [smtp.port] }]), ...chat];
}

export function alertmanagerObjects(environment: Environment, place: Measurements): KubernetesObject[] {
  const namespace = namespaces.monitoring;
  const text = stringify(alertmanagerConfig(environment));
  const program = {
    name,
    namespace,
    image: image("alertmanager", environment),
    // One of them: no gossip, whose port would have to be opened.
    args: [`--config.file=${folder}/alertmanager.yml`, `--storage.path=${data}`, "--cluster.listen-address="],
    ports: { http: ports.alertmanager },
    ready: "/-/ready",
    requests: { cpu: "50m", memory: "64Mi" },
    memoryLimit: "256Mi",
    servers: [place.server],
    volumes: [
      { name: "configuration", mountPath: folder, readOnly: true, source: { configMap: { name } } },
      { name: "data", mountPath: data, source: { persistentVolumeClaim: { claimName: claimOf("alertmanager") } } },
      ...(needsReceiverSecret(environment) ? [{ name: "secrets", mountPath: alertmanagerSecrets.folder, readOnly: true, source: { secret: { secretName: alertmanagerSecret, defaultMode: 0o440 } } }] : []),
    ],
    files: [text],
  };
  return [
    ...measurementVolume(environment, place, "alertmanager"),
    configMap(namespace, name, name, { "alertmanager.yml": text }),
    openings(namespace, name, { from: [{ peers: [pods(namespace, "prometheus"), pods(namespace, "grafana")], ports: [ports.alertmanager] }], to: outwards(environment) }),
    programService(program),
    programDeployment(environment, program),
  ];
}
