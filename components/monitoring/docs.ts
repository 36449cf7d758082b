import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { loadStackFile } from "../environment";
import type { Environment } from "../environment/schema";
import { planWorkloads } from "../inference";
import type { Alert, RuleGroup } from "./alert";
import { duration, ruleGroups } from "./rules";

const example = "large-cluster";

/** An environment to which every alert applies: the large one, with an electricity meter and a power cap. */
export function everyAlertEnvironment(): Environment {
  const stack = loadStackFile(join(__dirname, `../../stacks/Pulumi.${example}.yaml`));
  if (!stack.ok) throw new Error(`stacks/Pulumi.${example}.yaml cannot be read; run ./rackwright plan ${example}`);
  const { environment } = stack;
  const servers = Object.fromEntries(Object.entries(environment.servers).map(([name, server]) => [name, name === "gpu-04" && server.gpus !== undefined ? { ...server, gpus: { ...server.gpus, powerLimitWatts: 600 } } : server]));
  return { ...environment, servers, monitoring: { ...environment.monitoring, meter: { address: "10.30.0.60", port: 9100, path: "/metrics", metric: "site_meter_watts" } } };
}

/** What each group of rules watches, for people. */
export const groupTitles: Readonly<Record<string, string>> = {
  servers: "Servers and storage", gpus: "GPUs", network: "Network between servers", cluster: "Cluster", services: "Services and training",
  power: "Power and drivers", standby: "Hot standby", recovery: "Backups", monitoring: "Monitoring itself",
};

function entry({ name, severity, expr, forSeconds, meaning, reason, steps }: Alert): string[] {
  return [
    `### ${name}`,
    "",
    `Severity ${severity}, ${forSeconds === 0 ? "at once" : `after ${duration(forSeconds)}`}. ${meaning}`,
    "",
    "```promql",
    expr,
    "```",
    "",
    `Why so: ${reason}`,
    "",
    "What to do:",
    "",
    ...steps.map((step, index) => `${index + 1}. ${step}`),
    "",
  ];
}

const introduction = `# Alerts

<!-- Made by \`npm run alerts\` from the alerts.ts files beside what they watch. Edit them there. -->

Every alert stands beside the component that it watches, and its notification carries the first of the steps below. Critical is for now, at night too; warning for the working day; info for the record. Expressions and thresholds are those of the environment \`${example}\` with an electricity meter and a power cap; an environment gets only what it has something for, with its own figures.

## The guide's three alerts

| guide 5.1 | alert | advice |
|---|---|---|
| GPU utilisation stays below 15 % | [GpuUtilizationLow](#gpuutilizationlow) | find the bottleneck of the computation |
| memory fragmentation above 30 % | [MemoryFragmentationHigh](#memoryfragmentationhigh) | restart the service |
| network latency above 5 ms | [NetworkLatencyHigh](#networklatencyhigh) | check the RDMA configuration |

Their thresholds are \`monitoring.alerts.gpuUtilizationPercent\`, \`memoryFragmentationPercent\` and \`networkLatencyMilliseconds\`.

## What the four measurements are, and are not

- **GPU utilisation** is the share of time in which the GPU ran anything: GR_ENGINE_ACTIVE, or GPU_UTIL on cards without profiling fields. 100 % may be one small kernel after another. A GPU that nobody uses is not at fault, so the alert asks for work as well: requests in flight in vLLM, SGLang, Triton and our own servers, or a training pod that runs. TensorRT-LLM does not say whether it has work, and of a replica that spans servers only the first pod does: their GPUs never fire. Nor do those of a site without a cluster, where nothing says what holds a GPU.
- **Memory fragmentation** is what torch's allocator has reserved and split, and cannot use: inactive split over reserved bytes, from inside of the engine's process. DCGM cannot see it. vLLM takes its cache once, as one pool of pages, so that this stays small however long it runs: there a cache that is full together with requests that are pushed out or wait is what says that memory is short ([KvCacheFull](#kvcachefull)). A full cache alone is a well-used one. Fragmentation of the host's memory is another thing, and for the record only ([HostMemoryFragmented](#hostmemoryfragmented)).
- **Network latency** is the round trip of a ping between servers, mean of five minutes. RDMA goes past the kernel that answers pings: a ping says nothing of it, and 5 ms would be a thousand times too much. RDMA is measured by itself, with ib_write_lat ([RdmaLatencyHigh](#rdmalatencyhigh)).
- **Model load time** is the time from the start of the engine's container to its first healthy answer: libraries, weights, compilation and warm-up together. No engine tells it. It is taken from Kubernetes' own times, and known to 15 s, for probes look every 5 to 10 s. A pod that becomes unready later and ready again would seem to have loaded for days: what is longer than the start's own budget is left out.

## What does not fire

- Backups: where none has ever ended well there is no age to watch, and neither [BackupOverdue](#backupoverdue) nor [BackupUnverified](#backupunverified) fires; [BackupFailed](#backupfailed) does.
- What is not measured: a series that is gone ends its alerts. [TargetDown](#targetdown), [ServerDown](#serverdown), [HostMetricsStale](#hostmetricsstale) and [GpuMissing](#gpumissing) fire in its place.
- Everything, when the monitoring server is down: have somebody outside expect [Watchdog](#watchdog), which always fires.
`;

/** The text of docs/alerts.md. */
export function alertsPage(groups: readonly RuleGroup[]): string {
  return [
    introduction,
    ...groups.filter(({ alerts }) => alerts.length > 0).flatMap(({ name, alerts }) => [`## ${groupTitles[name] ?? name}`, "", ...alerts.flatMap(entry)]),
  ].join("\n");
}

/** Rules of {@link everyAlertEnvironment}. */
export function everyRuleGroup(): RuleGroup[] {
  const environment = everyAlertEnvironment();
  return ruleGroups(environment, planWorkloads(environment));
}

if (require.main === module) writeFileSync(join(__dirname, "../../docs/alerts.md"), alertsPage(everyRuleGroup()));
