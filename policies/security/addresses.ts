import { BlockList, isIP } from "node:net";

const inside = new BlockList();
// RFC 1918, 3927, 5737, 6598 and loopback; RFC 4193, 4291, 3849.
for (const [network, prefix] of [["10.0.0.0", 8], ["172.16.0.0", 12], ["192.168.0.0", 16], ["127.0.0.0", 8], ["169.254.0.0", 16], ["100.64.0.0", 10], ["192.0.2.0", 24], ["198.51.100.0", 24], ["203.0.113.0", 24]] as const) inside.addSubnet(network, prefix, "ipv4");
for (const [network, prefix] of [["fc00::", 7], ["fe80::", 10], ["::1", 128], ["2001:db8::", 32]] as const) inside.addSubnet(network, prefix, "ipv6");

/** Whether an address is one that the internet routes. A name is not judged: what it stands for is the site's own DNS' affair. */
export function isPublicAddress(address: string): boolean {
  const version = isIP(address);
  return version !== 0 && !inside.check(address, version === 4 ? "ipv4" : "ipv6");
}

/** The host of a web address, an IPv6 address without its brackets. */
export function hostOf(url: string): string {
  return new URL(url).hostname.replace(/^\[(.*)\]$/, "$1");
}
