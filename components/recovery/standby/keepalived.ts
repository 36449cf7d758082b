import { isIP } from "node:net";
import { hostPort } from "../../host-port";
import { healthAddress } from "./haproxy";
import type { Balancer } from "./balancers";
import type { BalancerPlan } from "./plan";
import { standbySettings as settings } from "./settings";

/** Stands for the name of the interface that has the server's own address, which only the server knows. */
export const interfaceMark = "@INTERFACE@";

/** keepalived's health check, as services of the host run it. */
export const healthScript = "/usr/local/lib/rackwright/standby-health.sh";

/** The virtual address with its prefix: one host's alone. */
export function virtualPrefix(virtualAddress: string): string {
  return `${virtualAddress}/${isIP(virtualAddress) === 6 ? 128 : 32}`;
}

/** Command line of the health check of one balancer. */
export function healthCommand({ witnesses }: Pick<Balancer, "witnesses">, script = healthScript): string {
  return ["/bin/bash", script, String(healthAddress.port), healthAddress.path, String(settings.witnessTimeoutSeconds), ...witnesses].join(" ");
}

/**
 * Ends what the kernel still has of connections to the virtual address, the ended ones that it remembers for a minute as well
 * (Linux 6.0). Left alone they outlive the address: once it is back, a client whose port is the same is answered by them, with
 * acknowledgements that say nothing, and waits for ever.
 */
export function forgetConnections({ virtualAddress, port }: Pick<BalancerPlan, "virtualAddress" | "port">): string {
  return `/usr/bin/ss --kill --no-header --tcp --numeric state connected src ${hostPort(virtualAddress, port)}`;
}

/**
 * keepalived's configuration on one balancer. All start as backups, and none takes the address from one that works: no
 * flapping back. A balancer whose HAProxy does not answer, or that is cut off, gives the address up.
 * @param script where the health check is, which a rehearsal has elsewhere
 */
export function keepalivedConfig(plan: BalancerPlan, own: Balancer, script = healthScript): string {
  const { virtualAddress, routerId, balancers } = plan;
  const peers = balancers.filter(({ server }) => server !== own.server).map(({ address }) => address);
  return `# Written by rackwright: changes are undone by the next \`up\`.
global_defs {
  router_id ${own.server}
  vrrp_version 3
  enable_script_security
  script_user nobody nogroup
  # A host whose CPUs are all busy must not miss an advertisement.
  vrrp_priority -15
  # Neighbours that missed the announcement hear it again.
  vrrp_garp_master_refresh 30
}

vrrp_script balancer {
  script "${healthCommand(own, script)}"
  interval ${settings.healthIntervalSeconds}
  timeout ${settings.healthTimeoutSeconds}
  fall ${settings.healthFall}
  rise ${settings.healthRise}
  init_fail
}

vrrp_instance clients {
  state BACKUP
  nopreempt
  interface ${interfaceMark}
  virtual_router_id ${routerId}
  priority ${own.priority}
  advert_int ${settings.advertIntervalSeconds}
  unicast_src_ip ${own.address}
  unicast_peer {
${peers.map((address) => `    ${address}`).join("\n")}
  }
  virtual_ipaddress {
    ${virtualPrefix(virtualAddress)} dev ${interfaceMark}
  }
  track_script {
    balancer
  }
  # Whoever waits for an answer hears of it now, and nothing of these connections is left when the address returns.
${["backup", "fault", "stop"].map((event) => `  notify_${event} "${forgetConnections(plan)}" root`).join("\n")}
}
`;
}
