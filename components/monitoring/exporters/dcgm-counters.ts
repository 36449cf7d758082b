import { metrics } from "../metrics";
import { jobs } from "../names";

type Counter = keyof (typeof metrics)[typeof jobs.gpu];

/**
 * What each field is, for its help text: a comma would begin another column. Names and units are those of DCGM's
 * dcgm_fields.h and of dcgm-exporter's own list, in which errors, throttling and most of NVLink are switched off.
 */
const help: Readonly<Record<Counter, string>> = {
  DCGM_FI_DEV_GPU_UTIL: "Share of the time in which some kernel ran (in %).",
  DCGM_FI_PROF_GR_ENGINE_ACTIVE: "Ratio of time in which the compute or graphics engine was active.",
  DCGM_FI_PROF_SM_ACTIVE: "Ratio of cycles in which an SM had a warp.",
  DCGM_FI_PROF_PIPE_TENSOR_ACTIVE: "Ratio of cycles in which the tensor cores were active.",
  DCGM_FI_PROF_DRAM_ACTIVE: "Ratio of cycles in which the memory interface was active.",
  DCGM_FI_PROF_PCIE_TX_BYTES: "Bytes sent over PCIe in a second.",
  DCGM_FI_PROF_PCIE_RX_BYTES: "Bytes received over PCIe in a second.",
  DCGM_FI_DEV_SM_CLOCK: "Clock of the SMs (in MHz).",
  DCGM_FI_DEV_MEM_CLOCK: "Clock of the memory (in MHz).",
  DCGM_FI_DEV_GPU_TEMP: "Temperature of the GPU (in C).",
  DCGM_FI_DEV_MEMORY_TEMP: "Temperature of the memory (in C).",
  DCGM_FI_DEV_POWER_USAGE: "Power draw (in W).",
  DCGM_FI_DEV_POWER_MGMT_LIMIT: "Power limit in force (in W).",
  DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION: "Energy since the driver was loaded (in mJ).",
  DCGM_FI_DEV_FB_USED: "Memory in use (in MiB).",
  DCGM_FI_DEV_FB_FREE: "Memory free (in MiB).",
  DCGM_FI_DEV_FB_RESERVED: "Memory that the driver keeps (in MiB).",
  DCGM_FI_DEV_XID_ERRORS: "Code of the last XID error.",
  DCGM_EXP_XID_ERRORS_COUNT: "XID errors of the last minutes by code.",
  DCGM_EXP_CLOCK_EVENTS_COUNT: "Clock events of the last minutes by cause.",
  DCGM_FI_DEV_THERMAL_VIOLATION: "Time throttled for temperature (in ns).",
  DCGM_FI_DEV_POWER_VIOLATION: "Time throttled for power (in ns).",
  DCGM_FI_DEV_ECC_SBE_VOL_TOTAL: "Single-bit ECC errors since the driver was loaded.",
  DCGM_FI_DEV_ECC_DBE_VOL_TOTAL: "Double-bit ECC errors since the driver was loaded.",
  DCGM_FI_DEV_CORRECTABLE_REMAPPED_ROWS: "Rows remapped for correctable errors.",
  DCGM_FI_DEV_UNCORRECTABLE_REMAPPED_ROWS: "Rows remapped for uncorrectable errors.",
  DCGM_FI_DEV_ROW_REMAP_FAILURE: "Whether remapping of rows has failed.",
  DCGM_FI_DEV_PCIE_REPLAY_COUNTER: "PCIe retries.",
  DCGM_FI_DEV_NVLINK_BANDWIDTH_TOTAL: "NVLink bandwidth counter of all links.",
  DCGM_FI_DEV_NVLINK_CRC_FLIT_ERROR_COUNT_TOTAL: "NVLink flow-control CRC errors.",
  DCGM_FI_DEV_NVLINK_REPLAY_ERROR_COUNT_TOTAL: "NVLink retries.",
  DCGM_FI_DEV_NVLINK_RECOVERY_ERROR_COUNT_TOTAL: "NVLink recovery errors.",
};

/** dcgm-exporter's list of counters as CSV, field, type and help: exactly the GPU metrics that rules and boards may ask for. */
export function dcgmCounters(): string {
  const rows = Object.entries(metrics[jobs.gpu]).map(([field, { kind }]) => `${field}, ${kind}, ${help[field as Counter]}`);
  return `${rows.join("\n")}\n`;
}
