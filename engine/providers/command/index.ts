export { CommandProvider } from "./provider";
export { hashOfFiles } from "./archive-hash";
export type { ArchiveMember } from "./archive-hash";
export type { DetailedDiff } from "./diff";
