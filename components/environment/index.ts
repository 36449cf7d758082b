export { suggest } from "../catalog";
export { ENVIRONMENT_FILE_KEY, readEnvironmentFile } from "./environment-file";
export { ENVIRONMENT_KEY, listEnvironments, loadStackFile, loadStackText, SECRETS, type LoadedStack } from "./load";
export { mountOf } from "./mounts";
export { parseEnvironment, type ParsedEnvironment } from "./parse";
export { formatProblems, toProblem, type Problem } from "./problems";
export { environmentSchema } from "./schema";
export type { Drive, Environment, EnvironmentInput, Gpus, InferenceServiceSpec, Server, Software, Tier, TierName } from "./schema";
