import { rule } from "../rule";
import { REMOTE_COMMANDS, type RemoteCommandSpec } from "../specs";

export const sshChecksHostKeys = rule<RemoteCommandSpec>({
  name: "ssh-checks-host-keys",
  title: "Remote commands check the host key",
  description: "Every remote command and copy must name the host key it expects, and so must its jump host.",
  section: "guide 1",
  severity: "critical",
  enforcementLevel: "mandatory",
  remediationSteps: "Set connection.hostKey, and connection.proxy.hostKey where there is a jump host. Pulumi's command provider accepts any key when none is given.",
  types: REMOTE_COMMANDS,
  check({ connection }, _settings, report, name) {
    if (!connection.hostKey) {
      report({ at: `${name}.connection.hostKey`, problem: `no host key is expected of ${connection.host}, so that any machine that answers is trusted`, limit: "a public host key", remedy: "set connection.hostKey" });
    }
    if (connection.proxy && !connection.proxy.hostKey) {
      report({ at: `${name}.connection.proxy.hostKey`, problem: `no host key is expected of the jump host ${connection.proxy.host}`, limit: "a public host key", remedy: "set connection.proxy.hostKey" });
    }
  },
});
