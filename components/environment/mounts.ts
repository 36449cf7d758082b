import type { Tier, TierName } from "./schema";

/** Where a tier is mounted: the folder that was written, else `/srv/<tier>`. */
export function mountOf(name: TierName, tier: Tier): string {
  return tier.mount ?? `/srv/${name}`;
}
