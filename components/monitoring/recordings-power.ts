import type { Environment } from "../environment/schema";
import type { Recording } from "./alert";
import { jobs } from "./names";

/** node_exporter names a chip after its device: the ACPI power meter is ACPI000D. GPUs and CPUs have such sensors as well, which are not the server's. */
const powerMeter = 'node_hwmon_power_average_watt{chip=~"(?i).*(acpi|power_meter).*"}';

const part = (expr: string, name: string): string => `label_replace(sum by (server) (${expr}), "part", "${name}", "", "")`;
const basis = (expr: string, name: string): string => `label_replace(${expr}, "basis", "${name}", "", "")`;

/** The site's own meter, in watts. Undefined without one. */
export function meterWatts({ monitoring }: Environment): string | undefined {
  return monitoring.meter === undefined ? undefined : `sum(${monitoring.meter.metric}{job="${jobs.meter}"})`;
}

/** Draw of servers, services and the site. */
export function powerRecordings(environment: Environment): Recording[] {
  const meter = meterWatts(environment);
  const parts = [part("rackwright:gpu_power:watts", "gpus"), part("rate(node_rapl_package_joules_total[5m])", "cpus"), part("rate(node_rapl_dram_joules_total[5m])", "memory")];
  return [
    {
      record: "rackwright:server_power:watts",
      expr: `${basis(`sum by (server) (${powerMeter})`, "power-meter")}\nor on (server)\n${basis(`sum by (server) (${parts.join(" or ")})`, "gpus-and-cpus")}`,
      meaning: "Draw of a server: its ACPI power meter's, else of GPUs, CPUs and memory alone, which leaves out fans, drives and losses of conversion.",
    },
    ...(environment.cluster.distribution === "none" ? [] : serviceRecordings),
    { record: "rackwright:site_power:watts", expr: "sum(rackwright:server_power:watts)", meaning: "Draw of all servers." },
    ...(meter === undefined ? [] : [{ record: "rackwright:site_pue:ratio", expr: `${meter} / (rackwright:site_power:watts > 0)`, meaning: "The site meter's watts over the servers'. Too high where servers have no power meter of their own, for then their draw is counted too low." }]),
  ];
}

const serviceRecordings: Recording[] = [
  { record: "rackwright:service_power:watts", expr: 'sum by (service) (rackwright:gpu_power:watts{service!=""})', meaning: "Draw of the GPUs that a service holds." },
  {
    record: "rackwright:service_energy:joules_per_kilotoken",
    expr: "1000 * avg_over_time(rackwright:service_power:watts[5m]) / (rackwright:tokens:rate5m > 0)",
    meaning: "Energy of a service's GPUs for a thousand generated tokens, standbys included.",
  },
];
