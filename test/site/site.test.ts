import { join } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { describe, expect, it } from "vitest";
import { loadStackFile, type Environment } from "../../components/environment";
import { missingSecrets, planSite, Site } from "../../components/site";
import { record, Secret } from "../servers/recorder";

function shipped(name: string): Environment {
  const loaded = loadStackFile(join(__dirname, "../../stacks", `Pulumi.${name}.yaml`));
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.problems));
  return loaded.environment;
}

const environmentNames = ["dev-test", "edge", "large-cluster", "medical-imaging", "quality-inspection", "sme-production"];
const credentials = { sshPrivateKey: pulumi.secret("SSH-KEY"), kubeconfig: pulumi.secret("KUBECONFIG"), inferenceApiKey: pulumi.secret("API-KEY"), grafanaAdminPassword: pulumi.secret("GRAFANA-PASSWORD"), smtpPassword: pulumi.secret("MAIL-PASSWORD"), backupPassword: pulumi.secret("BACKUP-PASSWORD"), alertChatUrl: pulumi.secret("CHAT-URL"), objectStoreAccessKeyId: pulumi.secret("ACCESS-KEY"), objectStoreSecretAccessKey: pulumi.secret("SECRET-KEY") };

const registered = (environment: Environment, preview = true) => record(() => new Site("reference", { environment, plan: planSite(environment), credentials }).add(), { preview, outputs: { "gpu-01-kubeconfig": { stdout: "KUBECONFIG" }, "edge-01-kubeconfig": { stdout: "KUBECONFIG" } } });
/** Names carry the hash of what a job lays out or a script says. */
const withoutHashes = (urn: string): string => urn.replace(/-[0-9a-f]{8}$/, "-<hash>");

