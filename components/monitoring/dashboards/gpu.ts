import { boardUids, layOut, serverVariable, type BoardInput } from "./board";
import type { Facts } from "./facts";
import { graph, states, table, units, type Column } from "./panels";
import { longWindow, onServer, sameGpu, window } from "./queries";
import type { DashboardModel, PanelBuilder } from "./sdk";

const legend = "{{server}} GPU {{gpu}}";
const byGpu = "by (server, gpu)";
const width = 8;

/** Each GPU: what it does, what limits it, and what breaks. */
export function gpuBoard({ environment }: BoardInput, facts: Facts): DashboardModel {
  return layOut({
    uid: boardUids.gpu,
    title: "GPU",
    description: "Work, memory, heat, draw and faults of each GPU, from dcgm-exporter.",
    variables: [serverVariable("DCGM_FI_DEV_FB_USED", Object.keys(environment.servers).filter((name) => environment.servers[name]?.gpus !== undefined))],
    rows: [
      { title: "Work", panels: work(environment.monitoring.alerts.gpuUtilizationPercent, facts) },
      { title: "What the busy time was", panels: facts.hasProfiling ? busyTime() : [] },
      { title: "Memory", panels: memory() },
      { title: "Heat and draw", panels: heat(facts) },
      { title: "Ways to the GPU", panels: paths(facts) },
      { title: "Faults", panels: faults(facts) },
    ],
  });
}

function work(limit: number, facts: Facts): PanelBuilder[] {
  const { hasCluster } = facts;
  return [
    graph({ title: "Utilisation", description: "Share of time in which anything ran on the GPU: GR_ENGINE_ACTIVE, or GPU_UTIL on cards without profiling fields. The line counts only for GPUs that have work.", unit: units.percent, min: 0, max: 100, limit: { value: limit, wrong: "below" }, ...facts.watchedBy("GpuUtilizationLow"), queries: [{ expr: `max ${byGpu} (rackwright:gpu_utilization:percent{${onServer}})`, legend }], width }),
    states({
      title: "Held and busy",
      description: hasCluster ? "Free: nothing holds the GPU. Held: a pod does. Busy: that pod has requests in flight or trains; engines that do not say count as held." : "Free, or held: more than 1 GiB of its memory is in use. Without a cluster nothing says by whom.",
      states: { 0: { text: "free", colour: "text" }, 1: { text: "held", colour: "blue" }, 2: { text: "busy", colour: "green" } },
      queries: [{ expr: hasCluster ? `rackwright:gpu_held:bool{${onServer}} + ${sameGpu} rackwright:gpu_busy:bool` : `rackwright:gpu_held:bool{${onServer}}`, legend }],
      width,
    }),
    graph({ title: "Clock", description: "Of the streaming multiprocessors. It falls when the GPU is idle, and when heat or the power cap slow it down.", unit: units.megahertz, min: 0, decimals: 0, queries: [{ expr: `max ${byGpu} (DCGM_FI_DEV_SM_CLOCK{${onServer}})`, legend }], width }),
  ];
}

function busyTime(): PanelBuilder[] {
  const share = (title: string, metric: string, description: string): PanelBuilder => graph({ title, description, unit: units.ratio, min: 0, max: 1, queries: [{ expr: `max ${byGpu} (${metric}{${onServer}})`, legend }], width });
  return [
    share("Multiprocessors", "DCGM_FI_PROF_SM_ACTIVE", "Mean share of multiprocessors that had work. Utilisation near 100 % with a low share here is a GPU that waits on small kernels."),
    share("Tensor cores", "DCGM_FI_PROF_PIPE_TENSOR_ACTIVE", "Share of cycles in which tensor cores worked. Reading prompts and training are bound here; generating tokens seldom is."),
    share("Memory bandwidth", "DCGM_FI_PROF_DRAM_ACTIVE", "Share of cycles in which the GPU's memory moved data. Generating tokens is bound here; about 80 % is the most that is seen."),
  ];
}

function memory(): PanelBuilder[] {
  return [
    graph({ title: "Memory in use", description: "Share of the GPU's memory. Engines take nearly all of it when they start, so that 90 % and more is as it should be: the use of their cache is on the board of the service.", unit: units.ratio, min: 0, max: 1, queries: [{ expr: `max ${byGpu} (rackwright:gpu_memory_used:ratio{${onServer}})`, legend }], width: 12 }),
    graph({ title: "Memory free", description: "What a further program could have.", unit: units.mebibytes, min: 0, queries: [{ expr: `sum ${byGpu} (DCGM_FI_DEV_FB_FREE{${onServer}})`, legend }], width: 12 }),
  ];
}

