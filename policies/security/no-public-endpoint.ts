import { rule } from "../rule";
import { SITE, type SiteSpec } from "../specs";
import { hostOf, isPublicAddress } from "./addresses";

const settings = {
  allow: { type: "array", items: { type: "string" }, description: "Addresses that are public on purpose.", default: [] as readonly string[] },
} as const;

/** Where the environment says that people, pods and alerts go, as far as it is an address. */
function endpoints({ site, ssh, cluster, services, monitoring, recovery }: SiteSpec): [at: string, address: string | undefined][] {
  const { objectStore, modelStore } = site;
  return [
    ["site.objectStore.endpoint", objectStore && hostOf(objectStore.endpoint)],
    ["site.modelStore.server", modelStore?.kind === "nfs" ? modelStore.server : undefined],
    ["ssh.bastion.address", ssh.bastion?.address],
    ["cluster.apiAddress", cluster.apiAddress],
    ["recovery.standby.virtualAddress", recovery.standby.virtualAddress],
    ...Object.entries(services).map(([name, { hostname }]): [string, string | undefined] => [`services.${name}.hostname`, hostname]),
    ["monitoring.grafana.hostname", monitoring.grafana.hostname],
    ...Object.entries(monitoring.receivers).map(([name, receiver]): [string, string | undefined] => [`monitoring.receivers.${name}.url`, receiver.kind === "webhook" ? hostOf(receiver.url) : undefined]),
  ];
}

export const noPublicEndpoint = rule<SiteSpec, typeof settings>({
  name: "no-public-endpoint",
  title: "Nothing of the site on a public address",
  description: "The bastion, the API server, services, boards, stores and receivers of alerts must not be public IP addresses.",
  section: "guide 1",
  severity: "high",
  enforcementLevel: "mandatory",
  remediationSteps: "Use an address of the site's own network, or list it in the rule's `allow` setting where it is public on purpose, as a bastion's can be. Names are not judged: what they stand for is in the site's DNS.",
  types: [SITE],
  settings,
  check(spec, { allow }, report) {
    for (const [at, address] of endpoints(spec)) {
      if (address === undefined || allow.includes(address) || !isPublicAddress(address)) continue;
      report({ at, problem: `${address} is a public address`, limit: "addresses of a private network", remedy: "use a private address, or add it to this rule's allow setting" });
    }
  },
});
