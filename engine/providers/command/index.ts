export { CommandProvider } from "./provider";
export { withHashes } from "./source-hash";
export type { DetailedDiff } from "./diff";
