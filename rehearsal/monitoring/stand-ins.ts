import type { Environment } from "../../components/environment/schema";
import { clusterStandIns } from "../cluster";
import type { StandIn } from "../standins";
import type { Stand } from "./stand";

/** What stands in for the real thing in a rehearsal of alerts. */
export function alertStandIns(environment: Environment, { realNode, latency }: Pick<Stand, "realNode" | "latency">): StandIn[] {
  const inCluster = environment.cluster.distribution !== "none";
  return [
    { what: "an HTTP proxy of the rehearsal, which each scrape and each Alertmanager is reached through (`proxy_url`, the only change of the configuration besides the pace)", standsInFor: "the site's network and its addresses" },
    { what: "emulated exporters that speak the metrics of components/monitoring/metrics.ts with the environment's servers, GPUs and services", standsInFor: `dcgm-exporter, engines, the exporter of their allocators${inCluster ? ", kube-state-metrics" : ""}${environment.monitoring.meter === undefined ? "" : ", the site's meter"}, and node_exporter on all servers but ${realNode}` },
    { what: `Debian's node_exporter with textfiles of an emulated server`, standsInFor: `node_exporter on ${realNode}: its arrays, drives, file systems, sensors and network cards` },
    { what: "Debian's Alertmanager, blackbox exporter and smokeping_prober", standsInFor: "the same programs in the versions of the catalog" },
    ...(inCluster ? [{ what: "Prometheus 3.15.1 built from its sources, with the rights of its own account in the cluster", standsInFor: "its image" }] : [{ what: "Debian's Prometheus", standsInFor: "the version of the catalog" }]),
    ...(latency === undefined
      ? []
      : [
          { what: "network namespaces of this machine", standsInFor: `the network; the prober on ${latency.source} is real, those of other servers are emulated` },
          ...(latency.kind === "netem" ? [] : [{ what: "a program that holds packets back, for this machine's kernel has no netem", standsInFor: "tc netem" }]),
        ]),
    ...(Object.keys(environment.training).length === 0 ? [] : [{ what: "pods that the cluster ended at once, said to run", standsInFor: "training jobs" }]),
    { what: "webhooks on loopback", standsInFor: "the site's receivers: mail, chat and its own webhooks; no mail was sent" },
    { what: "TLS servers with certificates of their own", standsInFor: "what certificates are looked at on" },
    ...(inCluster ? clusterStandIns(environment) : []),
  ];
}
