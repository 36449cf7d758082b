import { rule } from "../rule";
import { STORAGE_TIER, type StorageTierSpec } from "../specs";

const kernelName = /^(sd[a-z]+|vd[a-z]+|xvd[a-z]+|hd[a-z]+|nvme\d+(c\d+)?n\d+|md\d+|dm-\d+|loop\d+)(p?\d+)?$/;

export const drivesById = rule<StorageTierSpec>({
  name: "drives-by-id",
  title: "Drives named by id",
  description: "Drives must be named by what is under /dev/disk/by-id, whole and never as a partition.",
  section: "facts 8",
  severity: "critical",
  enforcementLevel: "mandatory",
  remediationSteps: "Look the drive up with `ls -l /dev/disk/by-id` and write that name. Kernel names such as nvme0n1 change between boots, so that an array would be made on the wrong drive.",
  types: [STORAGE_TIER],
  check(spec, _settings, report) {
    const at = `servers.${spec.server}.tiers.${spec.tier}.drives`;
    for (const { id } of spec.drives) {
      const bare = id.replace(/^\/dev\//, "");
      if (kernelName.test(bare)) {
        report({ at, problem: `${id} is a kernel name, which another drive can have after the next boot`, limit: "a name under /dev/disk/by-id", remedy: "write the drive's name as `ls -l /dev/disk/by-id` shows it" });
      } else if (/-part\d+$/.test(bare)) {
        report({ at, problem: `${id} is a partition`, limit: "whole drives", remedy: "leave out the -part suffix and give the tier the whole drive" });
      }
    }
  },
});
