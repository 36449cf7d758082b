import { model } from "../../components/catalog";
import { pathText } from "../../components/environment/problems";
import { missingSecrets } from "../../components/site/secrets";
import type { ServicePlan, Workload } from "../../components/inference/plan-types";
import { capacity } from "../render/capacity";
import { devices } from "../render/services";
import { joined, listed, md, prose, type Markdown } from "./markdown";
import type { Comparison, ServerPair } from "./pairs";
import type { Side } from "./plan-side";
import { arrayWords, drivesWords, hardwareWords, plural, serversWords } from "./words";

interface Leaf {
  keys: string[];
  before: unknown;
  after: unknown;
}

const isMapping = (value: unknown): value is Record<string, unknown> => typeof value === "object" && value !== null && !Array.isArray(value);
const own = (mapping: Record<string, unknown>, key: string): unknown => (Object.hasOwn(mapping, key) ? mapping[key] : undefined);

/** Where two plain values differ; lists are compared as a whole. */
function leaves(before: unknown, after: unknown, keys: string[] = []): Leaf[] {
  const [old, now] = [before ?? (isMapping(after) ? {} : before), after ?? (isMapping(before) ? {} : after)];
  if (isMapping(old) && isMapping(now)) {
    return [...new Set([...Object.keys(old), ...Object.keys(now)])].flatMap((key) => leaves(own(old, key), own(now, key), [...keys, key]));
  }
  return JSON.stringify(before) === JSON.stringify(after) ? [] : [{ keys, before, after }];
}

const secretName = /secret|password|passphrase|token|private|credential/i;

function shown(value: unknown, keys: readonly string[]): Markdown {
  if (value === undefined) return md`nothing`;
  if (keys.some((key) => secretName.test(key))) return md`[secret]`;
  return md`${inWords(value)}`;
}

/** `key gpu, effect NoSchedule; key b`: lists and mappings without their brackets. */
function inWords(value: unknown): string {
  if (Array.isArray(value)) return value.length === 0 ? "(empty)" : value.map(inWords).join(value.some(isMapping) ? "; " : ", ");
  if (isMapping(value)) return Object.entries(value).map(([key, entry]) => `${key} ${secretName.test(key) ? "[secret]" : inWords(entry)}`).join(", ");
  return String(value);
}

function leafLine({ keys, before, after }: Leaf): Markdown {
  return md`${pathText(keys)}: ${shown(before, keys)} becomes ${shown(after, keys)}`;
}

// ---------------------------------------------------------------- servers

/** Parts of a server that have lines of their own. */
const described = ["cpu", "memoryGiB", "gpus", "npus", "drives", "tiers"];

function driveLines({ was, before, after }: ServerPair): Markdown[] {
  const gone = Object.keys(before.drives).filter((id) => !Object.hasOwn(after.drives, id));
  const come = Object.keys(after.drives).filter((id) => !Object.hasOwn(before.drives, id));
  const resized = Object.keys(after.drives).filter((id) => Object.hasOwn(before.drives, id) && JSON.stringify(before.drives[id]) !== JSON.stringify(after.drives[id]));
  const exchanged = gone.length > 0 && gone.length === come.length;
  if (exchanged) return [md`${was}: ${drivesWords(gone, before)} ${prose(gone.length === 1 ? "makes" : "make")} way for ${drivesWords(come, after)}`];
  return [
    ...(gone.length === 0 ? [] : [md`${was} gives up ${drivesWords(gone, before)}`]),
    ...(come.length === 0 ? [] : [md`${was} gets ${drivesWords(come, after)}`]),
    ...(resized.length === 0 ? [] : [md`${was}: ${drivesWords(resized, before)} is described as ${drivesWords(resized, after)}`]),
  ];
}

function tierLines({ was, base, head, before, after }: ServerPair): Markdown[] {
  const arrived = head.tiers.filter(({ tier }) => !base.tiers.some((old) => old.tier === tier)).map((now) => md`${was} gets a ${prose(now.tier)} tier: ${arrayWords(now, after)}, at ${now.mount}`);
  const others = base.tiers.flatMap((old): Markdown[] => {
    const now = head.tiers.find(({ tier }) => tier === old.tier);
    if (now === undefined) return [md`${was} has no ${prose(old.tier)} tier any more; it was ${arrayWords(old, before)}`];
    const [was_, is] = [arrayWords(old, before), arrayWords(now, after)];
    const reordered = was_.text === is.text && JSON.stringify(old.drives) !== JSON.stringify(now.drives) && JSON.stringify([...old.drives].sort()) === JSON.stringify([...now.drives].sort());
    return [
      ...(was_.text === is.text ? [] : [md`the ${prose(old.tier)} tier of ${was}: ${was_} becomes ${is}`]),
      ...(reordered ? [md`the ${prose(old.tier)} tier of ${was} names the same drives in another order; an array that exists keeps its own`] : []),
    ];
  });
  return [...others, ...arrived];
}

function serverLines(pair: ServerPair): Markdown[] {
  const { was, before, after } = pair;
  const [old, now] = [hardwareWords(before), hardwareWords(after)];
  const rest = leaves(before, after, ["servers", was]).filter(({ keys }) => !described.includes(keys[2] ?? ""));
  const cards = leaves(before.gpus, after.gpus, ["servers", was, "gpus"]).filter(({ keys }) => ["nvlink", "mig", "powerLimitWatts"].includes(keys[3] ?? ""));
  return [...(old.text === now.text ? [] : [md`server ${was}: ${old} becomes ${now}`]), ...driveLines(pair), ...tierLines(pair), ...[...cards, ...rest].map(leafLine)];
}

