import { cudaToolkits, driverBranches, versions } from "../components/catalog";
import type { Environment, Server, Tier, TierName } from "../components/environment/schema";
import { dataDrives } from "./hardware";

/** What an environment promises about one tier of a running server, worked out without the planner that `up` uses. */
export interface TierExpectation {
  tier: TierName;
  mount: string;
  level: Tier["level"];
  drives: readonly string[];
  chunkKiB: number;
  /** XFS's stripe unit and width in KiB; 0 where there is no stripe. */
  stripeUnitKiB: number;
  stripeWidthKiB: number;
}

const tierNames: readonly TierName[] = ["hot", "warm", "cold"];

export function expectedTiers(server: Server): TierExpectation[] {
  return tierNames.flatMap((name) => {
    const tier = server.tiers[name];
    if (tier === undefined) return [];
    const striped = tier.level !== "single" && tier.level !== "raid1";
    // md repeats its near-2 layout of an odd number of drives after all of them, and its preferred width is then all.
    const count = tier.drives.length;
    const width = tier.level === "raid10" && count % 2 === 1 ? count : dataDrives(tier.level, count);
    return [
      {
        tier: name,
        mount: tier.mount ?? `/srv/${name}`,
        level: tier.level,
        drives: tier.drives,
        chunkKiB: tier.chunkKiB,
        stripeUnitKiB: striped ? tier.chunkKiB : 0,
        stripeWidthKiB: striped ? tier.chunkKiB * width : 0,
      },
    ];
  });
}

/** The upstream version that each of NVIDIA's packages must have, by a pattern of its name. */
export interface VersionExpectation {
  family: string;
  names: RegExp;
  version: string;
}

export function expectedVersions(software: Environment["software"]): VersionExpectation[] {
  const toolkit = software.cudaToolkit;
  return [
    { family: "container toolkit", names: /^(nvidia-container-toolkit(-base)?|libnvidia-container(-tools|1))$/, version: versions["container-toolkit"].version },
    ...(toolkit === "none" ? [] : [{ family: "CUDA toolkit", names: new RegExp(`^${cudaToolkits[toolkit].aptPackage}$`), version: cudaToolkits[toolkit].version }]),
    { family: `driver branch ${software.driver.branch}`, names: /^(lib)?nvidia-/, version: driverBranches[software.driver.branch].version },
  ];
}
