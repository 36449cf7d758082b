import { driverBranches, gpu } from "../../components/catalog";
import { migResource, migSlices, nodeCapacity } from "../../components/cluster/capacity";
import { rdmaResource } from "../../components/cluster/names";
import { hasRdma } from "../../components/cluster/nodes";
import type { Environment, Server } from "../../components/environment/schema";
import type { NodeShape } from "./node-object";

/** As many as the RDMA device plugin is told to offer of a server. */
const rdmaShares = "110";

const families: readonly { from: number; name: string }[] = [
  { from: 10, name: "blackwell" },
  { from: 9, name: "hopper" },
  { from: 8.9, name: "ada-lovelace" },
  { from: 8, name: "ampere" },
  { from: 7.5, name: "turing" },
];

/**
 * A server's node as it joins, before anything labels it: what its kubelet and its device plugins say of it, and NVIDIA's
 * feature discovery where the cluster exists already and may run it. On k3s the cluster component sets its labels, as it sets
 * taints and the environment's labels everywhere. Pure.
 * @throws Error for a server that the environment does not have.
 */
export function nodeShape(environment: Environment, name: string): NodeShape {
  const server = Object.hasOwn(environment.servers, name) ? environment.servers[name] : undefined;
  if (server === undefined) throw new Error(`the environment has no server ${name}`);
  const { cpus, memoryGiB, allocatable, devices } = nodeCapacity(server, environment);
  const extended = Object.fromEntries([...devices.map(({ resource, count }) => [resource, String(count)]), ...(hasRdma(server) ? [[rdmaResource, rdmaShares]] : [])]) as Record<string, string>;
  return {
    name,
    address: server.address,
    capacity: { cpu: String(cpus), memory: `${memoryGiB}Gi`, ...extended },
    allocatable: { cpu: String(allocatable.cpus), memory: `${allocatable.memoryGiB}Gi` },
    labels: {
      ...(environment.cluster.controlPlane.includes(name) ? { "node-role.kubernetes.io/control-plane": "true" } : {}),
      ...(environment.cluster.distribution === "existing" ? featureLabels(environment, server) : {}),
    },
  };
}

/**
 * Labels that NVIDIA's GPU feature discovery gives a node (internal/lm of k8s-device-plugin): GPU, driver, sharing, MIG.
 * Values that only the card itself knows, such as its serial numbers, are not labels.
 */
export function featureLabels({ cluster, software }: Environment, { gpus }: Server): Record<string, string> {
  const fact = gpus === undefined ? undefined : gpu(gpus.model);
  if (gpus === undefined || fact === undefined) return {};
  const { major, minor } = fact.computeCapability;
  const replicas = gpus.mig === undefined ? (cluster.timeSlicing ?? 1) : 1;
  const shared = replicas > 1;
  const product = fact.name.split(/\s+/).join("-");
  const [driverMajor = "", driverMinor = "", driverRevision = ""] = driverBranches[software.driver.branch].version.split(/[.-]/);
  const capability = Number(`${major}.${minor}`);
  return {
    "nvidia.com/gpu.present": "true",
    "nvidia.com/gpu.product": shared ? `${product}-SHARED` : product,
    "nvidia.com/gpu.count": String(gpus.count),
    "nvidia.com/gpu.replicas": String(replicas),
    "nvidia.com/gpu.sharing-strategy": shared ? "time-slicing" : "none",
    "nvidia.com/gpu.memory": String(Math.round(fact.memoryGB * 1024)),
    "nvidia.com/gpu.family": families.find(({ from }) => capability >= from)?.name ?? "undefined",
    "nvidia.com/gpu.compute.major": String(major),
    "nvidia.com/gpu.compute.minor": String(minor),
    "nvidia.com/gpu.mode": "compute",
    "nvidia.com/cuda.driver.major": driverMajor,
    "nvidia.com/cuda.driver.minor": driverMinor,
    "nvidia.com/cuda.driver.rev": driverRevision,
    "nvidia.com/mig.capable": String(fact.mig !== undefined),
    ...(gpus.mig === undefined ? {} : { "nvidia.com/mig.strategy": "mixed", [`${migResource(gpus.mig)}.count`]: String(gpus.count * migSlices(fact, gpus.mig)) }),
  };
}
