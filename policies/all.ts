import { gpuSlotGeneration } from "./hardware/gpu-slot-generation";
import { gpuWithEcc } from "./hardware/gpu-with-ecc";
import { liquidCoolingPue } from "./hardware/liquid-cooling-pue";
import { migTheGpuHas } from "./hardware/mig-the-gpu-has";
import { nvlinkTheGpuHas } from "./hardware/nvlink-the-gpu-has";
import { pcieGenerationForGpus } from "./hardware/pcie-generation-for-gpus";
import { pcieGenerationOfTheCpu } from "./hardware/pcie-generation-of-the-cpu";
import { pcieLanes } from "./hardware/pcie-lanes";
import { rackPower } from "./hardware/rack-power";
import { rdmaBetweenServers } from "./hardware/rdma-between-servers";
import { serverPower } from "./hardware/server-power";
import { sitePower } from "./hardware/site-power";
import { sxmHostPlatform } from "./hardware/sxm-host-platform";
import { airGappedMirror } from "./operations/air-gapped-mirror";
import { cudaToolkitForGpu } from "./operations/cuda-toolkit-for-gpu";
import { cudaToolkitFullFeatures } from "./operations/cuda-toolkit-full-features";
import { cudaToolkitNeedsDriver } from "./operations/cuda-toolkit-needs-driver";
import { driverBranchSupported } from "./operations/driver-branch-supported";
import { driverForGpu } from "./operations/driver-for-gpu";
import { engineNeedsDriver } from "./operations/engine-needs-driver";
import { fabricManagerOnNvswitchOnly } from "./operations/fabric-manager-on-nvswitch-only";
import { gpuOperatorSupportsTheGpu } from "./operations/gpu-operator-supports-the-gpu";
import { persistenceDaemon } from "./operations/persistence-daemon";
import type { Rule } from "./rule";
import { hostKeysPinned } from "./security/host-keys-pinned";
import { hostKeysUnique } from "./security/host-keys-unique";
import { noPublicAddress } from "./security/no-public-address";
import { noRootLogin } from "./security/no-root-login";
import { noSshPasswords } from "./security/no-ssh-passwords";
import { objectStoreOverTls } from "./security/object-store-over-tls";
import { sshChecksHostKeys } from "./security/ssh-checks-host-keys";
import { arrayDrivesAlike } from "./storage/array-drives-alike";
import { coldTierOnCapacityDrives } from "./storage/cold-tier-on-capacity-drives";
import { drivesById } from "./storage/drives-by-id";
import { hotTierHasASource } from "./storage/hot-tier-has-a-source";
import { noParityOnNvme } from "./storage/no-parity-on-nvme";
import { raid0HotTierNvmeOnly } from "./storage/raid0-hot-tier-nvme-only";
import { tiersShareNoDrive } from "./storage/tiers-share-no-drive";
import { warmTierOnSsd } from "./storage/warm-tier-on-ssd";
import { warmTierSurvivesADrive } from "./storage/warm-tier-survives-a-drive";

/** The rules by area, in the order of docs/rules.md. Importing this starts no server. */
export const areas = {
  hardware: [
    pcieGenerationForGpus,
    pcieGenerationOfTheCpu,
    pcieLanes,
    gpuSlotGeneration,
    sxmHostPlatform,
    nvlinkTheGpuHas,
    migTheGpuHas,
    gpuWithEcc,
    serverPower,
    rackPower,
    sitePower,
    liquidCoolingPue,
    rdmaBetweenServers,
  ],
  storage: [
    raid0HotTierNvmeOnly,
    hotTierHasASource,
    noParityOnNvme,
    warmTierSurvivesADrive,
    warmTierOnSsd,
    coldTierOnCapacityDrives,
    tiersShareNoDrive,
    drivesById,
    arrayDrivesAlike,
  ],
  operations: [
    driverBranchSupported,
    driverForGpu,
    cudaToolkitNeedsDriver,
    cudaToolkitFullFeatures,
    cudaToolkitForGpu,
    engineNeedsDriver,
    fabricManagerOnNvswitchOnly,
    persistenceDaemon,
    gpuOperatorSupportsTheGpu,
    airGappedMirror,
  ],
  security: [
    hostKeysPinned,
    hostKeysUnique,
    sshChecksHostKeys,
    noSshPasswords,
    noRootLogin,
    objectStoreOverTls,
    noPublicAddress,
  ],
} as const satisfies Record<string, readonly Rule[]>;

/** Every rule of the pack. */
export const rules: readonly Rule[] = Object.values(areas).flat();
