import { homeFolder, modelsMount, type EngineInput, type EnvironmentVariable } from "./engine";

const variables = (values: Readonly<Record<string, string>>): EnvironmentVariable[] => Object.entries(values).map(([name, value]) => ({ name, value }));

/** What turns reports to vendors off in every library that engines are made of. */
const telemetryOff = {
  DO_NOT_TRACK: "1",
  HF_HUB_DISABLE_TELEMETRY: "1",
  /** Ray's usage reports, where vLLM runs on it. */
  RAY_USAGE_STATS_ENABLED: "0",
};

const offline = { HF_HUB_OFFLINE: "1", TRANSFORMERS_OFFLINE: "1", HF_DATASETS_OFFLINE: "1" };

/**
 * Variables that all engines get: nothing reports to anyone, nothing looks for a hub unless the environment takes the
 * weights from there, and caches go to the one folder that can be written to.
 */
export function commonVariables({ service }: EngineInput): EnvironmentVariable[] {
  const hub = service.spec.weights.from === "hub";
  return variables({
    ...telemetryOff,
    ...(hub ? {} : offline),
    HOME: homeFolder,
    // The user has no entry in the image's passwd, and PyTorch asks for its name.
    USER: "engine",
    LOGNAME: "engine",
    XDG_CACHE_HOME: `${homeFolder}/cache`,
    // A download must survive the pod and must not fill the root drive.
    HF_HOME: hub ? `${modelsMount}/.hub` : `${homeFolder}/huggingface`,
    TRITON_CACHE_DIR: `${homeFolder}/cache/triton`,
    TORCHINDUCTOR_CACHE_DIR: `${homeFolder}/cache/inductor`,
  });
}
