import { BlockList, isIP } from "node:net";
import { rule } from "../rule";
import { SERVER, type ServerSpec } from "../specs";

const inside = new BlockList();
// RFC 1918, 3927, 5737, 6598 and loopback; RFC 4193, 4291, 3849.
for (const [network, prefix] of [["10.0.0.0", 8], ["172.16.0.0", 12], ["192.168.0.0", 16], ["127.0.0.0", 8], ["169.254.0.0", 16], ["100.64.0.0", 10], ["192.0.2.0", 24], ["198.51.100.0", 24], ["203.0.113.0", 24]] as const) inside.addSubnet(network, prefix, "ipv4");
for (const [network, prefix] of [["fc00::", 7], ["fe80::", 10], ["::1", 128], ["2001:db8::", 32]] as const) inside.addSubnet(network, prefix, "ipv6");

const settings = {
  allow: { type: "array", items: { type: "string" }, description: "Addresses that are public on purpose.", default: [] as readonly string[] },
} as const;

export const noPublicAddress = rule<ServerSpec, typeof settings>({
  name: "no-public-address",
  title: "No server on a public address",
  description: "Servers must not stand on a public IP address.",
  section: "guide 1",
  severity: "critical",
  enforcementLevel: "mandatory",
  remediationSteps: "Put the server on a private network and reach it through ssh.bastion.",
  types: [SERVER],
  settings,
  check(spec, { allow }, report) {
    const version = isIP(spec.address);
    if (version === 0 || allow.includes(spec.address) || inside.check(spec.address, version === 4 ? "ipv4" : "ipv6")) return;
    report({ at: `servers.${spec.name}.address`, problem: `${spec.address} is a public address`, limit: "addresses of a private network", remedy: "use a private address and reach the server through ssh.bastion" });
  },
});
