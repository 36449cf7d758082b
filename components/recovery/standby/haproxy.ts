import { hostPort } from "../../host-port";
import type { BalancedService, BalancerPlan, Target } from "./plan";
import { standbySettings as settings } from "./settings";

/** Where HAProxy says whether it works, on each balancer alone. Its page `/statistics` tells what it thinks of every replica. */
export const healthAddress = { address: "127.0.0.1", port: 8405, path: "/health", statistics: "/statistics" } as const;

/** Milliseconds as HAProxy writes them. */
function time(milliseconds: number): string {
  return milliseconds % 1000 === 0 ? `${milliseconds / 1000}s` : `${milliseconds}ms`;
}

/**
 * HAProxy's configuration on every balancer: the same on all of them. Requests go to active replicas, and to standbys while
 * no active one answers its health check. A request is sent once: only connections are tried again.
 */
export function haproxyConfig(plan: BalancerPlan): string {
  return `${[global, defaults(plan), health, clients(plan), refused, ...plan.services.map(backend)].join("\n\n")}\n`;
}

const global = `# Written by rackwright: changes are undone by the next \`up\`.
global
  log /dev/log local0 notice
  stats socket /run/haproxy/admin.sock mode 660 level admin
  user haproxy
  group haproxy
  maxconn 4000
  # Connections that a reload leaves with the old process end by then.
  hard-stop-after 15m`;

function defaults({ services }: BalancerPlan): string {
  const silence = Math.max(60, ...services.map(({ silenceSeconds }) => silenceSeconds));
  return `defaults
  mode http
  log global
  option dontlognull
  # Clients keep their connections; replicas get a new one for each request. A kept one may be closed just when it is used.
  option http-server-close
  # Of a client, or a replica's server, that is gone without a word.
  option clitcpka
  option srvtcpka
  srvtcpka-idle ${settings.unacknowledgedSeconds - 3}s
  srvtcpka-intvl 1s
  srvtcpka-cnt 3
  timeout connect ${time(settings.connectTimeoutMilliseconds)}
  timeout check ${time(settings.checkTimeoutMilliseconds)}
  timeout http-request 30s
  timeout http-keep-alive 60s
  timeout queue 30s
  # The longest silence of an answer that is under way.
  timeout client ${silence}s
  timeout server ${silence}s
  # Connections are tried again, requests never: none is answered twice.
  retries ${settings.connectRetries}
  retry-on conn-failure
  option redispatch 1
  default-server inter ${time(settings.checkIntervalMilliseconds)} fastinter ${time(settings.checkFastMilliseconds)} downinter ${time(settings.checkIntervalMilliseconds)} fall ${settings.checkFall} rise ${settings.checkRise} tcp-ut ${settings.unacknowledgedSeconds}s on-marked-down shutdown-sessions`;
}

const health = `frontend health
  bind ${hostPort(healthAddress.address, healthAddress.port)}
  monitor-uri ${healthAddress.path}
  stats enable
  stats uri ${healthAddress.statistics}`;

/** Every path, where the plan names none. */
function clients({ virtualAddress, port, services }: BalancerPlan): string {
  const [only] = services;
  return `frontend clients
  # The address may be another balancer's at this moment.
  bind ${hostPort(virtualAddress, port)} transparent
${services.flatMap(acls).join("\n")}
${services.map(({ name }) => `  use_backend service-${name} if host-${name} path-${name}`).join("\n")}
${services.length === 1 && only !== undefined ? `  use_backend service-${only.name} if { req.hdr(host) -m beg ${hostPort(virtualAddress, port).replace(/:\d+$/, "")} } path-${only.name}\n` : ""}  default_backend refused`;
}

const refused = `# Neither a service's name nor a path that clients may reach.
backend refused
  http-request return status 404 content-type text/plain string "no such service or path\\n"`;

function acls({ name, hosts, publicPaths }: BalancedService): string[] {
  return [
    `  acl host-${name} req.hdr(host),field(1,:),lower -m str ${hosts.join(" ")}`,
    ...(publicPaths.length === 0 ? [`  acl path-${name} always_true`] : [`  acl path-${name} path ${publicPaths.join(" ")}`, `  acl path-${name} path_beg ${publicPaths.map((path) => `${path.replace(/\/$/, "")}/`).join(" ")}`]),
  ];
}

function backend({ name, healthPath, targets }: BalancedService): string {
  return `backend service-${name}
  balance leastconn
  option httpchk
  http-check send meth GET uri ${healthPath} ver HTTP/1.1 hdr Host ${name}
  http-check expect status 200
${targets.map(server).join("\n")}`;
}

function server({ name, address, port, role, weight }: Target): string {
  return `  server ${name} ${hostPort(address, port)} check weight ${Math.min(256, weight)}${role === "standby" ? " backup" : ""}`;
}
