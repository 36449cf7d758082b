import { rule } from "../rule";
import { SITE, type SiteSpec } from "../specs";

const settings = {
  gpuUtilizationPercent: { type: "number", minimum: 0, maximum: 100, description: "Least utilisation of a GPU, in per cent, below which an alert must fire.", default: 15 },
  memoryFragmentationPercent: { type: "number", minimum: 0, maximum: 100, description: "Most fragmentation of memory, in per cent, above which an alert must fire.", default: 30 },
  networkLatencyMilliseconds: { type: "number", minimum: 0, description: "Longest network latency, in milliseconds, above which an alert must fire.", default: 5 },
} as const;

export const alertsNoWeaker = rule<SiteSpec, typeof settings>({
  name: "alerts-no-weaker",
  title: "Alerts no weaker than the guide's",
  description: "The alerts on GPU utilisation, memory fragmentation and network latency must fire at 15 %, 30 % and 5 ms or sooner.",
  section: "guide 5.1",
  severity: "medium",
  enforcementLevel: "mandatory",
  remediationSteps: "Take the threshold out of monitoring.alerts, whose defaults are the guide's, or make it stricter; change this rule's settings where the site means to be told later.",
  types: [SITE],
  settings,
  check({ monitoring }, settings, report) {
    if (!monitoring.enabled) return;
    const { gpuUtilizationPercent, memoryFragmentationPercent, networkLatencyMilliseconds } = monitoring.alerts;
    if (gpuUtilizationPercent < settings.gpuUtilizationPercent) {
      report({ at: "monitoring.alerts.gpuUtilizationPercent", problem: `GPUs that idle are told of below ${gpuUtilizationPercent} % only`, limit: `${settings.gpuUtilizationPercent} % or more`, remedy: `write ${settings.gpuUtilizationPercent}` });
    }
    if (memoryFragmentationPercent > settings.memoryFragmentationPercent) {
      report({ at: "monitoring.alerts.memoryFragmentationPercent", problem: `fragmented memory is told of above ${memoryFragmentationPercent} % only`, limit: `${settings.memoryFragmentationPercent} % or less`, remedy: `write ${settings.memoryFragmentationPercent}` });
    }
    if (networkLatencyMilliseconds > settings.networkLatencyMilliseconds) {
      report({ at: "monitoring.alerts.networkLatencyMilliseconds", problem: `a slow network is told of above ${networkLatencyMilliseconds} ms only`, limit: `${settings.networkLatencyMilliseconds} ms or less`, remedy: `write ${settings.networkLatencyMilliseconds}` });
    }
  },
});
