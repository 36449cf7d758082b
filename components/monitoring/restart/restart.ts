import { readFileSync } from "node:fs";
import { join } from "node:path";
import { image } from "../../catalog/images";
import { labels, namespaces } from "../../cluster/names";
import { homeOf, scraperNamespace } from "../../cluster/namespaces";
import type { KubernetesObject } from "../../cluster/object";
import { restrictedContainer, restrictedPod } from "../../cluster/pod";
import type { Environment } from "../../environment/schema";
import { ports } from "../names";
import { apiServer, openings, scraper } from "../network";
import { access, configMap, named, selectorOf } from "../objects";

export const restartName = "fragmentation-restart";
const name = restartName;
/** What was restarted when. Its data belongs to the program: it is made without any, and no update touches it. */
const memory = "fragmentation-restarts";
/** Of the alert in components/inference/alerts.ts whose pods are restarted. */
export const fragmentationAlert = "MemoryFragmentationHigh";
const folder = "/etc/rackwright";
const script = "restart.py";
/** Of one run, which makes about five calls. */
const deadlineSeconds = 120;

/** Our own Prometheus, or the one that a Prometheus operator makes: its Service always has this name (general knowledge). */
function prometheusAddress(environment: Environment): string {
  const service = environment.monitoring.mode === "standalone" ? "prometheus" : "prometheus-operated";
  return `http://${service}.${scraperNamespace(environment)}:${ports.prometheus}`;
}

/**
 * The restart of a replica whose memory is fragmented (guide 5.1), bounded: one pod a run, one a service in the time that the
 * environment says, by eviction, and only while the service's other replicas are ready. Nothing unless
 * `monitoring.restartOnFragmentation` is enabled, in an environment with a cluster.
 */
export function restartObjects(environment: Environment): KubernetesObject[] {
  const { monitoring, cluster } = environment;
  if (!monitoring.enabled || !monitoring.restartOnFragmentation.enabled || cluster.distribution === "none") return [];
  const namespace = homeOf(environment);
  return [
    ...access(namespace, name, [
      { in: namespaces.inference, rules: [{ apiGroups: [""], resources: ["pods"], verbs: ["list"] }, { apiGroups: [""], resources: ["pods/eviction"], verbs: ["create"] }] },
      { in: namespace, rules: [{ apiGroups: [""], resources: ["configmaps"], resourceNames: [memory], verbs: ["get", "patch"] }] },
    ]),
    openings(namespace, name, { to: [apiServer(environment), { peers: [scraper(environment)], ports: [ports.prometheus] }] }),
    named("v1", "ConfigMap", namespace, memory, name, {}),
    configMap(namespace, name, name, { [script]: readFileSync(join(__dirname, script), "utf8") }),
    cronJob(environment, namespace),
  ];
}

function cronJob(environment: Environment, namespace: ReturnType<typeof homeOf>): KubernetesObject {
  const arguments_ = {
    "prometheus": prometheusAddress(environment),
    "alert": fragmentationAlert,
    "namespace": namespaces.inference,
    "memory": `${namespace}/${memory}`,
    "at-most-every-hours": String(environment.monitoring.restartOnFragmentation.atMostEveryHours),
  };
  const container = {
    name,
    image: image("python", environment),
    command: ["python3", "-B", `${folder}/${script}`],
    args: Object.entries(arguments_).map(([option, value]) => `--${option}=${value}`),
    resources: { requests: { cpu: "10m", memory: "64Mi" }, limits: { memory: "256Mi" } },
    ...restrictedContainer(),
    volumeMounts: [{ name: "script", mountPath: folder, readOnly: true }],
  };
  return named("batch/v1", "CronJob", namespace, name, name, {
    spec: {
      schedule: "*/5 * * * *",
      concurrencyPolicy: "Forbid",
      // A run that was missed is not made up for: the next one sees the same.
      startingDeadlineSeconds: deadlineSeconds,
      successfulJobsHistoryLimit: 1,
      failedJobsHistoryLimit: 1,
      jobTemplate: {
        spec: {
          backoffLimit: 0,
          activeDeadlineSeconds: deadlineSeconds,
          template: {
            metadata: { labels: { [labels.managedBy]: "rackwright", ...selectorOf(name) } },
            spec: {
              ...restrictedPod(),
              automountServiceAccountToken: true,
              serviceAccountName: name,
              restartPolicy: "Never",
              // It belongs to no server; it must run where GPU servers are all there is, too.
              tolerations: [{ operator: "Exists", effect: "NoSchedule" }],
              containers: [container],
              volumes: [{ name: "script", configMap: { name } }],
            },
          },
        },
      },
    },
  });
}
