import { gpu as gpuFact } from "../catalog";
import type { Environment, Server } from "../environment/schema";
import type { Alert } from "../monitoring/alert";
import { jobs } from "../monitoring/names";
import { alike, anyOf, oneOf } from "../monitoring/promql";

const byGpu = "max by (server, gpu, UUID)";
const place = "GPU {{ $labels.gpu }} of {{ $labels.server }}";

/** XIDs after which a GPU or its node must not go on as it is: uncorrectable memory, NVLink, bus, GSP, uncontained errors. */
const criticalXids = ["48", "62", "63", "64", "74", "79", "94", "95", "119", "120"];
/** XIDs that a program brings about: an illegal address, an exception, a channel torn down. */
const applicationXids = ["13", "31", "43", "45"];

type Test = (server: Server) => boolean;
const anyServer = ({ servers }: Environment, test: Test): boolean => Object.values(servers).some(test);
const hasGpus: Test = ({ gpus }) => gpus !== undefined;
const hasEcc: Test = ({ gpus }) => gpus !== undefined && gpuFact(gpus.model)?.ecc === true;
const hasHbm: Test = ({ gpus }) => gpus !== undefined && gpuFact(gpus.model)?.memoryType.startsWith("HBM") === true;
const hasNvlink: Test = ({ gpus }) => gpus !== undefined && gpus.nvlink !== "none";

/** What can go wrong with the GPUs of a site. Only what the environment has: no ECC alerts without ECC, none on NVLink without it. */
export function gpuAlerts(environment: Environment): Alert[] {
  if (!anyServer(environment, hasGpus)) return [];
  return [
    // What a GPU is busy with is known only where pods say so.
    ...(environment.cluster.distribution === "none" ? [] : [utilizationAlert(environment)]),
    missingAlert(environment),
    ...xidAlerts,
    ...(anyServer(environment, hasEcc) ? eccAlerts : []),
    ...heatAlerts,
    ...(anyServer(environment, hasHbm) ? [memoryHeatAlert(environment)] : []),
    ...(anyServer(environment, hasNvlink) ? [nvlinkAlert] : []),
    pcieAlert,
    ...powerCapAlert(environment),
  ];
}

function utilizationAlert({ monitoring }: Environment): Alert {
  const { gpuUtilizationPercent } = monitoring.alerts;
  return {
    name: "GpuUtilizationLow",
    severity: "warning",
    expr: `max by (server, gpu, UUID, namespace, pod, service) (avg_over_time(rackwright:gpu_utilization:percent[10m])) < ${gpuUtilizationPercent}
and on (server, gpu, UUID) avg_over_time(rackwright:gpu_busy:bool[10m]) >= 0.8`,
    forSeconds: 300,
    summary: `${place} is used {{ $value | humanize }} % while {{ $labels.pod }} has work for it`,
    meaning: "Something else than the GPU holds the work up: the CPU, the drives, the network, or batches that are too small. Idle GPUs, standbys and services without requests never fire.",
    reason: "Guide 5.1: utilisation that stays below 15 % may mean a bottleneck in computing. It is averaged over ten minutes of which the pod had work in at least eight, so that a service with few requests is not taken for a slow one.",
    steps: [
      "Find the bottleneck of the computation: `kubectl -n <namespace> exec <pod> -- top -b -n 1` shows a CPU core at 100 %, the board of the GPU shows PCIe and DRAM.",
      "Waiting for weights or data: `iostat -x 5` on the server, and the alert NetworkLatencyHigh.",
      "Small batches: raise `concurrency` of the service, or `dynamicBatching` of a Triton service.",
      "More GPUs a replica than the model needs: `./rackwright size <model> --gpus <count>x<gpu>`.",
    ],
  };
}