describe("what runs on the servers of dev-test", () => {
  it("keeps its types, names and parents, for these are what the state knows it by", async () => {
    const { urns } = await registered(shipped("dev-test"));
    expect(urns.filter((urn) => /cluster|inference/.test(urn)).map(withoutHashes).sort()).toMatchInlineSnapshot(`
      [
        "rackwright:cluster:Cluster$command:remote:Command::gpu-01-kubeconfig",
        "rackwright:cluster:Cluster$kubernetes:apps/v1:DaemonSet::daemonset-accelerators-nvidia-device-plugin",
        "rackwright:cluster:Cluster$kubernetes:core/v1:ConfigMap::configmap-accelerators-nvidia-device-plugin",
        "rackwright:cluster:Cluster$kubernetes:core/v1:Namespace::namespace-accelerators",
        "rackwright:cluster:Cluster$kubernetes:core/v1:Namespace::namespace-exporters",
        "rackwright:cluster:Cluster$kubernetes:core/v1:Namespace::namespace-inference",
        "rackwright:cluster:Cluster$kubernetes:core/v1:Namespace::namespace-monitoring",
        "rackwright:cluster:Cluster$kubernetes:core/v1:Namespace::namespace-training",
        "rackwright:cluster:Cluster$kubernetes:core/v1:NodePatch::nodepatch-gpu-01",
        "rackwright:cluster:Cluster$kubernetes:core/v1:ResourceQuota::resourcequota-inference-accelerators",
        "rackwright:cluster:Cluster$kubernetes:core/v1:ResourceQuota::resourcequota-training-accelerators",
        "rackwright:cluster:Cluster$kubernetes:core/v1:Secret::secret-inference-inference-api-key",
        "rackwright:cluster:Cluster$kubernetes:networking.k8s.io/v1:NetworkPolicy::networkpolicy-accelerators-default-deny",
        "rackwright:cluster:Cluster$kubernetes:networking.k8s.io/v1:NetworkPolicy::networkpolicy-accelerators-dns",
        "rackwright:cluster:Cluster$kubernetes:networking.k8s.io/v1:NetworkPolicy::networkpolicy-exporters-default-deny",
        "rackwright:cluster:Cluster$kubernetes:networking.k8s.io/v1:NetworkPolicy::networkpolicy-exporters-dns",
        "rackwright:cluster:Cluster$kubernetes:networking.k8s.io/v1:NetworkPolicy::networkpolicy-inference-default-deny",
        "rackwright:cluster:Cluster$kubernetes:networking.k8s.io/v1:NetworkPolicy::networkpolicy-inference-dns",
        "rackwright:cluster:Cluster$kubernetes:networking.k8s.io/v1:NetworkPolicy::networkpolicy-monitoring-default-deny",
        "rackwright:cluster:Cluster$kubernetes:networking.k8s.io/v1:NetworkPolicy::networkpolicy-monitoring-dns",
        "rackwright:cluster:Cluster$kubernetes:networking.k8s.io/v1:NetworkPolicy::networkpolicy-training-default-deny",
        "rackwright:cluster:Cluster$kubernetes:networking.k8s.io/v1:NetworkPolicy::networkpolicy-training-dns",
        "rackwright:cluster:Cluster$kubernetes:node.k8s.io/v1:RuntimeClass::runtimeclass-rackwright-nvidia",
        "rackwright:cluster:Cluster$kubernetes:scheduling.k8s.io/v1:PriorityClass::priorityclass-rackwright-batch",
        "rackwright:cluster:Cluster$kubernetes:scheduling.k8s.io/v1:PriorityClass::priorityclass-rackwright-interactive",
        "rackwright:cluster:Cluster$pulumi:providers:kubernetes::cluster",
        "rackwright:cluster:Cluster$rackwright:cluster:K3sNode::gpu-01-k3s",
        "rackwright:cluster:K3sNode$command:remote:Command::gpu-01-k3s",
        "rackwright:inference:InferenceService$kubernetes:apps/v1:Deployment::deployment-inference-assistant-gpu-01",
        "rackwright:inference:InferenceService$kubernetes:core/v1:ConfigMap::configmap-inference-assistant-gpu-01",
        "rackwright:inference:InferenceService$kubernetes:core/v1:Service::service-inference-assistant",
        "rackwright:inference:InferenceService$kubernetes:core/v1:ServiceAccount::serviceaccount-inference-assistant",
        "rackwright:inference:InferenceService$kubernetes:networking.k8s.io/v1:NetworkPolicy::networkpolicy-inference-assistant",
        "rackwright:inference:InferenceService$kubernetes:policy/v1:PodDisruptionBudget::poddisruptionbudget-inference-assistant",
        "rackwright:inference:ModelStore$kubernetes:batch/v1:Job::job-inference-layout-gpu-01-<hash>",
        "rackwright:inference:ModelStore$kubernetes:core/v1:ConfigMap::configmap-inference-model-layout-<hash>",
        "rackwright:inference:ModelStore$kubernetes:core/v1:PersistentVolume::persistentvolume-model-store-gpu-01",
        "rackwright:inference:ModelStore$kubernetes:core/v1:PersistentVolume::persistentvolume-models-gpu-01",
        "rackwright:inference:ModelStore$kubernetes:core/v1:PersistentVolumeClaim::persistentvolumeclaim-inference-model-store-gpu-01",
        "rackwright:inference:ModelStore$kubernetes:core/v1:PersistentVolumeClaim::persistentvolumeclaim-inference-models-gpu-01",
        "rackwright:monitoring:Monitoring$kubernetes:rbac.authorization.k8s.io/v1:ClusterRole::clusterrole-rackwright-kube-state-metrics",
        "rackwright:monitoring:Monitoring$kubernetes:rbac.authorization.k8s.io/v1:ClusterRoleBinding::clusterrolebinding-rackwright-kube-state-metrics",
        "rackwright:monitoring:Monitoring$kubernetes:rbac.authorization.k8s.io/v1:Role::role-inference-rackwright-prometheus",
        "rackwright:monitoring:Monitoring$kubernetes:rbac.authorization.k8s.io/v1:RoleBinding::rolebinding-inference-rackwright-prometheus",
        "rackwright:site:Site$rackwright:cluster:Cluster::cluster",
        "rackwright:site:Site$rackwright:inference:InferenceService::assistant",
        "rackwright:site:Site$rackwright:inference:ModelStore::model-store",
      ]
    `);
  });
});

describe("a site without a cluster", () => {
  it("is its servers alone", async () => {
    const environment = { ...shipped("dev-test"), services: {}, training: {} };
    environment.cluster = { ...environment.cluster, distribution: "none", controlPlane: [] };
    const { resources } = await registered(environment);
    expect(resources.filter(({ type }) => /cluster|inference|training|kubernetes/.test(type))).toEqual([]);
  });
});