function heat(facts: Facts): PanelBuilder[] {
  const slowed = (title: string, metric: string, why: string, alert: string): PanelBuilder =>
    graph({ title, description: `Share of time in which the GPU ran slower than it could, because ${why}.`, unit: units.ratio, min: 0, max: 1, alert, queries: [{ expr: `max ${byGpu} (rate(${metric}{${onServer}}[${window}])) / 1e9`, legend }], width });
  return [
    graph({ title: "Temperature", description: "Of the GPU itself.", unit: units.celsius, min: 0, alert: "GpuTemperatureHigh", queries: [{ expr: `max ${byGpu} (DCGM_FI_DEV_GPU_TEMP{${onServer}})`, legend }], width }),
    graph({ title: "Temperature of the memory", description: "Of HBM or GDDR; 0 on cards that do not tell it.", unit: units.celsius, min: 0, ...facts.watchedBy("GpuMemoryTemperatureHigh"), queries: [{ expr: `max ${byGpu} (DCGM_FI_DEV_MEMORY_TEMP{${onServer}})`, legend }], width }),
    graph({ title: "Share of the power cap", description: "Draw over the cap that is set. At the cap the GPU lowers its clock; that is what a cap is for.", unit: units.ratio, min: 0, max: 1.1, queries: [{ expr: `max ${byGpu} (DCGM_FI_DEV_POWER_USAGE{${onServer}} / DCGM_FI_DEV_POWER_MGMT_LIMIT{${onServer}})`, legend }], width }),
    slowed("Slowed down by heat", "DCGM_FI_DEV_THERMAL_VIOLATION", "it was too hot", "GpuThermalThrottling"),
    slowed("Slowed down by the power cap", "DCGM_FI_DEV_POWER_VIOLATION", "it was at its power cap", "GpuPowerThrottling"),
    graph({ title: "Causes of lower clocks", description: "Clock events of the last five minutes by cause, as the driver names them; the GPU being idle is one of them.", unit: units.count, min: 0, queries: [{ expr: `sum by (server, clock_event) (DCGM_EXP_CLOCK_EVENTS_COUNT{${onServer}})`, legend: "{{server}} {{clock_event}}" }], width }),
  ];
}

function paths({ hasProfiling, hasNvlink }: Facts): PanelBuilder[] {
  return [
    ...(hasProfiling ? [graph({ title: "PCIe", description: "Data over PCIe with headers, both directions, summed over a server's GPUs.", unit: units.bytesPerSecond, min: 0, queries: [
      { expr: `sum by (server) (DCGM_FI_PROF_PCIE_RX_BYTES{${onServer}})`, legend: "{{server}} to the GPUs" },
      { expr: `sum by (server) (DCGM_FI_PROF_PCIE_TX_BYTES{${onServer}})`, legend: "{{server}} from the GPUs" },
    ], width })] : []),
    graph({ title: "PCIe replays", description: "Packets that had to be sent again in the last hour: a slot, a riser or a cable.", unit: units.count, min: 0, alert: "GpuPcieReplays", queries: [{ expr: `sum ${byGpu} (increase(DCGM_FI_DEV_PCIE_REPLAY_COUNTER{${onServer}}[${longWindow}]))`, legend }], width }),
    ...(hasNvlink ? [graph({ title: "NVLink", description: "Growth of DCGM's counter of all lanes, for which it gives no unit: good for comparing GPUs with each other and with yesterday.", unit: units.perSecond, min: 0, queries: [{ expr: `sum ${byGpu} (rate(DCGM_FI_DEV_NVLINK_BANDWIDTH_TOTAL{${onServer}}[${window}]))`, legend }], width })] : []),
  ];
}

function faults({ hasEcc, hasNvlink }: Facts): PanelBuilder[] {
  const sum = (expr: string): string => `sum ${byGpu} (${expr})`;
  const columns: [Column, ...Column[]] = [{ header: "Last XID", expr: `max ${byGpu} (DCGM_FI_DEV_XID_ERRORS{${onServer}})`, unit: units.count }];
  if (hasEcc) {
    columns.push(
      { header: "Corrected ECC errors", expr: sum(`DCGM_FI_DEV_ECC_SBE_VOL_TOTAL{${onServer}}`), unit: units.count },
      { header: "Uncorrected ECC errors", expr: sum(`DCGM_FI_DEV_ECC_DBE_VOL_TOTAL{${onServer}}`), unit: units.count },
      { header: "Rows remapped, correctable", expr: sum(`DCGM_FI_DEV_CORRECTABLE_REMAPPED_ROWS{${onServer}}`), unit: units.count },
      { header: "Rows remapped, uncorrectable", expr: sum(`DCGM_FI_DEV_UNCORRECTABLE_REMAPPED_ROWS{${onServer}}`), unit: units.count },
      { header: "Remapping failed", expr: `max ${byGpu} (DCGM_FI_DEV_ROW_REMAP_FAILURE{${onServer}})`, unit: units.count },
    );
  }
  return [
    table({ title: "Since the driver was loaded", description: "The last XID is the code of the newest error and stays until the driver is loaded again; 0 is none. ECC counts are since the driver was loaded, remapped rows for ever.", keys: { server: "Server", gpu: "GPU" }, columns, links: { server: { board: boardUids.server, variable: "server" } }, width: 16 }),
    graph({ title: "XIDs", description: "Errors that the driver reported in the last five minutes, by code. NVIDIA's list of XIDs says what each means.", unit: units.count, min: 0, alert: "GpuXid", queries: [{ expr: `sum by (server, gpu, xid) (DCGM_EXP_XID_ERRORS_COUNT{${onServer}})`, legend: "{{server}} GPU {{gpu}} XID {{xid}}" }], width }),
    ...(hasNvlink ? [graph({ title: "NVLink errors", description: "CRC errors, replays and recoveries of the last hour, all lanes: a few replays are mended on the way, a recovery stops the link for a moment.", unit: units.count, min: 0, alert: "GpuNvlinkErrors", queries: [
      { expr: sum(`increase(DCGM_FI_DEV_NVLINK_CRC_FLIT_ERROR_COUNT_TOTAL{${onServer}}[${longWindow}])`), legend: `${legend} CRC` },
      { expr: sum(`increase(DCGM_FI_DEV_NVLINK_REPLAY_ERROR_COUNT_TOTAL{${onServer}}[${longWindow}])`), legend: `${legend} replays` },
      { expr: sum(`increase(DCGM_FI_DEV_NVLINK_RECOVERY_ERROR_COUNT_TOTAL{${onServer}}[${longWindow}])`), legend: `${legend} recoveries` },
    ], width: 24 })] : []),
  ];
}