function missingAlert(environment: Environment): Alert {
  return {
    name: "GpuMissing",
    severity: "critical",
    // An exporter that answers without any GPU says the same.
    expr: anyOf(alike(environment, ({ gpus }) => gpus?.count).flatMap(({ value, servers }) => [
      `count by (server) (group by (server, UUID) (DCGM_FI_DEV_FB_USED{${oneOf("server", servers)}})) < ${value}`,
      `(max by (server) (up{job="${jobs.gpu}",${oneOf("server", servers)}}) == 1 unless on (server) DCGM_FI_DEV_FB_USED)`,
    ])),
    forSeconds: 300,
    summary: "{{ $labels.server }} has fewer GPUs than the environment says",
    meaning: "A GPU fell off the bus or its driver does not know it. Pods that need it stay pending.",
    reason: "The environment says how many there are. Five minutes are longer than the exporter takes to start after a reboot.",
    steps: ["On the server: `nvidia-smi -L` and `lspci -d 10de:`: a card that only lspci shows has a driver's problem, one that neither shows is gone from the bus.", "`dmesg | grep -iE 'NVRM|Xid|AER'` says when and how.", "Drain the node (`kubectl drain <server> --ignore-daemonsets`) and power the server off and on: a warm reboot does not reset every card.", "Still gone: reseat the card and its power cable, else have it replaced."],
  };
}

const xidAlerts: readonly Alert[] = [
  {
    name: "GpuXid",
    severity: "critical",
    expr: `max by (server, gpu, UUID, xid) (DCGM_EXP_XID_ERRORS_COUNT{${oneOf("xid", criticalXids)}}) > 0`,
    forSeconds: 0,
    summary: `${place} reported XID {{ $labels.xid }}`,
    meaning: "The hardware or the driver is at fault, not the program: 48, 94 and 95 are memory errors that could not be corrected, 63 and 64 a memory row replaced or not, 74 NVLink, 79 a GPU gone from the bus, 62, 119 and 120 the GPU's own processors.",
    reason: "The exporter counts the XIDs of the last five minutes; the driver's own gauge keeps the last code for ever (facts 5). Codes by NVIDIA's list of XID errors: general knowledge.",
    steps: ["On the server: `dmesg | grep -i xid` and `nvidia-smi -q -i <gpu> -d ECC,ROW_REMAPPER`.", "Drain the node: `kubectl drain <server> --ignore-daemonsets`.", "63, 94: restart what used the GPU, then reset it when it is free, `nvidia-smi --gpu-reset -i <gpu>`. 48, 62, 64, 95, 119, 120: reset or reboot now. 74: see GpuNvlinkErrors. 79: see GpuMissing.", "The same code again on the same card: have it replaced."],
  },
  {
    name: "GpuXidOther",
    severity: "warning",
    expr: `max by (server, gpu, UUID, xid) (DCGM_EXP_XID_ERRORS_COUNT{xid!~"${[...criticalXids, ...applicationXids].join("|")}"}) > 0`,
    forSeconds: 0,
    summary: `${place} reported XID {{ $labels.xid }}`,
    meaning: "An error that is neither known to need a reset nor known to be a program's.",
    reason: "As for GpuXid; what is on neither list deserves a look within the day. General knowledge.",
    steps: ["Look the code up in NVIDIA's list of XID errors, and on the server: `dmesg | grep -i xid`.", "If it comes back, drain the node and run `dcgmi diag -r 3`."],
  },
  {
    name: "GpuXidApplication",
    severity: "info",
    expr: `max by (server, gpu, UUID, xid) (DCGM_EXP_XID_ERRORS_COUNT{${oneOf("xid", applicationXids)}}) > 0`,
    forSeconds: 0,
    summary: `A program on ${place} brought about XID {{ $labels.xid }}`,
    meaning: "A program did what it must not, or was ended in the middle of its work: 13 an exception, 31 an illegal address, 43 and 45 channels that ended with it.",
    reason: "NVIDIA's list of XID errors (general knowledge) puts these down to programs. Only the same code from different programs on one card speaks against the card.",
    steps: ["Read the log of what ran there: `kubectl logs <pod> --previous`.", "On the server, `dmesg | grep -i xid` names the process."],
  },
];

