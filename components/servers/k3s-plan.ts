import { k3sRelease } from "../catalog/kubernetes";
import { nodeCapacity } from "../cluster/capacity";
import type { Finding } from "../environment/problems";
import type { Environment, Server } from "../environment/schema";
import { hostPort } from "../host-port";
import { nodeSettings } from "../recovery/standby/settings";

/** What one server is to a k3s cluster. */
export interface K3sPlan {
  role: "first" | "server" | "agent";
  version: string;
  /** Folder of k3s's files, see {@link k3sFiles}. */
  files: string;
  /** API server that is joined; absent for the first, which makes the cluster. */
  join?: string;
  /** Whether the control plane's data is in etcd. */
  etcd: boolean;
  /** Server whose step must be done before: control-plane servers join one by one, agents after all of them. */
  after?: string;
}

/**
 * Files that `<site.mirror.files>/k3s/<version>/` must hold, exactly as k3s's release page has them:
 * - `k3s`: the binary for x86-64,
 * - `k3s-airgap-images-amd64.tar.zst`: images of its own parts, so that no registry is needed for them,
 * - `sha256sum-amd64.txt`: the release's checksums, against which the two are verified on every server.
 */
export const k3sFiles = ["k3s", "k3s-airgap-images-amd64.tar.zst", "sha256sum-amd64.txt"] as const;

/** Folder of the files, without a trailing slash; undefined where the site has neither a mirror of files nor internet. */
export function k3sFilesAddress({ site }: Environment): string | undefined {
  // The plus sign of the version means a blank to some servers.
  if (site.mirror?.files !== undefined) return `${site.mirror.files.replace(/\/$/, "")}/k3s/${encodeURIComponent(k3sRelease.version)}`;
  return site.internetAccess ? k3sRelease.downloads : undefined;
}

/** Where k3s keeps the administrator's kubeconfig on a control-plane server. */
export const k3sKubeconfigFile = "/etc/rancher/k3s/k3s.yaml";

/** k3s's kubeconfig, which is for its own server, as others reach that one. */
export function reachedFromElsewhere(kubeconfig: string, address: string): string {
  return kubeconfig.replaceAll(/https:\/\/(127\.0\.0\.1|\[::1\]):6443/g, apiServerUrl(address));
}

/** Address of the API server that nodes and people use. */
export function apiAddressOf({ cluster, servers }: Environment): string | undefined {
  const [first = ""] = cluster.controlPlane;
  return cluster.apiAddress ?? (Object.hasOwn(servers, first) ? servers[first]?.address : undefined);
}

/** `https://` and port of an API server; IPv6 addresses stand in brackets. */
export function apiServerUrl(address: string): string {
  return `https://${hostPort(address, 6443)}`;
}

/** What a server is to the k3s cluster; undefined where there is none or where its files cannot be had. */
export function planK3s(environment: Environment, server: string): K3sPlan | undefined {
  const { distribution, controlPlane } = environment.cluster;
  const files = k3sFilesAddress(environment);
  const address = apiAddressOf(environment);
  if (distribution !== "k3s" || files === undefined || address === undefined) return undefined;
  const place = controlPlane.indexOf(server);
  const role = place === 0 ? "first" : place > 0 ? "server" : "agent";
  const after = role === "agent" ? controlPlane.at(-1) : controlPlane[place - 1];
  return {
    role,
    version: k3sRelease.version,
    files,
    ...(role === "first" ? {} : { join: apiServerUrl(address) }),
    etcd: controlPlane.length > 1,
    ...(after === undefined || role === "first" ? {} : { after }),
  };
}

/** What the planner leaves to the system is what the kubelet sets aside for it. */
function systemReserved(environment: Environment, server: Server): string {
  const { cpus, memoryGiB, allocatable } = nodeCapacity(server, environment);
  return `cpu=${cpus - allocatable.cpus},memory=${memoryGiB - allocatable.memoryGiB}Gi`;
}

/** A server that is gone is noticed sooner where something stands by; elsewhere Kubernetes' own patience costs nothing. */
function nodeLife({ recovery }: Environment): string[] {
  if (recovery.standby.mode === "none") return [];
  const { monitorGraceSeconds, monitorPeriodSeconds, leaseSeconds, statusUpdateSeconds } = nodeSettings;
  return ["--node-life", [monitorGraceSeconds, monitorPeriodSeconds, leaseSeconds, statusUpdateSeconds].join(":")];
}