function allServerLines({ servers: { kept, renamed, added, removed } }: Comparison): Markdown[] {
  return [
    ...added.map(({ name, facts, plan }) => md`server ${name} is added: ${hardwareWords(facts)}${plan.tiers.length === 0 ? md`` : md`; ${joined(plan.tiers.map((tier) => md`${prose(tier.tier)} tier ${arrayWords(tier, facts)}`), "; ")}`}`),
    ...removed.map(({ name, facts }) => md`server ${name} is taken away: ${hardwareWords(facts)}`),
    ...renamed.map(({ was, name }) => md`server ${was} is renamed ${name}`),
    ...[...renamed, ...kept].flatMap(serverLines),
  ];
}

// ---------------------------------------------------------------- services and jobs

function placed({ role, replicas, servers, ...workload }: Workload): Markdown {
  return md`${prose(plural(replicas, role === "standby" ? "standby replica" : "replica"))} on ${serversWords(servers)} (${prose(devices({ role, replicas, servers, ...workload }))})`;
}

function serviceWords({ spec, engine, workloads }: ServicePlan): Markdown {
  const name = model(spec.model)?.name;
  return md`${name === undefined ? md`${spec.model}` : prose(name)} in ${prose(spec.precision)} on ${prose(engine)}: ${listed(workloads.map(placed), 4)}`;
}

function serviceLines({ base, head }: Comparison): Markdown[] {
  const [before, after] = [base.workloads.services, head.workloads.services];
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])];
  return names.flatMap((name): Markdown[] => {
    const [old, now] = [before[name], after[name]];
    if (old === undefined) return now === undefined ? [] : [md`service ${name} is added: ${serviceWords(now)}`];
    if (now === undefined) return [md`service ${name} is taken away; it was ${serviceWords(old)}`];
    const [was, is] = [serviceWords(old), serviceWords(now)];
    const rest = leaves(old.spec, now.spec, ["services", name]).filter(({ keys }) => !["model", "precision", "engine"].includes(keys[2] ?? "")).map(leafLine);
    return [...(was.text === is.text ? [] : [md`service ${name}: ${was} becomes ${is}`]), ...rest];
  });
}

function jobLines({ base, head }: Comparison): Markdown[] {
  const [before, after] = [base.environment.training, head.environment.training];
  return [...new Set([...Object.keys(before), ...Object.keys(after)])].flatMap((name): Markdown[] => {
    const [old, now] = [before[name], after[name]];
    if (old !== undefined && now !== undefined) return leaves(old, now, ["training", name]).map(leafLine);
    return [md`training job ${name} is ${prose(now === undefined ? "taken away" : "added")}: on ${serversWords((now ?? old)?.servers ?? [])}`];
  });
}

// ---------------------------------------------------------------- secrets

function purposes({ environment }: Side): Map<string, string> {
  const known = missingSecrets(environment, {}).map(({ key, purpose }): [string, string] => [`rackwright:${key}`, purpose]);
  return new Map([["rackwright:sshPrivateKey", "every server is reached with it"], ...known]);
}

function secretLines({ base, head }: Comparison): Markdown[] {
  const salted = base.encryptionSalt === head.encryptionSalt ? [] : [md`the passphrase or its salt changes, and with it the ciphertext of every secret`];
  const uses = new Map([...purposes(base), ...purposes(head)]);
  return [...salted, ...[...new Set([...base.secrets.keys(), ...head.secrets.keys()])].sort().flatMap((key): Markdown[] => {
    const [old, now] = [base.secrets.get(key), head.secrets.get(key)];
    if (old === now) return [];
    const what = old === undefined ? "is set" : now === undefined ? "is taken away" : "is encrypted anew; whether its value differs is not looked at";
    const use = uses.get(key);
    return [md`secret ${key} ${prose(what)}${use === undefined ? md`` : md` (${prose(use)})`}`];
  })];
}

/** What differs between two sides, in words: servers, tiers, services, jobs, secrets, then every other setting. */
export function describeChanges(comparison: Comparison): Markdown[] {
  const { base, head } = comparison;
  const others = leaves(base.environment, head.environment).filter(({ keys }) => !["servers", "services", "training"].includes(keys[0] ?? ""));
  return [...allServerLines(comparison), ...serviceLines(comparison), ...jobLines(comparison), ...secretLines(comparison), ...others.map(leafLine)];
}

/** What an environment is, where there is nothing to compare it with. */
export function describeSide({ environment, servers, workloads }: Side): Markdown[] {
  return [
    ...[...servers.values()].flatMap(({ name, tiers }) => {
      const facts = environment.servers[name];
      return facts === undefined ? [] : [md`server ${name}: ${hardwareWords(facts)}${tiers.length === 0 ? md`` : md`; ${prose(capacity(tiers.reduce((sum, { usableGB }) => sum + usableGB, 0)))} in ${prose(plural(tiers.length, "tier"))}`}`];
    }),
    ...Object.values(workloads.services).map((service) => md`service ${service.name}: ${serviceWords(service)}`),
    ...Object.values(workloads.training).map(({ name, servers: on }) => md`training job ${name} on ${serversWords(on)}`),
  ];
}
