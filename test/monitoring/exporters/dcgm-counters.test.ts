import { expect, it } from "vitest";
import { dcgmCounters } from "../../../components/monitoring/exporters/dcgm-counters";
import { metrics } from "../../../components/monitoring/metrics";
import { jobs } from "../../../components/monitoring/names";

/** Numbers by which DCGM 4.6 knows these names, some of which it has newer ones for (NVIDIA/go-dcgm, dcgm_fields.h), and those that dcgm-exporter counts itself. */
const known: Readonly<Record<string, number | "exporter">> = {
  DCGM_EXP_CLOCK_EVENTS_COUNT: "exporter",
  DCGM_EXP_XID_ERRORS_COUNT: "exporter",
  DCGM_FI_DEV_CORRECTABLE_REMAPPED_ROWS: 394,
  DCGM_FI_DEV_ECC_DBE_VOL_TOTAL: 311,
  DCGM_FI_DEV_ECC_SBE_VOL_TOTAL: 310,
  DCGM_FI_DEV_FB_FREE: 251,
  DCGM_FI_DEV_FB_RESERVED: 253,
  DCGM_FI_DEV_FB_USED: 252,
  DCGM_FI_DEV_GPU_TEMP: 150,
  DCGM_FI_DEV_GPU_UTIL: 203,
  DCGM_FI_DEV_MEMORY_TEMP: 140,
  DCGM_FI_DEV_MEM_CLOCK: 101,
  DCGM_FI_DEV_NVLINK_BANDWIDTH_TOTAL: 449,
  DCGM_FI_DEV_NVLINK_CRC_FLIT_ERROR_COUNT_TOTAL: 409,
  DCGM_FI_DEV_NVLINK_RECOVERY_ERROR_COUNT_TOTAL: 439,
  DCGM_FI_DEV_NVLINK_REPLAY_ERROR_COUNT_TOTAL: 429,
  DCGM_FI_DEV_PCIE_REPLAY_COUNTER: 202,
  DCGM_FI_DEV_POWER_MGMT_LIMIT: 160,
  DCGM_FI_DEV_POWER_USAGE: 155,
  DCGM_FI_DEV_POWER_VIOLATION: 240,
  DCGM_FI_DEV_ROW_REMAP_FAILURE: 395,
  DCGM_FI_DEV_SM_CLOCK: 100,
  DCGM_FI_DEV_THERMAL_VIOLATION: 241,
  DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION: 156,
  DCGM_FI_DEV_UNCORRECTABLE_REMAPPED_ROWS: 393,
  DCGM_FI_DEV_XID_ERRORS: 230,
  DCGM_FI_PROF_DRAM_ACTIVE: 1005,
  DCGM_FI_PROF_GR_ENGINE_ACTIVE: 1001,
  DCGM_FI_PROF_PCIE_RX_BYTES: 1010,
  DCGM_FI_PROF_PCIE_TX_BYTES: 1009,
  DCGM_FI_PROF_PIPE_TENSOR_ACTIVE: 1004,
  DCGM_FI_PROF_SM_ACTIVE: 1002,
};

it("are exactly the GPU metrics that rules and boards ask for, under NVIDIA's own names", () => {
  const fields = dcgmCounters().trim().split("\n").map((line) => line.split(",").map((column) => column.trim()));
  expect(fields.map(([field]) => field).sort()).toEqual(Object.keys(metrics[jobs.gpu]).sort());
  expect(Object.keys(known).filter((field) => known[field] === "exporter")).toEqual(["DCGM_EXP_CLOCK_EVENTS_COUNT", "DCGM_EXP_XID_ERRORS_COUNT"]);
  for (const [field = "", kind, help, ...more] of fields) {
    expect([field in known, more]).toEqual([true, []]);
    expect(["gauge", "counter"]).toContain(kind);
    expect(help).toMatch(/^[A-Z].*\.$/);
  }
});