describe("the monitoring of dev-test", () => {
  it("keeps its types, names and parents as well", async () => {
    const { urns } = await registered(shipped("dev-test"));
    expect(urns.filter((urn) => urn.includes("rackwright:monitoring")).sort()).toMatchInlineSnapshot(`
      [
        "rackwright:monitoring:Monitoring$kubernetes:apps/v1:DaemonSet::daemonset-exporters-dcgm-exporter",
        "rackwright:monitoring:Monitoring$kubernetes:apps/v1:DaemonSet::daemonset-exporters-node-exporter",
        "rackwright:monitoring:Monitoring$kubernetes:apps/v1:Deployment::deployment-monitoring-alertmanager",
        "rackwright:monitoring:Monitoring$kubernetes:apps/v1:Deployment::deployment-monitoring-blackbox-exporter",
        "rackwright:monitoring:Monitoring$kubernetes:apps/v1:Deployment::deployment-monitoring-grafana",
        "rackwright:monitoring:Monitoring$kubernetes:apps/v1:Deployment::deployment-monitoring-kube-state-metrics",
        "rackwright:monitoring:Monitoring$kubernetes:apps/v1:Deployment::deployment-monitoring-prometheus",
        "rackwright:monitoring:Monitoring$kubernetes:core/v1:ConfigMap::configmap-exporters-dcgm-exporter",
        "rackwright:monitoring:Monitoring$kubernetes:core/v1:ConfigMap::configmap-monitoring-alertmanager",
        "rackwright:monitoring:Monitoring$kubernetes:core/v1:ConfigMap::configmap-monitoring-blackbox-exporter",
        "rackwright:monitoring:Monitoring$kubernetes:core/v1:ConfigMap::configmap-monitoring-grafana-board-folders",
        "rackwright:monitoring:Monitoring$kubernetes:core/v1:ConfigMap::configmap-monitoring-grafana-boards",
        "rackwright:monitoring:Monitoring$kubernetes:core/v1:ConfigMap::configmap-monitoring-grafana-data-sources",
        "rackwright:monitoring:Monitoring$kubernetes:core/v1:ConfigMap::configmap-monitoring-prometheus",
        "rackwright:monitoring:Monitoring$kubernetes:core/v1:PersistentVolume::persistentvolume-measurements-alertmanager",
        "rackwright:monitoring:Monitoring$kubernetes:core/v1:PersistentVolume::persistentvolume-measurements-grafana",
        "rackwright:monitoring:Monitoring$kubernetes:core/v1:PersistentVolume::persistentvolume-measurements-prometheus",
        "rackwright:monitoring:Monitoring$kubernetes:core/v1:PersistentVolumeClaim::persistentvolumeclaim-monitoring-measurements-alertmanager",
        "rackwright:monitoring:Monitoring$kubernetes:core/v1:PersistentVolumeClaim::persistentvolumeclaim-monitoring-measurements-grafana",
        "rackwright:monitoring:Monitoring$kubernetes:core/v1:PersistentVolumeClaim::persistentvolumeclaim-monitoring-measurements-prometheus",
        "rackwright:monitoring:Monitoring$kubernetes:core/v1:Secret::secret-monitoring-grafana",
        "rackwright:monitoring:Monitoring$kubernetes:core/v1:Service::service-monitoring-alertmanager",
        "rackwright:monitoring:Monitoring$kubernetes:core/v1:Service::service-monitoring-blackbox-exporter",
        "rackwright:monitoring:Monitoring$kubernetes:core/v1:Service::service-monitoring-grafana",
        "rackwright:monitoring:Monitoring$kubernetes:core/v1:Service::service-monitoring-kube-state-metrics",
        "rackwright:monitoring:Monitoring$kubernetes:core/v1:Service::service-monitoring-prometheus",
        "rackwright:monitoring:Monitoring$kubernetes:core/v1:ServiceAccount::serviceaccount-monitoring-kube-state-metrics",
        "rackwright:monitoring:Monitoring$kubernetes:core/v1:ServiceAccount::serviceaccount-monitoring-prometheus",
        "rackwright:monitoring:Monitoring$kubernetes:networking.k8s.io/v1:NetworkPolicy::networkpolicy-exporters-dcgm-exporter",
        "rackwright:monitoring:Monitoring$kubernetes:networking.k8s.io/v1:NetworkPolicy::networkpolicy-monitoring-alertmanager",
        "rackwright:monitoring:Monitoring$kubernetes:networking.k8s.io/v1:NetworkPolicy::networkpolicy-monitoring-blackbox-exporter",
        "rackwright:monitoring:Monitoring$kubernetes:networking.k8s.io/v1:NetworkPolicy::networkpolicy-monitoring-grafana",
        "rackwright:monitoring:Monitoring$kubernetes:networking.k8s.io/v1:NetworkPolicy::networkpolicy-monitoring-kube-state-metrics",
        "rackwright:monitoring:Monitoring$kubernetes:networking.k8s.io/v1:NetworkPolicy::networkpolicy-monitoring-prometheus",
        "rackwright:monitoring:Monitoring$kubernetes:rbac.authorization.k8s.io/v1:ClusterRole::clusterrole-rackwright-kube-state-metrics",
        "rackwright:monitoring:Monitoring$kubernetes:rbac.authorization.k8s.io/v1:ClusterRoleBinding::clusterrolebinding-rackwright-kube-state-metrics",
        "rackwright:monitoring:Monitoring$kubernetes:rbac.authorization.k8s.io/v1:Role::role-exporters-rackwright-prometheus",
        "rackwright:monitoring:Monitoring$kubernetes:rbac.authorization.k8s.io/v1:Role::role-inference-rackwright-prometheus",
        "rackwright:monitoring:Monitoring$kubernetes:rbac.authorization.k8s.io/v1:RoleBinding::rolebinding-exporters-rackwright-prometheus",
        "rackwright:monitoring:Monitoring$kubernetes:rbac.authorization.k8s.io/v1:RoleBinding::rolebinding-inference-rackwright-prometheus",
        "rackwright:site:Site$rackwright:monitoring:Monitoring::monitoring",
      ]
    `);
  });
});

