import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { modelsClaim } from "../../components/cluster/names";
import { listEnvironments, mountOf, parseEnvironment, type Environment, type EnvironmentInput } from "../../components/environment";
import { planWorkloads } from "../../components/inference";
import { layoutLabels } from "../../components/inference/model-store/network";
import { modelsOn } from "../../components/inference/model-store/models";
import { planModelStore } from "../../components/inference/model-store/plan";
import { sourceFor } from "../../components/inference/model-store/source";
import { planServer } from "../../components/servers";
import { shipped, stacks } from "../policies/recordings";
import { generatedEnvironment } from "../support/environments";
import { registered, type Registered } from "../support/registered";

const environments = listEnvironments(stacks);

/** Mounts of all hot tiers, by server. */
function hotMounts({ servers }: Environment): Map<string, string> {
  return new Map(Object.entries(servers).flatMap(([name, { tiers: { hot } }]) => (hot === undefined ? [] : [[name, mountOf("hot", hot)] as const])));
}

const isOn = (path: string, mounts: Iterable<string>): boolean => [...mounts].some((mount) => path === mount || path.startsWith(`${mount}/`));

/** Everything that is planned to be put on hot tiers, and where it can be had again; undefined where it cannot. */
function contents(environment: Environment): { what: string; source: string | undefined }[] {
  const workloads = planWorkloads(environment);
  return [...hotMounts(environment).keys()].flatMap((server) => {
    const source = sourceFor(environment, server);
    const kept = source === undefined || (source.kind === "directory" && isOn(source.path, hotMounts(environment).values())) ? undefined : source.kind === "directory" ? source.path : source.kind;
    const fromHub = Object.values(workloads.services).filter(({ spec, workloads: replicas }) => spec.weights.from === "hub" && replicas.some(({ servers }) => servers.includes(server)));
    return [
      ...modelsOn(workloads, server).map(({ folder }) => ({ what: `${server} models/${folder}`, source: kept })),
      // Engines fetch these by themselves, and again.
      ...fromHub.map(({ name }) => ({ what: `${server} models of ${name}`, source: environment.site.internetAccess ? "hub" : undefined })),
    ];
  });
}

/** Folders that the steps make on the hot tiers for workloads. */
function folders(environment: Environment): string[] {
  return [...hotMounts(environment).keys()].flatMap((server) => {
    const step = planServer(environment, server).steps.find(({ name }) => name === `${server}-hot`);
    return (step?.args ?? []).flatMap((arg, index, args) => (args[index - 1] === "--folder" ? [arg] : []));
  });
}

interface Volume {
  persistentVolumeClaim?: { claimName: string; readOnly?: boolean };
  hostPath?: { path: string };
}

interface PersistentVolume {
  metadata: { name: string };
  spec: { local?: { path: string } };
}

/** Volumes on hot tiers. Each is bound to the claim of its own name. */
function volumesOn(resources: readonly Registered[], mounts: readonly string[]): { claim: string; path: string }[] {
  return resources
    .filter(({ type }) => type === "kubernetes:core/v1:PersistentVolume")
    .map(({ spec }) => spec as PersistentVolume)
    .flatMap(({ metadata, spec: { local } }) => (local !== undefined && isOn(local.path, mounts) ? [{ claim: metadata.name, path: local.path }] : []));
}

/** Every pod that a registered object starts, with its volumes. */
function podsOf(resources: readonly Registered[]): { owner: string; layout: boolean; volumes: Volume[] }[] {
  const pods: { owner: string; layout: boolean; volumes: Volume[] }[] = [];
  const visit = (owner: string, value: unknown): void => {
    if (Array.isArray(value)) for (const each of value) visit(owner, each);
    if (Array.isArray(value) || typeof value !== "object" || value === null) return;
    const { metadata, spec } = value as { metadata?: { labels?: Record<string, string> }; spec?: { containers?: unknown; volumes?: Volume[] } };
    if (Array.isArray(spec?.containers)) pods.push({ owner, layout: Object.entries(layoutLabels).every(([key, label]) => metadata?.labels?.[key] === label), volumes: spec.volumes ?? [] });
    Object.values(value).forEach((each) => visit(owner, each));
  };
  for (const { name, spec } of resources.filter(({ type: kind }) => kind.startsWith("kubernetes:"))) visit(name, spec);
  return pods;
}

