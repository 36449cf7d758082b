import { rule } from "../rule";
import { SERVER, type ServerSpec } from "../specs";
import { isPublicAddress } from "./addresses";

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
    if (allow.includes(spec.address) || !isPublicAddress(spec.address)) return;
    report({ at: `servers.${spec.name}.address`, problem: `${spec.address} is a public address`, limit: "addresses of a private network", remedy: "use a private address and reach the server through ssh.bastion" });
  },
});
