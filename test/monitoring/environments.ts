import type { Environment, EnvironmentInput } from "../../components/environment";
import { planWorkloads } from "../../components/inference";
import { planMonitoring } from "../../components/monitoring/plan";
import type { KubernetesObject } from "../../components/cluster/object";
import { cpuServer, gpuServer, parsed } from "../cluster/environments";

const warm = (serial: string): Partial<EnvironmentInput["servers"][string]> => ({
  drives: { [`ata-WARM_${serial}`]: { kind: "sata-ssd", capacityGB: 1920 }, [`nvme-HOT_${serial}`]: { kind: "nvme", capacityGB: 3840 } },
  tiers: { warm: { level: "single", drives: [`ata-WARM_${serial}`] }, hot: { level: "single", drives: [`nvme-HOT_${serial}`] } },
});

/** One server without a GPU that controls, two with; a service; every kind of receiver. */
export function monitoredSite(change: (input: EnvironmentInput) => void = () => undefined): Environment {
  const input: EnvironmentInput = {
    site: { name: "lab", mirror: { images: "registry.example.org/copies", files: "https://mirror.example.org/files" } },
    servers: {
      "ctrl-01": cpuServer("192.0.2.11", { roles: ["control-plane"] }),
      "gpu-01": gpuServer("192.0.2.21", warm("A")),
      "gpu-02": gpuServer("192.0.2.22", warm("B")),
    },
    cluster: { distribution: "k3s", controlPlane: ["ctrl-01"] },
    services: { assistant: { model: "qwen2.5-7b", contextTokens: 8192, engine: "vllm", hostname: "assistant.example.org" } },
    monitoring: {
      retentionGiB: 100,
      receivers: { hook: { kind: "webhook", url: "http://192.0.2.6:8080/alerts?to=gpu", minimumSeverity: "info" }, mail: { kind: "email", to: "ops@example.org" }, chat: { kind: "chat", minimumSeverity: "critical" } },
      smtp: { server: "mail.example.org", from: "gpu@example.org", user: "gpu" },
      grafana: { hostname: "grafana.example.org" },
      meter: { address: "192.0.2.5", port: 9116, metric: "room_watts" },
    },
  };
  change(input);
  return parsed(input);
}

export const objectsOf = (environment: Environment): KubernetesObject[] => planMonitoring(environment, planWorkloads(environment));

/** The one object of a kind and name. */
export function objectOf(objects: readonly KubernetesObject[], kind: string, name: string): KubernetesObject {
  const found = objects.filter((object) => object.kind === kind && object.metadata.name === name);
  if (found.length !== 1 || found[0] === undefined) throw new Error(`${found.length} objects ${kind} ${name} in ${objects.map((object) => `${object.kind}/${object.metadata.name}`).join(", ")}`);
  return found[0];
}

interface PodSpec {
  metadata: { labels: Record<string, string>; annotations?: Record<string, string> };
  spec: {
    automountServiceAccountToken?: boolean;
    serviceAccountName?: string;
    hostNetwork?: boolean;
    containers: { image: string; args: string[]; env?: { name: string; value?: string }[]; securityContext: Record<string, unknown>; resources: { requests: { cpu: string; memory: string } } }[];
    volumes: Record<string, unknown>[];
  };
}

export function podOf(object: KubernetesObject): PodSpec {
  return (object["spec"] as { template: PodSpec }).template;
}
