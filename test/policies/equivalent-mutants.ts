/** Changes of a rule that change nothing that it says, so that no case can notice them. */
export const equivalent: readonly { file: string; change: string; why: string }[] = [
  { file: "policies/hardware/pcie-generation-for-gpus.ts", change: "0 -> -1", why: "no GPUs are fewer than any number that the setting takes, with or without one less" },
  { file: "policies/security/host-keys-pinned.ts", change: "1 -> 2", why: "only the first word is taken" },
];
