/**
 * How long the policy pack takes with so many resources, and how much memory: `npm run bench:policies [resources …]`.
 * The pack runs in a process of its own and is asked as a plan asks it, eight resources at a time.
 */
import { readFileSync } from "node:fs";
import * as path from "node:path";
import { policyPackDir, projectRoot } from "../cli/project";
import { table } from "../cli/table";
import { loadStackFile } from "../components/environment";
import { PolicyPack, type PolicySubject } from "../engine/policy-pack";
import { projectSettings } from "../engine/program";
import type { PropertyMap } from "../engine/values";
import { hostKey } from "../test/support/environments";
import { registered, type Registered } from "../test/support/registered";
import type { SiteSpec } from "../policies/specs";

const atOnce = 8;
const shape = "large-cluster";

interface Row {
  resources: number;
  servers: number;
  startSeconds: number;
  seconds: number;
  /** Of the pack's process, while it answered. */
  cpuSeconds: number;
  packMiB: number;
}

/** The site of one environment, as often as it takes for so many resources: all its servers are in one spec. */
function site({ spec, ...resource }: Registered, copies: number): Registered {
  const one = spec as SiteSpec;
  const { limitWatts: _limit, ...power } = one.site.power;
  const all = <T>(record: Readonly<Record<string, T>>, change: (value: T, name: string, copy: number) => T): Record<string, T> =>
    Object.fromEntries(Array.from({ length: copies }, (_, copy) => Object.entries(record).map(([name, value]) => [`${name}-${copy}`, change(value, `${name}-${copy}`, copy)] as const)).flat());
  const many: SiteSpec = {
    ...one,
    site: { ...one.site, power, racks: all(one.site.racks, (rack) => rack) },
    servers: all(one.servers, (server, name, copy) => ({ ...server, hostKey: hostKey(name), ...(server.rack === undefined ? {} : { rack: { ...server.rack, name: `${server.rack.name}-${copy}` } }) })),
    services: all(one.services, (service) => service),
    training: all(one.training, (job, _name, copy) => ({ ...job, servers: job.servers.map((server) => `${server}-${copy}`) })),
  };
  return { ...resource, spec: many };
}

function subject({ type, name, spec }: Registered, index: number): PolicySubject {
  const urn = `urn:pulumi:bench::rackwright::${type}::${name}-${index}`;
  const properties = JSON.parse(JSON.stringify(spec)) as PropertyMap;
  return { state: { urn, type, custom: true, inputs: properties, outputs: {}, dependencies: [], propertyDependencies: {} }, properties, ignoreChanges: [], aliases: [] };
}

/** The process that runs the pack for this one: its most resident memory, and the processor time that it has used. */
function usage(): { packMiB: number; cpuSeconds: number } {
  const children = readFileSync(`/proc/${process.pid}/task/${process.pid}/children`, "utf8").trim().split(" ");
  const pack = children.find((id) => readFileSync(`/proc/${id}/cmdline`, "utf8").includes("run-policy-pack"));
  if (pack === undefined) throw new Error("the policy pack is not among this process's children");
  const peak = /^VmHWM:\s+(\d+)/m.exec(readFileSync(`/proc/${pack}/status`, "utf8"))?.[1];
  // Fields 14 and 15 of proc_pid_stat(5), user and system time, in hundredths of a second on Linux.
  const [user, system] = readFileSync(`/proc/${pack}/stat`, "utf8").split(") ")[1]?.split(" ").slice(11, 13).map(Number) ?? [];
  return { packMiB: Number(peak) / 1024, cpuSeconds: ((user ?? 0) + (system ?? 0)) / 100 };
}

const secondsSince = (started: bigint): number => Number(process.hrtime.bigint() - started) / 1e9;

async function measure(template: readonly Registered[], resources: number): Promise<Row> {
  const first = template.find(({ type }) => type === "rackwright:site:Site");
  if (first === undefined) throw new Error(`${shape} has no site`);
  const others = template.filter((each) => each !== first);
  const copies = Math.ceil((resources - 1) / others.length);
  const whole = site(first, copies);
  const subjects = [whole, ...Array.from({ length: resources - 1 }, (_, index) => others[index % others.length] as Registered)].map(subject);
  const started = process.hrtime.bigint();
  const { ready, close } = PolicyPack.start({
    dir: policyPackDir, config: {}, project: "rackwright", stack: "bench", preview: true, nodePath: process.execPath, nodeArgs: projectSettings(projectRoot).nodeArgs,
    engineAddress: "127.0.0.1:1", stackConfig: {}, onOutput: (line) => process.stderr.write(`${line}\n`),
  });
  try {
    const pack = await ready;
    const startSeconds = secondsSince(started);
    const before = usage().cpuSeconds;
    const asked = process.hrtime.bigint();
    const waiting = subjects.values();
    const worker = async (): Promise<void> => {
      for (const each of waiting) {
        const mandatory = (await pack.analyze(each)).find(({ level }) => level === "mandatory");
        if (mandatory !== undefined) throw new Error(`the bench is to be well: ${mandatory.policyName}: ${mandatory.message}`);
      }
    };
    await Promise.all(Array.from({ length: atOnce }, worker));
    return { resources, servers: Object.keys((whole.spec as SiteSpec).servers).length, startSeconds, seconds: secondsSince(asked), cpuSeconds: usage().cpuSeconds - before, packMiB: usage().packMiB };
  } finally {
    close();
  }
}

async function main(): Promise<void> {
  const asked = process.argv.slice(2).map(Number).filter((count) => count > 1);
  const stack = loadStackFile(path.join(projectRoot, "stacks", `Pulumi.${shape}.yaml`));
  if (!stack.ok) throw new Error(`${shape}: ${JSON.stringify(stack.problems)}`);
  const template = await registered(shape, stack.environment);
  const rows: Row[] = [];
  for (const resources of asked.length > 0 ? asked : [100, 1000, 10000]) {
    process.stderr.write(`asking the pack about ${resources} resources ...\n`);
    rows.push(await measure(template, resources));
  }
  process.stdout.write(
    table([
      ["resources", "servers", "pack starts, s", "seconds", "ms per resource", "pack's CPU, s", "pack MiB"],
      ...rows.map(({ resources, servers, startSeconds, seconds, cpuSeconds, packMiB: memory }) => [String(resources), String(servers), startSeconds.toFixed(1), seconds.toFixed(1), ((seconds * 1000) / resources).toFixed(2), cpuSeconds.toFixed(1), memory.toFixed(0)]),
    ]),
  );
}

void main();
