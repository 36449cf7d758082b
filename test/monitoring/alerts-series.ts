import { jobs } from "../../components/monitoring/names";

type Labels = Readonly<Record<string, string>>;

const text = (metric: string, labels: Labels): string => `${metric}{${Object.entries(labels).map(([name, value]) => `${name}="${value}"`).join(",")}}`;

/** As node_exporter on a server says it. */
export const node = (metric: string, labels: Labels = {}, server = "gpu-01"): string => text(metric, { job: jobs.node, instance: `${server}:9100`, server, ...labels });

/** As dcgm-exporter says it of GPU 0 of a server; with the pod that holds it. */
export const gpu = (metric: string, labels: Labels = {}, server = "gpu-01"): string =>
  text(metric, { job: jobs.gpu, instance: `${server}:9400`, server, gpu: "0", UUID: "GPU-a", device: "nvidia0", modelName: "NVIDIA H100 80GB HBM3", ...labels });

/** As kube-state-metrics says it of something. */
export const kubernetes = (metric: string, labels: Labels = {}): string => text(metric, { job: jobs.kubernetes, instance: "kube-state-metrics:8080", ...labels });

/** A pod of the service or job of the large environment. */
export const pod = { namespace: "inference", pod: "foundation-gpu-01-a", uid: "1" } as const;
export const standbyPod = { namespace: "inference", pod: "foundation-gpu-02-standby-a", uid: "2" } as const;
export const trainingPod = { namespace: "training", pod: "domain-tuning-0-b", uid: "3" } as const;

/** What kube-state-metrics says of any pod of a service: its labels and its node. */
export function placed(of: Labels, service: string, role: string, server: string): string[] {
  const { namespace = "", pod: name = "", uid = "" } = of;
  return [
    kubernetes("kube_pod_labels", { namespace, pod: name, uid, label_rackwright_dev_service: service, ...(role === "" ? {} : { label_rackwright_dev_role: role }), label_rackwright_dev_server: server }),
    kubernetes("kube_pod_info", { namespace, pod: name, uid, node: server }),
  ];
}

/** As an engine says it, by pod. */
export const engine = (metric: string, labels: Labels = {}): string =>
  text(metric, { job: jobs.engine, instance: "10.42.0.9:8000", server: "gpu-01", namespace: pod.namespace, pod: pod.pod, service: "foundation", role: "active", ...labels });

/** As torch's allocator in an engine's pod says it. */
export const allocator = (metric: string, labels: Labels = {}): string => text(metric, { job: jobs.allocator, instance: "10.42.0.9:9401", server: "gpu-01", namespace: pod.namespace, pod: pod.pod, service: "foundation", role: "active", process: "1", device: "0", ...labels });

/** As smokeping_prober on a server says it of an address. */
export const latency = (metric: string, server: string, host: string): string => text(metric, { job: jobs.latency, instance: `${server}:9374`, server, host, ip: host, source: "" });

export const probe = (metric: string, target: string): string => text(metric, { job: jobs.probe, instance: target, target });
export const own = (job: string, metric: string, labels: Labels = {}): string => text(metric, { job, instance: "127.0.0.1", server: "store-01", ...labels });
export const meter = (): string => text("site_meter_watts", { job: jobs.meter, instance: "10.30.0.60:9100", phase: "1" });
