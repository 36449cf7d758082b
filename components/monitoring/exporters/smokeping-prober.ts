import { stringify } from "yaml";
import { image } from "../../catalog/images";
import { namespaces } from "../../cluster/names";
import type { KubernetesObject } from "../../cluster/object";
import type { Environment } from "../../environment/schema";
import { ports } from "../names";
import { configMap } from "../objects";
import { latencyPeers } from "../peers";
import { hostExporter } from "./daemon";

const name = "smokeping-prober";
const folder = "/etc/smokeping";

/** Few, around the guide's 5 ms (5.1): each is a series for each pair of servers. */
const bucketsSeconds = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.25, 1];

/** Flags that are the same in a pod and on a bare host. */
export const smokepingFlags: readonly string[] = [`--buckets=${bucketsSeconds.join(",")}`, "--privileged"];

/** The prober's own file format: one ping a second to each peer of a server. */
export function smokepingConfig(environment: Environment, server: string): string {
  return stringify({ targets: [{ hosts: latencyPeers(environment, server).map(({ address }) => address), interval: "1s", network: "ip", protocol: "icmp", size: 56 }] });
}

/** smokeping_prober on every server, with a file for each: from the host's own network, for a pod's would add its bridge. */
export function smokepingProberObjects(environment: Environment): KubernetesObject[] {
  const servers = Object.keys(environment.servers);
  if (servers.length < 2) return [];
  const data = Object.fromEntries(servers.map((server) => [`${server}.yml`, smokepingConfig(environment, server)]));
  return [
    configMap(namespaces.exporters, name, name, data),
    hostExporter({
      name,
      image: image("smokeping-prober", environment),
      args: [`--config.file=${folder}/$(SERVER).yml`, ...smokepingFlags, `--web.listen-address=$(HOST_ADDRESS):${ports.smokepingProber}`],
      port: ports.smokepingProber,
      container: {
        env: [
          { name: "SERVER", valueFrom: { fieldRef: { fieldPath: "spec.nodeName" } } },
          { name: "HOST_ADDRESS", valueFrom: { fieldRef: { fieldPath: "status.hostIP" } } },
        ],
      },
      security: { runAsUser: 0, capabilities: { drop: ["ALL"], add: ["NET_RAW"] } },
      pod: { hostNetwork: true },
      volumes: [{ name: "targets", mountPath: folder, source: { configMap: { name } } }],
      files: Object.values(data),
      memoryRequest: "32Mi",
      memoryLimit: "128Mi",
    }),
  ];
}
