import { samplesOf, type Labels, type Sample } from "./exposition";
import { valueAt, type GpuPart, type GpuState, type ServerState } from "./state";

const sample = samplesOf("gpu");
/** What dcgm-exporter says of windows: five minutes. */
const window_size_in_ms = "300000";
const reservedMiB = 400;
/** Of active time, what the parts of the GPU inside were at work: shares of one another, from no measurement. */
const inside = { sm: 0.8, tensor: 0.4, memory: 0.6 } as const;
const pcieBytesPerSecond = 2e9;

function labelsOf({ uuid, busId, model }: GpuState, index: number, { instance, holder }: GpuPart): Labels {
  return { gpu: index, UUID: uuid, pci_bus_id: busId, device: `nvidia${index}`, modelName: model, GPU_I_ID: instance?.id, GPU_I_PROFILE: instance?.profile, ...holder };
}

function ofPart(gpu: GpuState, index: number, part: GpuPart, now: number): Sample[] {
  const labels = labelsOf(gpu, index, part);
  const { active } = part;
  return [
    // Not for MIG instances: the field is the whole card's.
    ...(part.instance === undefined ? [sample("DCGM_FI_DEV_GPU_UTIL", labels, Math.round(100 * active))] : []),
    ...(gpu.profiling
      ? [
          sample("DCGM_FI_PROF_GR_ENGINE_ACTIVE", labels, active),
          sample("DCGM_FI_PROF_SM_ACTIVE", labels, active * inside.sm),
          sample("DCGM_FI_PROF_PIPE_TENSOR_ACTIVE", labels, active * inside.tensor),
          sample("DCGM_FI_PROF_DRAM_ACTIVE", labels, active * inside.memory),
          sample("DCGM_FI_PROF_PCIE_TX_BYTES", labels, active * pcieBytesPerSecond),
          sample("DCGM_FI_PROF_PCIE_RX_BYTES", labels, active * pcieBytesPerSecond),
        ]
      : []),
    sample("DCGM_FI_DEV_SM_CLOCK", labels, gpu.megahertz),
    sample("DCGM_FI_DEV_MEM_CLOCK", labels, 1593),
    sample("DCGM_FI_DEV_GPU_TEMP", labels, gpu.celsius),
    sample("DCGM_FI_DEV_MEMORY_TEMP", labels, gpu.memoryCelsius),
    sample("DCGM_FI_DEV_POWER_USAGE", labels, gpu.watts),
    sample("DCGM_FI_DEV_POWER_MGMT_LIMIT", labels, gpu.limitWatts),
    sample("DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION", labels, valueAt(gpu.millijoules, now)),
    sample("DCGM_FI_DEV_FB_USED", labels, part.usedMiB),
    sample("DCGM_FI_DEV_FB_FREE", labels, part.totalMiB - part.usedMiB - reservedMiB),
    sample("DCGM_FI_DEV_FB_RESERVED", labels, reservedMiB),
    sample("DCGM_FI_DEV_XID_ERRORS", labels, gpu.lastXid),
    ...Object.entries(gpu.xids).map(([xid, count]) => sample("DCGM_EXP_XID_ERRORS_COUNT", { ...labels, xid, window_size_in_ms }, count)),
    ...Object.entries(gpu.clockEvents).map(([clock_event, count]) => sample("DCGM_EXP_CLOCK_EVENTS_COUNT", { ...labels, clock_event, window_size_in_ms }, count)),
    sample("DCGM_FI_DEV_THERMAL_VIOLATION", labels, valueAt(gpu.thermalViolationNanoseconds, now)),
    sample("DCGM_FI_DEV_POWER_VIOLATION", labels, valueAt(gpu.powerViolationNanoseconds, now)),
    sample("DCGM_FI_DEV_PCIE_REPLAY_COUNTER", labels, valueAt(gpu.pcieReplays, now)),
    ...(gpu.ecc ? eccSamples(gpu, labels, now) : []),
    ...(gpu.nvlink ? nvlinkSamples(gpu, labels, now) : []),
  ];
}

function eccSamples(gpu: GpuState, labels: Labels, now: number): Sample[] {
  return [
    sample("DCGM_FI_DEV_ECC_SBE_VOL_TOTAL", labels, valueAt(gpu.singleBitErrors, now)),
    sample("DCGM_FI_DEV_ECC_DBE_VOL_TOTAL", labels, valueAt(gpu.doubleBitErrors, now)),
    sample("DCGM_FI_DEV_CORRECTABLE_REMAPPED_ROWS", labels, gpu.correctableRemappedRows),
    sample("DCGM_FI_DEV_UNCORRECTABLE_REMAPPED_ROWS", labels, gpu.uncorrectableRemappedRows),
    sample("DCGM_FI_DEV_ROW_REMAP_FAILURE", labels, gpu.rowRemapFailure),
  ];
}

function nvlinkSamples(gpu: GpuState, labels: Labels, now: number): Sample[] {
  return [
    sample("DCGM_FI_DEV_NVLINK_BANDWIDTH_TOTAL", labels, valueAt(gpu.nvlinkBytes, now)),
    sample("DCGM_FI_DEV_NVLINK_CRC_FLIT_ERROR_COUNT_TOTAL", labels, valueAt(gpu.nvlinkCrcErrors, now)),
    sample("DCGM_FI_DEV_NVLINK_REPLAY_ERROR_COUNT_TOTAL", labels, valueAt(gpu.nvlinkReplays, now)),
    sample("DCGM_FI_DEV_NVLINK_RECOVERY_ERROR_COUNT_TOTAL", labels, valueAt(gpu.nvlinkRecoveries, now)),
  ];
}

/** What dcgm-exporter on a server says. */
export function gpuSamples({ gpus }: ServerState, now: number): Sample[] {
  return gpus.flatMap((gpu, index) => gpu.parts.flatMap((part) => ofPart(gpu, index, part, now)));
}
