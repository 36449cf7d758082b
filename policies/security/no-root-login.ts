import { rule } from "../rule";
import { SITE, type SiteSpec } from "../specs";

export const noRootLogin = rule<SiteSpec>({
  name: "no-root-login",
  title: "No login as root where data is regulated",
  description: "Sites with financial or medical data should log in as a user of their own with sudo, so that the log tells who did what.",
  section: "guide 1",
  severity: "medium",
  enforcementLevel: "advisory",
  remediationSteps: "Make a user with password-less sudo on the servers, write it as ssh.user, and set PermitRootLogin no.",
  types: [SITE],
  check({ site, ssh }, _settings, report) {
    if (site.dataClass === "general" || ssh.user !== "root") return;
    report({ at: "ssh.user", problem: `the login is root at a site with ${site.dataClass} data`, limit: "a user with sudo", remedy: "make such a user and write it here" });
  },
});