/** Flags of k3s.sh. */
export function k3sArgs(environment: Environment, server: string, plan: K3sPlan): string[] {
  const { cluster, servers, site } = environment;
  const names = [...new Set([...(cluster.apiAddress === undefined ? [] : [cluster.apiAddress]), ...cluster.controlPlane.flatMap((name) => servers[name]?.address ?? [])])];
  const facts = servers[server];
  return [
    "--role", plan.role,
    "--version", plan.version,
    "--files", plan.files,
    "--node-name", server,
    ...(facts === undefined ? [] : ["--address", facts.address, "--system-reserved", systemReserved(environment, facts)]),
    ...nodeLife(environment),
    ...(plan.join === undefined ? [] : ["--join", plan.join]),
    ...(plan.role === "agent" ? [] : ["--etcd", plan.etcd ? "yes" : "no", ...names.flatMap((name) => ["--tls-san", name]), "--pod-cidr", cluster.podCidr, "--service-cidr", cluster.serviceCidr]),
    ...(site.mirror?.images === undefined ? [] : ["--image-mirror", site.mirror.images]),
  ];
}

interface Network {
  first: number;
  size: number;
}

function networkOf(cidr: string): Network {
  const [address = "", bits = "32"] = cidr.split("/");
  const size = 2 ** (32 - Number(bits));
  const value = address.split(".").reduce((sum, part) => sum * 256 + Number(part), 0);
  return { first: Math.floor(value / size) * size, size };
}

const overlap = (a: Network, b: Network): boolean => a.first < b.first + b.size && b.first < a.first + a.size;

/** Each node has 256 addresses of the pods' network. */
const podAddressesPerNode = 256;

function* networkFindings({ cluster, servers }: Environment): Generator<Finding> {
  const pods = networkOf(cluster.podCidr);
  const services = networkOf(cluster.serviceCidr);
  if (overlap(pods, services)) yield { keys: ["cluster", "serviceCidr"], message: `overlaps with cluster.podCidr ${cluster.podCidr}`, value: cluster.serviceCidr, fix: "Write two networks that share no address." };
  for (const [key, network] of [["podCidr", pods], ["serviceCidr", services]] as const) {
    for (const [name, { address }] of Object.entries(servers)) {
      if (!/^\d+(\.\d+){3}$/.test(address) || !overlap(network, networkOf(`${address}/32`))) continue;
      yield { keys: ["cluster", key], message: `contains the address of servers.${name}, ${address}, which no pod could reach then`, value: cluster[key], fix: "Write a network that is not used at the site." };
    }
  }
  const count = Object.keys(servers).length;
  if (count * podAddressesPerNode > pods.size) {
    const prefix = 32 - Math.ceil(Math.log2(count * podAddressesPerNode));
    yield { keys: ["cluster", "podCidr"], message: `has room for ${Math.floor(pods.size / podAddressesPerNode)} nodes of ${podAddressesPerNode} addresses each; there are ${count} servers`, value: cluster.podCidr, fix: `Write a /${prefix} or wider network.` };
  }
}

/** What keeps k3s from working as written. */
export function* k3sFindings(environment: Environment): Generator<Finding> {
  const { cluster } = environment;
  if (cluster.distribution !== "k3s") return;
  if (k3sFilesAddress(environment) === undefined) {
    yield { keys: ["site", "mirror", "files"], message: "is needed for k3s at a site without internet", fix: `Copy ${k3sFiles.join(", ")} of ${k3sRelease.version} to <files>/k3s/${k3sRelease.version}/ and write the address of <files>.` };
  }
  const count = cluster.controlPlane.length;
  if (count > 1 && count % 2 === 0) {
    yield { keys: ["cluster", "controlPlane"], message: "names an even number of servers: losing half of them stops the cluster, as with one server less", value: count, allowed: "1, 3, 5 servers", fix: count === 2 ? "Name one, or a third that needs no GPU." : "Name one server less or one more." };
  }
  yield* networkFindings(environment);
}
