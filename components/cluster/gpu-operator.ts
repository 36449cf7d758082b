import { image, type ImageId } from "../catalog/images";
import type { Environment } from "../environment/schema";
import { devicePluginConfig, usesMig } from "./device-plugin";
import { namespaces } from "./names";
import type { KubernetesObject } from "./object";
import { customResourceDefinitions, operatorAccess } from "./gpu-operator-access";
import { configHash } from "./plugin-pods";

const name = "gpu-operator";
const namespace = namespaces.accelerators;
const pluginConfigMap = "nvidia-device-plugin";

/** Repository, image and version, as the operator wants them apart. */
function operand(id: ImageId, environment: Environment): Record<string, unknown> {
  const [, repository = "", name = "", version = ""] = /^(.*)\/([^/]+):([^:]+)$/.exec(image(id, environment)) ?? [];
  return { repository, image: name, version, imagePullPolicy: "IfNotPresent" };
}

/**
 * What the operator is to do. The driver and the container toolkit are on the hosts, where Rackwright pins and checks them;
 * metrics come from the site's own monitoring; feature discovery would only tell what the environment says already.
 * Fields: api/nvidia/v1/clusterpolicy_types.go of the pinned release; what its own definition would fill in is written out.
 */
function clusterPolicy(environment: Environment, hasConfig: boolean): KubernetesObject {
  const off = { enabled: false };
  return {
    apiVersion: "nvidia.com/v1",
    kind: "ClusterPolicy",
    metadata: { name: "cluster-policy" },
    spec: {
      operator: { runtimeClass: "nvidia" },
      hostPaths: { rootFS: "/", driverInstallDir: "/run/nvidia/driver" },
      daemonsets: { priorityClassName: "system-node-critical", updateStrategy: "RollingUpdate", rollingUpdate: { maxUnavailable: "1" }, tolerations: [{ operator: "Exists" }] },
      driver: off,
      toolkit: { enabled: false, installDir: "/usr/local/nvidia" },
      // Devices reach containers through the runtime class, as with the device plugin alone.
      cdi: off,
      psa: off,
      mig: { strategy: usesMig(environment) ? "mixed" : "none" },
      migManager: usesMig(environment) ? { enabled: true, ...operand("mig-manager", environment) } : off,
      devicePlugin: { enabled: true, ...operand("nvidia-device-plugin", environment), ...(hasConfig ? { config: { name: pluginConfigMap, default: "default" } } : {}) },
      validator: operand("gpu-operator", environment),
      dcgm: off,
      dcgmExporter: off,
      gfd: off,
      nodeStatusExporter: off,
      sandboxWorkloads: { enabled: false, defaultWorkload: "container", mode: "kubevirt" },
    },
  };
}

function deployment(environment: Environment, config: string): KubernetesObject {
  const labels = { "app.kubernetes.io/name": name, app: name };
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name, namespace, labels },
    spec: {
      replicas: 1,
      selector: { matchLabels: labels },
      template: {
        metadata: { labels, annotations: { "rackwright.dev/config": configHash(config) } },
        spec: {
          serviceAccountName: name,
          priorityClassName: "system-cluster-critical",
          enableServiceLinks: false,
          tolerations: [{ operator: "Exists" }],
          securityContext: { seccompProfile: { type: "RuntimeDefault" } },
          containers: [
            {
              name,
              image: image("gpu-operator", environment),
              command: ["gpu-operator"],
              args: ["--leader-elect", "--zap-time-encoding=epoch", "--zap-log-level=info"],
              env: [
                { name: "WATCH_NAMESPACE", value: "" },
                { name: "OPERATOR_NAMESPACE", valueFrom: { fieldRef: { fieldPath: "metadata.namespace" } } },
                { name: "DRIVER_MANAGER_IMAGE", value: image("driver-manager", environment) },
                { name: "VALIDATOR_IMAGE", value: image("gpu-operator", environment) },
              ],
              ports: [{ name: "metrics", containerPort: 8080 }],
              livenessProbe: { httpGet: { path: "/healthz", port: 8081 }, initialDelaySeconds: 15, periodSeconds: 20 },
              readinessProbe: { httpGet: { path: "/readyz", port: 8081 }, initialDelaySeconds: 5, periodSeconds: 10 },
              resources: { requests: { cpu: "200m", memory: "100Mi" }, limits: { cpu: "500m", memory: "350Mi" } },
              securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ["ALL"] }, readOnlyRootFilesystem: true },
            },
          ],
        },
      },
    },
  };
}

/** The operator and what it deploys watch the API server, whose addresses a policy cannot name: the service's is translated. */
function openApiServer(): KubernetesObject {
  return {
    apiVersion: "networking.k8s.io/v1",
    kind: "NetworkPolicy",
    metadata: { name: "api-server", namespace },
    spec: { podSelector: {}, policyTypes: ["Egress"], egress: [{ ports: [{ protocol: "TCP", port: 6443 }, { protocol: "TCP", port: 443 }] }] },
  };
}

/**
 * NVIDIA's GPU Operator, as plain objects instead of its chart. Node feature discovery is not installed: the labels by which
 * the operator finds GPU nodes are set from the environment (see nodes.ts).
 */
export function gpuOperatorObjects(environment: Environment): KubernetesObject[] {
  if (!Object.values(environment.servers).some(({ gpus }) => gpus !== undefined)) return [];
  const config = devicePluginConfig(environment);
  const hasConfig = "sharing" in config;
  const text = `${JSON.stringify(config, null, 2)}\n`;
  return [
    ...customResourceDefinitions(),
    ...operatorAccess(name, namespace),
    openApiServer(),
    ...(hasConfig ? [{ apiVersion: "v1", kind: "ConfigMap", metadata: { name: pluginConfigMap, namespace }, data: { default: text } }] : []),
    deployment(environment, text),
    clusterPolicy(environment, hasConfig),
  ];
}
