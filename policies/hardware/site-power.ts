import { rule } from "../rule";
import { SITE, type SiteSpec } from "../specs";
import { overheadPercent, serverWatts } from "./power";

const settings = { overheadPercent };

export const sitePower = rule<SiteSpec, typeof settings>({
  name: "site-power",
  title: "The room feeds and cools its servers",
  description: "All servers together, times the site's PUE, must not be able to draw more than the room can feed and cool.",
  section: "guide 7",
  severity: "high",
  enforcementLevel: "mandatory",
  remediationSteps: "Take fewer servers, set gpus.powerLimitWatts, lower the PUE by better cooling, or have the room's supply raised.",
  types: [SITE],
  settings,
  check({ site, servers }, settings, report) {
    const { limitWatts, pue } = site.power;
    if (limitWatts === undefined) return;
    const watts = Object.values(servers).reduce((sum, server) => sum + serverWatts(server, settings.overheadPercent), 0);
    const drawn = Math.round(watts * pue);
    if (drawn <= limitWatts) return;
    report({ at: "site.power.limitWatts", problem: `the servers can draw ${watts} W, which is ${drawn} W for the site at a PUE of ${pue}`, limit: `${limitWatts} W`, remedy: "take fewer servers, set gpus.powerLimitWatts or have the supply raised" });
  },
});
