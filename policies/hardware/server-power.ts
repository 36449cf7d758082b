import { rule } from "../rule";
import { SERVER, type ServerSpec } from "../specs";
import { overheadPercent, serverWatts } from "./power";

const settings = { overheadPercent };

export const serverPower = rule<ServerSpec, typeof settings>({
  name: "server-power",
  title: "Power supplies carry the server",
  description: "A server must not be able to draw more than its power supplies deliver with one of them failed.",
  section: "facts 1 and 2",
  severity: "high",
  enforcementLevel: "mandatory",
  remediationSteps: "Fit stronger power supplies, take fewer GPUs, or set gpus.powerLimitWatts: most GPUs lose little speed at 80 % of their power.",
  types: [SERVER],
  settings,
  check(spec, settings, report) {
    if (spec.maxPowerWatts === undefined) return;
    const watts = serverWatts(spec, settings.overheadPercent);
    if (watts <= spec.maxPowerWatts) return;
    report({ at: `servers.${spec.name}.maxPowerWatts`, problem: `the server can draw ${watts} W and its supplies deliver ${spec.maxPowerWatts} W with one failed`, limit: `${spec.maxPowerWatts} W`, remedy: "fit stronger supplies, take fewer GPUs or set gpus.powerLimitWatts" });
  },
});