/** Who may write to a hot tier besides the layout, and to what. */
function writers(resources: readonly Registered[], mounts: readonly string[]): string[] {
  const claims = new Set(volumesOn(resources, mounts).map(({ claim }) => claim));
  return podsOf(resources).flatMap(({ owner, layout, volumes }) =>
    volumes.flatMap(({ persistentVolumeClaim: claim, hostPath }) => {
      if (hostPath !== undefined && isOn(hostPath.path, mounts)) return [`${owner}: ${hostPath.path}`];
      return claim !== undefined && claims.has(claim.claimName) && claim.readOnly !== true && !layout ? [`${owner}: ${claim.claimName}`] : [];
    }),
  );
}

describe.each(environments)("the hot tiers of %s", (name) => {
  const environment = shipped(name);
  const mounts = [...hotMounts(environment).values()];

  it("are there, and hold nothing without a source elsewhere", () => {
    expect(mounts.length).toBeGreaterThan(0);
    expect(contents(environment).filter(({ source }) => source === undefined)).toEqual([]);
    expect(contents(environment).length).toBeGreaterThan(0);
  });

  it("get the folder of the models from the steps, and nothing else", () => {
    expect(new Set(folders(environment))).toEqual(new Set(["models"]));
    for (const server of Object.keys(environment.servers)) {
      const { steps, clusterSteps, recoverySteps } = planServer(environment, server);
      for (const { kind, args } of [...steps, ...clusterSteps, ...recoverySteps]) {
        const named = args.filter((arg) => mounts.some((mount) => arg.includes(mount)));
        // The tier itself, and who watches it.
        if (kind === "storage-tier" || kind === "monitoring") expect(named.filter((arg) => !mounts.includes(arg) && !/^hot:/.test(arg))).toEqual([]);
        else expect(named).toEqual([]);
      }
    }
  });

  it("are written to by the layout alone", async () => {
    const resources = await registered(name, environment);
    expect(new Set(volumesOn(resources, mounts).map(({ path }) => path))).toEqual(new Set(mounts.map((mount) => `${mount}/models`)));
    expect(podsOf(resources).filter(({ layout }) => layout).length).toBeGreaterThan(0);
    expect(writers(resources, mounts)).toEqual([]);
  });
});

const lone: EnvironmentInput = generatedEnvironment(1);
const served = (change: Partial<EnvironmentInput>): EnvironmentInput => ({ ...lone, services: { chat: { model: "qwen2.5-7b" } }, cluster: { distribution: "existing" }, ...change });
const parsed = (input: EnvironmentInput): Environment => {
  const result = parseEnvironment(input);
  if (!result.ok) throw new Error(JSON.stringify(result.problems));
  return result.environment;
};
const problemsOf = (input: EnvironmentInput): string[] => {
  const result = parseEnvironment(input);
  if (!result.ok) return result.problems.map(({ path }) => path);
  return planModelStore(result.environment, planWorkloads(result.environment)).findings.map(({ keys }) => keys.join("."));
};
const { objectStore: _objectStore, ...noStore } = lone.site;

