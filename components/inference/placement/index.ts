export { chooseEngine, engineFault, gpuSupport, runsOnCpu, type EngineChoice, type GpuSupport } from "./engine-choice";
export { planWorkloads } from "./plan-workloads";
export { modelFolder, serviceRequest, type ServiceRequest } from "./service-request";
