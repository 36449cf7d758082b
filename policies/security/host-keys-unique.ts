import { list, rule } from "../rule";
import { SITE, type SiteSpec } from "../specs";

export const hostKeysUnique = rule<SiteSpec>({
  name: "host-keys-unique",
  title: "No two servers share a host key",
  description: "Each server and the bastion must have a host key of its own.",
  section: "guide 1",
  severity: "high",
  enforcementLevel: "mandatory",
  remediationSteps: "Make new keys on the cloned server with `ssh-keygen -A` after removing /etc/ssh/ssh_host_*, and write them to the environment. Servers with one key cannot be told apart, and one that is broken into can pose as all.",
  types: [SITE],
  check({ servers, ssh }, _settings, report) {
    const holders = new Map<string, string[]>();
    const note = (key: string, holder: string) => holders.set(key, [...(holders.get(key) ?? []), holder]);
    for (const [name, { hostKey }] of Object.entries(servers)) note(hostKey, `servers.${name}`);
    if (ssh.bastion) note(ssh.bastion.hostKey, "ssh.bastion");
    for (const names of holders.values()) {
      const [first, ...others] = names;
      if (first === undefined || others.length === 0) continue;
      report({ at: `${first}.hostKey`, problem: `the same host key is on ${list(others)}`, limit: "one key on one server", remedy: "make new host keys on the cloned servers and write them here" });
    }
  },
});
