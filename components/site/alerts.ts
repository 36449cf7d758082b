import { driverBranches, type DriverBranch } from "../catalog";
import type { Environment } from "../environment/schema";
import type { Alert } from "../monitoring/alert";
import { alike, anyOf, oneOf } from "../monitoring/promql";
import { meterWatts } from "../monitoring/recordings-power";

const daySeconds = 86_400;
const warnDays = 90;

/** What can go wrong with a site as a whole: its power, its cooling, and the age of its drivers. */
export function siteAlerts(environment: Environment): Alert[] {
  const { site, servers, monitoring } = environment;
  const racks = Object.entries(site.racks).flatMap(([name, { powerLimitWatts }]) => (powerLimitWatts === undefined ? [] : [{ name, powerLimitWatts }]));
  const limitWatts = site.power.limitWatts;
  return [
    ...(monitoring.meter === undefined ? [] : [pueAlert(site.power.pue)]),
    ...(limitWatts === undefined ? [] : [sitePowerAlert(environment, limitWatts)]),
    ...serverPowerAlert(environment),
    ...(racks.length === 0 ? [] : [rackPowerAlert(racks)]),
    ...(Object.values(servers).some(({ gpus }) => gpus !== undefined) ? [driverAlert()] : []),
  ];
}

function pueAlert(target: number): Alert {
  return {
    name: "PueHigh",
    severity: "warning",
    expr: `avg_over_time(rackwright:site_pue:ratio[1h]) > ${target}`,
    forSeconds: 6 * 3600,
    summary: "The site's PUE is {{ $value | humanize }}",
    meaning: "Cooling and conversion take more power than the environment states, and every estimate of cost is too low.",
    reason: `site.power.pue is ${target} (guide 7: 1.1 with liquid cooling; facts 9: world average 1.54). The mean of an hour for six hours leaves out the warm part of a day. With servers that have no power meter of their own the figure is too high.`,
    steps: ["See the board Power: did the meter rise, or did the servers' draw fall? A room that cools idle servers has a bad PUE and is not at fault.", "Look at set points, filters and blanking panels; raise the inlet temperature if the servers allow it.", "If the figure is right and stays, write it into `site.power.pue`."],
  };
}

function sitePowerAlert(environment: Environment, limitWatts: number): Alert {
  const meter = meterWatts(environment);
  const { pue } = environment.site.power;
  return {
    name: "SitePowerHigh",
    severity: "critical",
    expr: `${meter ?? `${pue} * rackwright:site_power:watts`} > ${limitWatts}`,
    forSeconds: 300,
    summary: "The site draws {{ $value | humanize }}W",
    meaning: "More than the room can feed and cool: a breaker or the cooling gives way next.",
    reason: `site.power.limitWatts is ${limitWatts}. ${meter === undefined ? `Without a meter it is the servers' draw times the PUE of ${pue}` : "It is the site meter's figure"}. Breakers stand a little more for some minutes; five are the bound. General knowledge.`,
    steps: ["Lower the caps at once: on each GPU server `nvidia-smi -pl <watts>`.", "End batch work first: `kubectl -n training delete pod <pod>`, or scale a service of priority batch down.", "For good: fewer servers, lower caps or a higher limit; the rule site-power in docs/rules.md counts with `gpus.powerLimitWatts`."],
  };
}

function serverPowerAlert(environment: Environment): Alert[] {
  const limits = alike(environment, ({ maxPowerWatts }) => maxPowerWatts);
  if (limits.length === 0) return [];
  return [
    {
      name: "ServerPowerHigh",
      severity: "critical",
      expr: anyOf(limits.map(({ value, servers }) => `rackwright:server_power:watts{${oneOf("server", servers)}} > ${value}`)),
      forSeconds: 300,
      summary: "{{ $labels.server }} draws {{ $value | humanize }}W",
      meaning: "More than its power supplies deliver with one of them failed: the loss of one would take the server along.",
      reason: "servers.<server>.maxPowerWatts. A server without a power meter counts its GPUs, CPUs and memory only, so that it fires late.",
      steps: ["Lower the caps at once: on the server `nvidia-smi -pl <watts>`.", "See that all power supplies work: `ipmitool sdr type 'Power Supply'`.", "For good: `gpus.powerLimitWatts` in the environment."],
    },
  ];
}

function rackPowerAlert(racks: readonly { name: string; powerLimitWatts: number }[]): Alert {
  return {
    name: "RackPowerHigh",
    severity: "critical",
    expr: anyOf(racks.map(({ name, powerLimitWatts }) => `sum by (rack) (rackwright:server_power:watts * on (server) group_left (rack) rackwright:server:info{rack="${name}"}) > ${powerLimitWatts}`)),
    forSeconds: 300,
    summary: "The servers of {{ $labels.rack }} draw {{ $value | humanize }}W",
    meaning: "More than the rack's feed delivers: with one of two feeds lost, the whole rack goes.",
    reason: "site.racks.<rack>.powerLimitWatts. Servers without a power meter count too low, so that it fires late for them.",
    steps: ["Lower the caps at once: on the rack's GPU servers `nvidia-smi -pl <watts>`.", "For good: `gpus.powerLimitWatts`, or move a server to another rack."],
  };
}

/** End of the last month of support, as Unix time. */
function endOfSupport(month: string): number {
  const [year = 0, number = 0] = month.split("-").map(Number);
  return Date.UTC(year, number) / 1000;
}

/** From the installed driver, not from the environment's branch: a server that was never brought up to date counts. */
function driverAlert(): Alert {
  const ends = Object.entries<DriverBranch>(driverBranches).flatMap(([branch, { endOfLife }]) => (endOfLife === undefined ? [] : [{ branch, end: endOfSupport(endOfLife) }]));
  return {
    name: "DriverBranchEndOfLife",
    severity: "warning",
    expr: anyOf(ends.map(({ branch, end }) => `max by (server, branch, version) (rackwright_driver_info{branch="${branch}"}) * (${end} - time()) / ${daySeconds} < ${warnDays}`)),
    forSeconds: 0,
    summary: "{{ if gt $value 0.0 }}NVIDIA's support of driver branch {{ $labels.branch }}, which {{ $labels.server }} has, ends in {{ $value | humanize }} days{{ else }}NVIDIA no longer supports driver branch {{ $labels.branch }}, which {{ $labels.server }} has{{ end }}",
    meaning: "Security fixes stop, and new engines need newer drivers.",
    reason: `NVIDIA's table of supported drivers (facts 3), kept in components/catalog/drivers.ts. A new branch means a rehearsal and a reboot of every server: ${warnDays} days are time for both.`,
    steps: ["Set `software.driver.branch` to a branch with long-term support, 580 or newer.", "`./rackwright plan <environment>` and `./rackwright rehearse <environment> --hosts`.", "Drain one server after another and run `./rackwright up <environment>`."],
  };
}
