import type { Hazard } from "./hazards";
import { losingHotTier } from "./hazards-storage";
import { md, prose, type Markdown } from "./markdown";
import type { Comparison, ServerPair } from "./pairs";
import { hardwareWords, serversWords } from "./words";

/** A server that cannot serve for a while, and why. */
export interface Outage {
  /** Its name before. */
  server: string;
  kind: "reboots" | "powered down" | "leaves" | "renamed" | "reinstalled" | "loses its hot tier";
  reason: Markdown;
}

function driverReason({ base, head }: ServerPair): Markdown | undefined {
  const [old, now] = [base.software.driver, head.software.driver];
  if (old === undefined || now === undefined) return undefined;
  if (old.version !== now.version) return md`driver ${old.version} becomes ${now.version}`;
  if (old.source !== now.source) return md`the driver's packages come from ${now.source} instead of ${old.source}`;
  return undefined;
}

function hardwareReason({ before, after }: ServerPair): Markdown | undefined {
  const parts = ({ cpu, memoryGiB, gpus, npus }: typeof before): string => JSON.stringify([cpu, memoryGiB, gpus?.model, gpus?.count, gpus?.nvlink, npus?.resourceName, npus?.count]);
  return parts(before) === parts(after) ? undefined : md`${hardwareWords(before)} becomes ${hardwareWords(after)}`;
}

function outageOf(pair: ServerPair, reinstalled: boolean): Outage[] {
  const server = pair.was;
  if (reinstalled) return [{ server, kind: "reinstalled", reason: md`the operating system changes` }];
  const parts = hardwareReason(pair);
  if (parts !== undefined) return [{ server, kind: "powered down", reason: parts }];
  const driver = driverReason(pair);
  return driver === undefined ? [] : [{ server, kind: "reboots", reason: driver }];
}

/** Servers that stop serving for a while or for good. */
export function outagesOf(comparison: Comparison): Outage[] {
  const { base, head, servers } = comparison;
  const reinstalled = base.environment.software.os !== head.environment.software.os;
  return [
    ...servers.removed.map(({ name }): Outage => ({ server: name, kind: "leaves", reason: md`it leaves the environment` })),
    ...servers.renamed.flatMap((pair): Outage[] => [{ server: pair.was, kind: "renamed", reason: md`it becomes ${pair.name}` }, ...outageOf(pair, reinstalled)]),
    ...servers.kept.flatMap((pair) => outageOf(pair, reinstalled)),
    ...losingHotTier(comparison).map((server): Outage => ({ server, kind: "loses its hot tier", reason: md`` })),
  ];
}

/** What is said of a tier that is lost is said with the storage. */
const sentences: Readonly<Record<Exclude<Outage["kind"], "loses its hot tier">, (servers: Markdown, reason: Markdown, many: boolean) => Markdown>> = {
  "reboots": (servers, reason, many) => md`${servers} must be rebooted: ${reason}. \`up\` installs it and says so; what uses ${prose(many ? "their" : "its")} GPUs stops with the reboot.`,
  "powered down": (servers, reason, many) => md`${servers} ${prose(many ? "are" : "is")} powered down for new parts: ${reason}.`,
  "reinstalled": (servers, reason) => md`${servers} must be reinstalled by hand: ${reason}. Arrays are assembled again as they are; their host keys are new ones.`,
  "leaves": (servers, _reason, many) => md`${servers} ${prose(many ? "leave" : "leaves")} the environment. \`up\` forgets ${prose(many ? "them" : "it")}: no package is removed and no service of the host is stopped; drain the ${prose(many ? "nodes" : "node")} and take ${prose(many ? "them" : "it")} out of the cluster by hand.`,
  "renamed": (servers, reason) => md`${servers} is the same machine under another name: ${reason}. Pulumi deletes the one and creates the other; on the host everything is applied again, and a node of the new name joins the cluster. Take the old node out by hand.`,
};

/** Outages of one kind and reason are one line. */
function grouped(outages: readonly Outage[]): Outage[][] {
  const groups = new Map<string, Outage[]>();
  for (const outage of outages) {
    const key = `${outage.kind} ${outage.reason.text}`;
    groups.set(key, [...(groups.get(key) ?? []), outage]);
  }
  return [...groups.values()];
}

function migHazards(pair: ServerPair): Hazard[] {
  const words = ({ mig }: ServerPair["base"]): string => (mig === undefined ? "whole" : `${mig.instancesPerGpu} of ${mig.profile} each`);
  if (words(pair.base) === words(pair.head)) return [];
  return [{ kind: "interrupts", text: md`the GPUs of ${pair.was} are cut anew: ${prose(words(pair.base))} before, ${prose(words(pair.head))} after. \`up\` refuses while one is in use, and switching MIG mode may take a reboot.` }];
}

function k3sHazards({ steps }: Comparison): Hazard[] {
  const restarted = steps.filter(({ op, type, parent }) => op === "update" && type === "command:remote:Command" && parent.includes("rackwright:cluster:K3sNode")).map(({ name }) => name.replace(/-k3s$/, ""));
  if (restarted.length === 0) return [];
  return [{ kind: "interrupts", text: md`k3s is configured anew on ${serversWords(restarted)} and restarts where that changes it. Pods live on; the API server of a single control plane does not answer meanwhile.` }];
}

/** What happens to servers. */
export function hostHazards(comparison: Comparison): Hazard[] {
  const outages = grouped(outagesOf(comparison)).flatMap((group): Hazard[] => {
    const [first] = group;
    if (first === undefined || first.kind === "loses its hot tier") return [];
    return [{ kind: "interrupts", text: sentences[first.kind](serversWords(group.map(({ server }) => server)), first.reason, group.length > 1) }];
  });
  const { kept, renamed } = comparison.servers;
  return [...outages, ...[...kept, ...renamed].flatMap(migHazards), ...k3sHazards(comparison)];
}
