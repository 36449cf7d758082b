import { list, rule } from "../rule";
import { SERVER, type ServerSpec } from "../specs";

const settings = {
  types: {
    type: "array",
    items: { type: "string" },
    description: "Types of host key that are accepted.",
    default: ["ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "ssh-rsa"] as readonly string[],
  },
} as const;

export const hostKeysPinned = rule<ServerSpec, typeof settings>({
  name: "host-keys-pinned",
  title: "Every server's host key is pinned",
  description: "Every server must carry its public SSH host key, of a type that the site accepts.",
  section: "guide 1",
  severity: "critical",
  enforcementLevel: "mandatory",
  remediationSteps: "Read /etc/ssh/ssh_host_ed25519_key.pub on the server's console and write its type and key as hostKey. Without it, whoever answers at the address is given root's commands.",
  types: [SERVER],
  settings,
  check(spec, { types }, report) {
    const given = spec.hostKey as string | undefined;
    const type = given?.split(" ", 1)[0] ?? "";
    if (types.includes(type)) return;
    report({ at: `servers.${spec.name}.hostKey`, problem: given ? `the host key is of type ${type}` : "there is no host key", limit: list(types, "or"), remedy: "read the key on the server's console and write its type and base64 text" });
  },
});