const eccAlerts: readonly Alert[] = [
  {
    name: "GpuEccDoubleBit",
    severity: "critical",
    expr: `${byGpu} (DCGM_FI_DEV_ECC_DBE_VOL_TOTAL) > 0`,
    forSeconds: 0,
    summary: `${place} has {{ $value }} memory errors that could not be corrected`,
    meaning: "Data in the GPU's memory was lost. What ran there was ended, or its results are wrong.",
    reason: "There is no number of these that is normal. The counter begins anew with a reset, which is what is to be done: it fires until then. General knowledge.",
    steps: ["Drain the node (`kubectl drain <server> --ignore-daemonsets`), then `nvidia-smi --gpu-reset -i <gpu>` or a reboot: the row is replaced.", "`nvidia-smi -q -i <gpu> -d ROW_REMAPPER`: with `Remapping Failure Occurred: Yes` have the card replaced.", "Have jobs that ran there begin again from their last checkpoint."],
  },
  {
    name: "GpuRowRemapFailure",
    severity: "critical",
    expr: `${byGpu} (DCGM_FI_DEV_ROW_REMAP_FAILURE) > 0`,
    forSeconds: 0,
    summary: `${place} has no spare memory rows left`,
    meaning: "A broken row of memory could not be replaced. The card will lose data again.",
    reason: "NVIDIA replaces cards for this under warranty (general knowledge).",
    steps: ["Drain the node: `kubectl drain <server> --ignore-daemonsets`.", "On the server: `nvidia-smi -q -i <gpu> -d ROW_REMAPPER` and `nvidia-bug-report.sh` for the maker.", "Have the card replaced."],
  },
  {
    name: "GpuEccSingleBitRate",
    severity: "warning",
    expr: `${byGpu} (increase(DCGM_FI_DEV_ECC_SBE_VOL_TOTAL[1h])) > 100`,
    forSeconds: 600,
    summary: `${place} corrected {{ $value | humanize }} memory errors in an hour`,
    meaning: "Nothing is lost, but a cell is weak: errors that cannot be corrected often follow.",
    reason: "Single corrected errors are normal; a hundred an hour come from one weak place. General knowledge, no published figure was found.",
    steps: ["On the server: `nvidia-smi -q -i <gpu> -d ECC,ROW_REMAPPER,TEMPERATURE`.", "At the next chance reset the GPU; if the rate is the same afterwards, run `dcgmi diag -r 3` and ask the maker."],
  },
];

const heatAlerts: readonly Alert[] = [
  {
    name: "GpuTemperatureHigh",
    severity: "warning",
    expr: `${byGpu} (DCGM_FI_DEV_GPU_TEMP) > 85`,
    forSeconds: 300,
    summary: `${place} has {{ $value }} °C`,
    meaning: "The GPU is about to slow itself down, and the room or the fans are about to be the reason.",
    reason: "Data-centre cards slow down between 85 and 90 °C and run in the sixties and seventies under load with the air flow that they are made for. General knowledge; no figure by card was found in NVIDIA's data sheets.",
    steps: ["On the server: `nvidia-smi -q -i <gpu> -d TEMPERATURE,PERFORMANCE` and the fans in the BMC (`ipmitool sdr type fan`).", "Look at the inlet: a blanking panel, a filter, the room's temperature.", "Until it is mended, lower the cap: `nvidia-smi -i <gpu> -pl <watts>`."],
  },
  {
    name: "GpuThermalThrottling",
    severity: "warning",
    expr: `${byGpu} (rate(DCGM_FI_DEV_THERMAL_VIOLATION[5m])) / 1e9 > 0.1`,
    forSeconds: 600,
    summary: `${place} spends {{ $value | humanizePercentage }} of its time slowed down by heat`,
    meaning: "Answers take longer. With tensor parallelism all GPUs of the replica wait for this one.",
    reason: "Short peaks are harmless; a tenth of the time over ten minutes is cooling that does not suffice. General knowledge.",
    steps: ["On the server: `nvidia-smi -q -i <gpu> -d TEMPERATURE,PERFORMANCE`.", "As for GpuTemperatureHigh."],
  },
  {
    name: "GpuPowerThrottling",
    severity: "info",
    expr: `${byGpu} (rate(DCGM_FI_DEV_POWER_VIOLATION[5m])) / 1e9 > 0.5`,
    forSeconds: 1800,
    summary: `${place} spends {{ $value | humanizePercentage }} of its time at its power cap`,
    meaning: "The GPU would run faster with more power. With `gpus.powerLimitWatts` that is as intended.",
    reason: "Any card under full load touches its limit, so that only half of the time for half an hour is worth a line. General knowledge.",
    steps: ["On the server: `nvidia-smi -q -i <gpu> -d POWER` shows the cap and the board's own.", "If the room and the power supplies allow more, raise `gpus.powerLimitWatts` and the cap."],
  },
];

