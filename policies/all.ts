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
import { engineForServing } from "./inference/engine-for-serving";
import { fp8Native } from "./inference/fp8-native";
import { largeModelsOnTensorAndPipeline } from "./inference/large-models-on-tensor-and-pipeline";
import { memoryBoundsTheModel } from "./inference/memory-bounds-the-model";
import { tensorParallelDividesHeads } from "./inference/tensor-parallel-divides-heads";
import { tensorParallelInNvlinkDomain } from "./inference/tensor-parallel-in-nvlink-domain";
import { airGappedMirror } from "./operations/air-gapped-mirror";
import { alertsNoWeaker } from "./operations/alerts-no-weaker";
import { alertsReachSomebody } from "./operations/alerts-reach-somebody";
import { cudaToolkitForGpu } from "./operations/cuda-toolkit-for-gpu";
import { cudaToolkitFullFeatures } from "./operations/cuda-toolkit-full-features";
import { cudaToolkitNeedsDriver } from "./operations/cuda-toolkit-needs-driver";
import { driverBranchSupported } from "./operations/driver-branch-supported";
import { driverForGpu } from "./operations/driver-for-gpu";
import { engineNeedsDriver } from "./operations/engine-needs-driver";
import { fabricManagerOnNvswitchOnly } from "./operations/fabric-manager-on-nvswitch-only";
import { gpuOperatorSupportsTheGpu } from "./operations/gpu-operator-supports-the-gpu";
import { hubWeightsNeedInternet } from "./operations/hub-weights-need-internet";
import { imagesSupported } from "./operations/images-supported";
import { monitoringEnabled } from "./operations/monitoring-enabled";
import { persistenceDaemon } from "./operations/persistence-daemon";
import { pricesWithinBudget } from "./operations/prices-within-budget";
import { releasesSupported } from "./operations/releases-supported";
import { trainingImagesFromTheMirror } from "./operations/training-images-from-the-mirror";
import { checkpointInterval } from "./recovery/checkpoint-interval";
import { checkpointsKept } from "./recovery/checkpoints-kept";
import { coldImagesHaveATier } from "./recovery/cold-images-have-a-tier";
import { coldStartRehearsed } from "./recovery/cold-start-rehearsed";
import { controlPlaneSurvivesAServer } from "./recovery/control-plane-survives-a-server";
import { interactiveServicesSurviveAServer } from "./recovery/interactive-services-survive-a-server";
import { standbyModeFitsServices } from "./recovery/standby-mode-fits-services";
import { standbyOnAnotherServer } from "./recovery/standby-on-another-server";
import { standbyWithinBudget } from "./recovery/standby-within-budget";
import type { Rule } from "./rule";
import { encryptionAtRest } from "./security/encryption-at-rest";
import { hostKeysPinned } from "./security/host-keys-pinned";
import { hostKeysUnique } from "./security/host-keys-unique";
import { imagesPinned } from "./security/images-pinned";
import { noPublicAddress } from "./security/no-public-address";
import { noPublicEndpoint } from "./security/no-public-endpoint";
import { noRootLogin } from "./security/no-root-login";
import { noSshPasswords } from "./security/no-ssh-passwords";
import { noTimeSlicingWhereRegulated } from "./security/no-time-slicing-where-regulated";
import { objectStoreOverTls } from "./security/object-store-over-tls";
import { regulatedDataStaysOnSite } from "./security/regulated-data-stays-on-site";
import { secretsInSecrets } from "./security/secrets-in-secrets";
import { sshChecksHostKeys } from "./security/ssh-checks-host-keys";
import { arrayDrivesAlike } from "./storage/array-drives-alike";
import { coldTierOnCapacityDrives } from "./storage/cold-tier-on-capacity-drives";
import { drivesById } from "./storage/drives-by-id";
import { hotTierHasASource } from "./storage/hot-tier-has-a-source";
import { noParityOnNvme } from "./storage/no-parity-on-nvme";
import { raid0HotTierNvmeOnly } from "./storage/raid0-hot-tier-nvme-only";
import { threeTiers } from "./storage/three-tiers";
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
    threeTiers,
  ],
  inference: [
    memoryBoundsTheModel,
    tensorParallelDividesHeads,
    tensorParallelInNvlinkDomain,
    largeModelsOnTensorAndPipeline,
    fp8Native,
    engineForServing,
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
    alertsNoWeaker,
    monitoringEnabled,
    alertsReachSomebody,
    pricesWithinBudget,
    trainingImagesFromTheMirror,
    hubWeightsNeedInternet,
    releasesSupported,
    imagesSupported,
  ],
  recovery: [
    checkpointInterval,
    checkpointsKept,
    standbyOnAnotherServer,
    standbyWithinBudget,
    standbyModeFitsServices,
    interactiveServicesSurviveAServer,
    controlPlaneSurvivesAServer,
    coldImagesHaveATier,
    coldStartRehearsed,
  ],
  security: [
    hostKeysPinned,
    hostKeysUnique,
    sshChecksHostKeys,
    noSshPasswords,
    noRootLogin,
    objectStoreOverTls,
    noPublicAddress,
    regulatedDataStaysOnSite,
    encryptionAtRest,
    noTimeSlicingWhereRegulated,
    noPublicEndpoint,
    imagesPinned,
    secretsInSecrets,
  ],
} as const satisfies Record<string, readonly Rule[]>;

/** Every rule of the pack. */
export const rules: readonly Rule[] = Object.values(areas).flat();