describe("nothing that exists only on a hot tier is accepted", () => {
  it("of weights whose store is on it", () => {
    expect(problemsOf(served({ site: { ...noStore, modelStore: { kind: "directory", path: "/srv/hot/models" } } }))).toContain("site.modelStore.path");
    expect(contents(parsed(served({ site: { ...noStore, modelStore: { kind: "directory", path: "/srv/hot/models" } } }))).map(({ source }) => source)).toEqual([undefined]);
  });

  it("of weights that come from nowhere", () => {
    const servers = Object.fromEntries(Object.entries(lone.servers).map(([name, server]) => [name, { ...server, tiers: { hot: server.tiers?.hot } }]));
    expect(problemsOf(served({ site: noStore, servers, monitoring: { enabled: false } }))).toContain("servers.gpu-0001.tiers");
  });

  it.each([
    ["checkpoints", { checkpoints: { tier: "hot" } }, "recovery.checkpoints.tier"],
    ["the images of a cold start", { coldStart: { imagesTier: "hot" } }, "recovery.coldStart.imagesTier"],
  ])("of %s", (_what, recovery, path) => {
    expect(problemsOf({ ...lone, recovery } as unknown as EnvironmentInput)).toContain(path);
  });

  it("of what a pod writes there: it is found", async () => {
    const environment = parsed(served({}));
    const resources = await registered("lone", environment);
    const pod = (volume: object): Registered => ({ type: "kubernetes:apps/v1:Deployment", name: "cache", spec: { spec: { template: { metadata: {}, spec: { containers: [{ name: "cache" }], volumes: [volume] } } } } });
    const claimName = modelsClaim("gpu-0001");
    const found = (volume: object): string[] => writers([...resources, pod(volume)], ["/srv/hot"]);
    expect(found({ emptyDir: {} })).toEqual([]);
    expect(found({ persistentVolumeClaim: { claimName, readOnly: true } })).toEqual([]);
    expect(found({ persistentVolumeClaim: { claimName } })).toEqual([`cache: ${claimName}`]);
    expect(found({ hostPath: { path: "/srv/hot/cache" } })).toEqual(["cache: /srv/hot/cache"]);
  });

  it("of what an engine fetches from a hub: it can be fetched again, or the site cannot be made", async () => {
    const hub = { services: { chat: { model: "qwen2.5-7b", weights: { from: "hub" as const, folder: "own/model" } } } };
    const open = parsed(served({ ...hub, site: { ...lone.site, internetAccess: true } }));
    expect(contents(open).map(({ source }) => source)).toEqual(["hub"]);
    expect(writers(await registered("lone", open), ["/srv/hot"])).toEqual([`deployment-inference-chat-gpu-0001: ${modelsClaim("gpu-0001")}`]);
    expect(problemsOf(served(hub))).toContain("services.chat.weights.from");
  });

  it("wherever weights are kept: each content has a source that is on no hot tier", () => {
    const store = fc.constantFrom<Partial<EnvironmentInput["site"]>>(
      {},
      { objectStore: { endpoint: "https://s3.example.org", bucket: "weights" } },
      { modelStore: { kind: "nfs", server: "10.0.0.9", path: "/export" } },
      { modelStore: { kind: "directory", path: "/srv/warm/own" } },
      { modelStore: { kind: "directory", path: "/srv/hot/own" } },
      { modelStore: { kind: "directory", path: "/fast" } },
    );
    const mount = fc.constantFrom(undefined, "/fast", "/srv/hot");
    const hasWarm = fc.boolean();
    const outcomes = { accepted: 0, refused: 0 };
    fc.assert(
      fc.property(store, mount, hasWarm, (site, hotMount, withWarm) => {
        const servers = Object.fromEntries(Object.entries(lone.servers).map(([name, server]) => [name, { ...server, tiers: { hot: { ...server.tiers?.hot, ...(hotMount === undefined ? {} : { mount: hotMount }) }, ...(withWarm ? { warm: server.tiers?.warm } : {}) } }]));
        const input = served({ site: { ...noStore, ...site }, servers, monitoring: { enabled: false } } as Partial<EnvironmentInput>);
        const result = parseEnvironment(input);
        if (!result.ok || problemsOf(input).length > 0) {
          outcomes.refused += 1;
          return;
        }
        outcomes.accepted += 1;
        expect(contents(result.environment).filter(({ source }) => source === undefined)).toEqual([]);
        expect(contents(result.environment).length).toBeGreaterThan(0);
      }),
    );
    expect(outcomes.accepted).toBeGreaterThan(10);
    expect(outcomes.refused).toBeGreaterThan(10);
  });
});
