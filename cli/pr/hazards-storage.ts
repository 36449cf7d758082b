import type { Server } from "../../components/environment";
import type { TierPlan } from "../../components/servers/plan";
import { capacity } from "../render/capacity";
import type { Hazard } from "./hazards";
import { listed, md, prose, type Markdown } from "./markdown";
import type { Comparison, ServerPair } from "./pairs";
import { arrayWords, contentsOf, contentsWords, driveWords, drivesWords, plural } from "./words";

const blankByHand = md`\`up\` refuses until a person declares the drives blank on the host (docs/runbooks/drives.md)`;

const tierNamed = ({ tier, arrayName }: TierPlan, server: string): Markdown => md`the ${prose(tier)} tier of ${server} (array ${arrayName})`;

/** What is lost with a tier, and where it comes from again. */
function lossOf({ base }: Comparison, pair: ServerPair, { tier }: TierPlan): Markdown {
  const contents = contentsOf(base, pair.was, tier);
  if (contents.length === 0) return md`On it is nothing that this environment puts there; look whether somebody else did.`;
  const again = tier === "hot" ? md` They are copied again from the model store.` : md` Copy it away first: nothing here does.`;
  return md`On it: ${contentsWords(base, pair.was, tier)}.${again}`;
}

function pairedDrives(out: readonly string[], into: readonly string[], { before, after }: ServerPair): Markdown {
  if (out.length === 1 && into.length === 1) return md`${driveWords(out[0] ?? "", before)} is replaced by ${driveWords(into[0] ?? "", after)}`;
  return md`${drivesWords(out, before)} ${prose(out.length === 1 ? "is" : "are")} replaced by ${drivesWords(into, after)}`;
}

function drivesReplaced(comparison: Comparison, pair: ServerPair, old: TierPlan, now: TierPlan): Hazard[] {
  const out = old.drives.filter((id) => !now.drives.includes(id));
  const into = now.drives.filter((id) => !old.drives.includes(id));
  if (out.length === 0) return [];
  const what = md`${tierNamed(old, pair.was)}: ${pairedDrives(out, into, pair)}.`;
  if (out.length > old.survivesDrives) {
    const why = old.level === "single" ? md`The new drive begins empty; what is on the old one stays on it and is not copied.` : md`${arrayWords(old, pair.before)} survives ${prose(old.survivesDrives === 0 ? "no lost drive" : plural(old.survivesDrives, "lost drive"))}: everything on the tier is lost.`;
    return [{ kind: "destroys", text: md`${what} ${why} ${lossOf(comparison, pair, old)} ${blankByHand}.` }];
  }
  const left = old.survivesDrives - out.length;
  return [{ kind: "unprotected", text: md`${what} ${arrayWords(old, pair.before)} stays in use and rebuilds; until that is done it survives ${prose(left === 0 ? "no further lost drive" : plural(left, "further lost drive"))}. \`up\` adds a blank drive once the old one is out of the array.` }];
}

/** What of an array differs that an array which exists cannot change. */
function remadeIn(old: TierPlan, now: TierPlan): Markdown[] {
  return [
    ...(old.level === now.level ? [] : [md`its layout`]),
    ...(old.drives.length === now.drives.length || old.level !== now.level ? [] : [md`its number of drives`]),
    ...(old.chunkKiB === now.chunkKiB || now.level === "raid1" || now.level === "single" ? [] : [md`its chunk (${old.chunkKiB} KiB to ${now.chunkKiB} KiB)`]),
  ];
}

function remade(comparison: Comparison, pair: ServerPair, old: TierPlan, now: TierPlan): Hazard[] {
  const reasons = remadeIn(old, now);
  if (reasons.length === 0) return [];
  const change = md`${arrayWords(old, pair.before)} becomes ${arrayWords(now, pair.after)}`;
  return [{ kind: "destroys", text: md`${tierNamed(old, pair.was)}: ${change}. An array that exists does not change ${listed(reasons)}; to have the new one, the old one is taken apart by hand and what is on it is lost. ${lossOf(comparison, pair, old)} ${blankByHand}.` }];
}

function moved({ base }: Comparison, pair: ServerPair, old: TierPlan, now: TierPlan): Hazard[] {
  if (old.mount === now.mount) return [];
  return [{ kind: "interrupts", text: md`${tierNamed(old, pair.was)} is unmounted from ${old.mount} and mounted at ${now.mount}: what uses it (${contentsWords(base, pair.was, old.tier)}) stops first. \`up\` fails while a file on it is open, and nothing is lost.` }];
}

/** Drives of a tier that comes, by the tier of the same server that they were in. */
function takenFrom({ base }: ServerPair, now: TierPlan): { from: TierPlan; drives: string[] }[] {
  return base.tiers.flatMap((from) => {
    const drives = from.tier === now.tier ? [] : now.drives.filter((id) => from.drives.includes(id));
    return drives.length === 0 ? [] : [{ from, drives }];
  });
}