describe("a replica that spans servers", () => {
  it("is one LeaderWorkerSet, and brings the controller of that kind", async () => {
    const environment = structuredClone(shipped("large-cluster"));
    const service = environment.services["foundation"];
    if (service === undefined) throw new Error("the environment has lost its service");
    Object.assign(service, { precision: "bf16", weights: { ...service.weights, sizeGB: undefined }, gpusPerReplica: 16, tensorParallel: 8, pipelineParallel: 2, standbyReplicas: 0 });
    expect(planSite(environment).findings).toEqual([]);
    const { resources } = await registered(environment);
    expect(resources.filter(({ type }) => type.includes("leaderworkerset")).map(({ name }) => name)).toEqual(["leaderworkerset-inference-foundation-gpu-01"]);
    expect(resources.map(({ name }) => name)).toContain("deployment-lws-system-lws-controller-manager");
  });

  it("is the only thing that needs the controller", async () => {
    const { resources } = await registered(shipped("large-cluster"));
    expect(resources.filter(({ name }) => name.includes("lws") || name.includes("leaderworkerset"))).toEqual([]);
  });
});

describe("the plan of a site", () => {
  it.each(environmentNames)("%s: everything has its place", (name) => {
    const { findings, workloads } = planSite(shipped(name));
    expect(findings).toEqual([]);
    expect(Object.keys(workloads.services)).toEqual(Object.keys(shipped(name).services));
  });

  it("gathers what every planner finds", () => {
    const environment = structuredClone(shipped("medical-imaging"));
    const service = environment.services["reports"];
    if (service === undefined || environment.site.mirror === undefined) throw new Error("the environment has lost its service or its mirror");
    service.replicas = 3;
    delete environment.site.mirror.files;
    expect(planSite(environment).findings.map(({ keys }) => keys.join("."))).toEqual(["services.reports.replicas", "site.mirror.files"]);
  });
});

describe("secrets", () => {
  it.each(environmentNames)("%s: none is in a spec or an object in plain text", async (name) => {
    const { resources } = await registered(shipped(name));
    for (const { inputs } of resources) {
      const plain = Object.fromEntries(Object.entries(inputs).filter(([, value]) => !(value instanceof Secret)));
      expect(JSON.stringify(plain)).not.toMatch(/SSH-KEY|KUBECONFIG|API-KEY|ACCESS-KEY|SECRET-KEY|GRAFANA-PASSWORD|MAIL-PASSWORD|CHAT-URL/);
    }
  });

  it("are all asked for before anything is created", () => {
    const environment = structuredClone(shipped("edge"));
    environment.cluster.distribution = "existing";
    expect(missingSecrets(environment, {}).map(({ key }) => key)).toEqual(["objectStoreAccessKeyId", "objectStoreSecretAccessKey", "kubeconfig", "inferenceApiKey", "grafanaAdminPassword"]);
    expect(missingSecrets(environment, credentials)).toEqual([]);
    expect(missingSecrets(shipped("dev-test"), {}).map(({ key }) => key)).toEqual(["inferenceApiKey", "grafanaAdminPassword", "backupPassword"]);
    expect(missingSecrets(shipped("sme-production"), {}).map(({ key }) => key)).toEqual(["inferenceApiKey", "grafanaAdminPassword", "smtpPassword", "alertChatUrl", "backupPassword"]);
    const { monitoring, recovery } = shipped("dev-test");
    const few = { ...shipped("dev-test"), services: {}, recovery: { ...recovery, backup: { ...recovery.backup, enabled: false } } };
    expect(missingSecrets({ ...few, monitoring: { ...monitoring, mode: "operator" } }, {})).toEqual([]);
    expect(missingSecrets({ ...few, monitoring: { ...monitoring, enabled: false } }, {})).toEqual([]);
  });
});
