import { list, rule } from "../rule";
import { SITE, type SiteSpec } from "../specs";
import { overheadPercent, serverWatts } from "./power";

const settings = { overheadPercent };

export const rackPower = rule<SiteSpec, typeof settings>({
  name: "rack-power",
  title: "Racks feed their servers",
  description: "The servers of a rack must not be able to draw more than the rack's feed delivers.",
  section: "facts 1 and 2",
  severity: "high",
  enforcementLevel: "mandatory",
  remediationSteps: "Move a server to another rack, have the rack's feed raised, or set gpus.powerLimitWatts on its servers.",
  types: [SITE],
  settings,
  check({ site, servers }, settings, report) {
    for (const [name, { powerLimitWatts }] of Object.entries(site.racks)) {
      if (powerLimitWatts === undefined) continue;
      const held = Object.entries(servers).filter(([, { rack }]) => rack?.name === name);
      const watts = held.reduce((sum, [, server]) => sum + serverWatts(server, settings.overheadPercent), 0);
      if (watts <= powerLimitWatts) continue;
      report({ at: `site.racks.${name}.powerLimitWatts`, problem: `${list(held.map(([server]) => server))} can draw ${watts} W`, limit: `${powerLimitWatts} W`, remedy: "move a server to another rack, raise the feed or set gpus.powerLimitWatts" });
    }
  },
});
