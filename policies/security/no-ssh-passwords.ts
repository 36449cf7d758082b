import { rule } from "../rule";
import { REMOTE_COMMANDS, type RemoteCommandSpec } from "../specs";

export const noSshPasswords = rule<RemoteCommandSpec>({
  name: "no-ssh-passwords",
  title: "No passwords over SSH",
  description: "Remote commands and copies must log in with a key, never with a password.",
  section: "guide 1",
  severity: "high",
  enforcementLevel: "mandatory",
  remediationSteps: "Log in by SSH agent or with the secret rackwright:sshPrivateKey, and turn PasswordAuthentication off on the servers.",
  types: REMOTE_COMMANDS,
  check({ connection }, _settings, report, name) {
    for (const [at, end] of [["connection", connection], ["connection.proxy", connection.proxy]] as const) {
      if (end?.password === undefined) continue;
      report({ at: `${name}.${at}.password`, problem: `the login at ${end.host} is by password`, limit: "a private key or an SSH agent", remedy: "remove the password and use a key" });
    }
  },
});