function memoryHeatAlert(environment: Environment): Alert {
  const servers = Object.entries(environment.servers).flatMap(([name, server]) => (hasHbm(server) ? [name] : []));
  return {
    name: "GpuMemoryTemperatureHigh",
    severity: "warning",
    expr: `${byGpu} (DCGM_FI_DEV_MEMORY_TEMP{${oneOf("server", servers)}}) > 95`,
    forSeconds: 300,
    summary: `The memory of ${place} has {{ $value }} °C`,
    meaning: "HBM refreshes more often when it is hot, which costs bandwidth, and the GPU slows down soon after.",
    reason: "nvidia-smi gives 95 °C as the highest operating temperature of the memory of A100 and H100. General knowledge. Cards with GDDR stand more and mostly do not say.",
    steps: ["On the server: `nvidia-smi -q -i <gpu> -d TEMPERATURE`.", "As for GpuTemperatureHigh."],
  };
}

const nvlinkAlert: Alert = {
  name: "GpuNvlinkErrors",
  severity: "warning",
  expr: anyOf([
    `${byGpu} (increase(DCGM_FI_DEV_NVLINK_RECOVERY_ERROR_COUNT_TOTAL[15m])) > 0`,
    `${byGpu} (increase(DCGM_FI_DEV_NVLINK_REPLAY_ERROR_COUNT_TOTAL[15m])) > 10`,
    `${byGpu} (increase(DCGM_FI_DEV_NVLINK_CRC_FLIT_ERROR_COUNT_TOTAL[15m])) > 100`,
  ]),
  forSeconds: 300,
  summary: `The NVLink of ${place} has errors`,
  meaning: "Links send again or train anew: tensor parallelism gets slower, and a link that is lost ends what runs.",
  reason: "A link that has to recover is a fault each time. Replays and flits with a bad checksum occur on sound links now and then, so ten and a hundred in a quarter of an hour are let pass. General knowledge.",
  steps: ["On the server: `nvidia-smi nvlink -e -i <gpu>` and `nvidia-smi nvlink -s -i <gpu>`.", "With NVSwitch: `systemctl status nvidia-fabricmanager` and its log in /var/log/fabricmanager.log.", "With a bridge: reseat it. Errors that stay: run `dcgmi diag -r 3` and ask the maker."],
};

const pcieAlert: Alert = {
  name: "GpuPcieReplays",
  severity: "warning",
  expr: `60 * ${byGpu} (rate(DCGM_FI_DEV_PCIE_REPLAY_COUNTER[5m])) > 8`,
  forSeconds: 300,
  summary: `${place} repeats {{ $value | humanize }} PCIe transfers a minute`,
  meaning: "The slot, a riser or a cable is bad: transfers are slow, and the card may fall off the bus.",
  reason: "DCGM's own health check fails a GPU at more than eight a minute. General knowledge.",
  steps: ["On the server: `nvidia-smi -q -i <gpu> | grep -A 12 'GPU Link Info'` shows whether the link still has its generation and width, `dmesg | grep -i AER` the errors.", "Reseat the card and its riser; try another slot."],
};

/** Only where the environment states a cap: the board's own differs from card to card. */
function powerCapAlert(environment: Environment): Alert[] {
  const caps = alike(environment, ({ gpus }) => gpus?.powerLimitWatts);
  if (caps.length === 0) return [];
  return [
    {
      name: "GpuPowerCapWrong",
      severity: "warning",
      expr: anyOf(caps.map(({ value, servers }) => `abs(${byGpu} (DCGM_FI_DEV_POWER_MGMT_LIMIT{${oneOf("server", servers)}}) - ${value}) > 1`)),
      forSeconds: 900,
      summary: `The power cap of ${place} is {{ $value }} W off the environment's`,
      meaning: "The server draws more than its supplies, its rack or the room were planned for, or its GPUs are slower than planned.",
      reason: "A cap does not outlive a reboot by itself. One watt is rounding; a quarter of an hour leaves out a reboot. General knowledge.",
      steps: ["On the server: `systemctl status rackwright-power-limit` sets it at each boot, `nvidia-smi -q -d POWER` shows the cap and its bounds.", "`./rackwright drift <environment>` shows what differs, `./rackwright up <environment>` sets it again."],
    },
  ];
}