function arriving(comparison: Comparison, pair: ServerPair, now: TierPlan): Hazard[] {
  return takenFrom(pair, now).map(({ from, drives }) => ({
    kind: "destroys" as const,
    text: md`${drivesWords(drives, pair.before)} of ${pair.was} go from the ${prose(from.tier)} tier to the ${prose(now.tier)} tier: they hold the array ${from.arrayName}, and what is on it is lost when they are used anew. ${lossOf(comparison, pair, from)} ${blankByHand}.`,
  }));
}

function leaving(comparison: Comparison, pair: ServerPair, old: TierPlan): Hazard[] {
  const reused = pair.head.tiers.some((now) => now.drives.some((id) => old.drives.includes(id)));
  const home = otherHome(comparison, pair, old);
  const contents = contentsWords(comparison.base, pair.was, old.tier);
  const stays = reused ? md`` : md` Nothing on its drives is touched, and it stays mounted at ${old.mount}.`;
  return [{ kind: "by-hand", text: md`${tierNamed(old, pair.was)}, ${arrayWords(old, pair.before)}, leaves the environment.${stays} On it: ${contents}; nothing of it is copied${home}.` }];
}

/** Where a tier of the same kind appears in exchange. */
function otherHome({ servers }: Comparison, pair: ServerPair, { tier }: TierPlan): Markdown {
  const gained = [...servers.kept.filter((other) => other.name !== pair.name && other.head.tiers.some((now) => now.tier === tier) && !other.base.tiers.some((old) => old.tier === tier)).map(({ name }) => name), ...servers.added.filter(({ plan }) => plan.tiers.some((now) => now.tier === tier)).map(({ name }) => name)];
  return gained[0] === undefined ? md`` : md` to ${gained[0]}, which gets a ${prose(tier)} tier`;
}

function ofServer(comparison: Comparison, pair: ServerPair): Hazard[] {
  const hazards: Hazard[] = [];
  for (const old of pair.base.tiers) {
    const now = pair.head.tiers.find(({ tier }) => tier === old.tier);
    if (now === undefined) hazards.push(...leaving(comparison, pair, old));
    else {
      const anew = remade(comparison, pair, old, now);
      hazards.push(...(anew.length > 0 ? anew : drivesReplaced(comparison, pair, old, now)), ...moved(comparison, pair, old, now));
    }
  }
  return [...hazards, ...pair.head.tiers.flatMap((now) => arriving(comparison, pair, now))];
}

const totalGB = (tiers: readonly TierPlan[]): number => tiers.reduce((sum, { usableGB }) => sum + usableGB, 0);

function removed({ name, tiers }: { name: string; tiers: readonly TierPlan[] }, facts: Server): Hazard[] {
  if (tiers.length === 0) return [];
  return [{ kind: "by-hand", text: md`the tiers of ${name} (${prose(capacity(totalGB(tiers)))} on ${prose(plural(Object.keys(facts.drives).length, "drive"))}) stay on its drives as they are, with what is on them: nothing is wiped and nothing is copied.` }];
}

function renamed({ base }: Comparison, pair: ServerPair): Hazard[] {
  const former = pair.base.tiers.filter(({ arrayName }) => !pair.head.tiers.some((now) => now.arrayName === arrayName));
  if (former.length === 0) return [];
  return [{ kind: "by-hand", text: md`the arrays and file systems of ${pair.was} (${listed(former.map(({ arrayName }) => arrayName))}) carry its name, so that \`up\` refuses them as ${pair.name}'s and touches nothing. Keep the name, or copy away what is on them (${listed([...new Set(former.flatMap(({ tier }) => contentsOf(base, pair.was, tier)))].map((each) => prose(each)))}) and have them made again.` }];
}

/** Names, before, of servers that lose what is on their hot tier. */
export function losingHotTier({ servers: { kept, renamed } }: Comparison): string[] {
  return [...kept, ...renamed].filter(({ base, head }) => {
    const [old, now] = [base, head].map(({ tiers }) => tiers.find(({ tier }) => tier === "hot"));
    if (old === undefined) return false;
    return now === undefined || remadeIn(old, now).length > 0 || old.drives.filter((id) => !now.drives.includes(id)).length > old.survivesDrives;
  }).map(({ was }) => was);
}

/** What happens to data on drives. */
export function storageHazards(comparison: Comparison): Hazard[] {
  const { kept, renamed: others, removed: gone } = comparison.servers;
  return [
    ...kept.flatMap((pair) => ofServer(comparison, pair)),
    ...others.flatMap((pair) => [...ofServer(comparison, pair), ...renamed(comparison, pair)]),
    ...gone.flatMap(({ name, plan, facts }) => removed({ name, tiers: plan.tiers }, facts)),
  ];
}
