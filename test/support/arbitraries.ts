import fc from "fast-check";
import { cpuCatalog, gpu, gpuCatalog, modelCatalog } from "../../components/catalog";
import type { EnvironmentInput } from "../../components/environment";
import { hostKey } from "./environments";

type ServerInput = EnvironmentInput["servers"][string];
type TierInput = NonNullable<NonNullable<ServerInput["tiers"]>["hot"]>;

/** Keys that are absent as often as present. */
const maybe = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> => fc.option(arbitrary, { nil: undefined });

/** Leaves keys out whose value is undefined, as a YAML file would. */
function withoutAbsent<T extends object>(value: T): T {
  return Object.fromEntries(Object.entries(value).filter(([, entry]) => entry !== undefined)) as T;
}

/** Levels that a number of drives allows. */
function levelsOf(drives: number): TierInput["level"][] {
  if (drives === 1) return ["single"];
  const levels: TierInput["level"][] = ["raid0", "raid1"];
  if (drives >= 3) levels.push("raid5");
  if (drives >= 4) levels.push("raid6");
  if (drives >= 4 && drives % 2 === 0) levels.push("raid10");
  return levels;
}

const gpus = fc
  .constantFrom(...Object.keys(gpuCatalog))
  .chain((model) => {
    const kind = gpu(model)?.nvlink.kind ?? "none";
    const profiles = gpu(model)?.mig?.profiles ?? [];
    const nvlink = kind === "nvswitch" ? fc.constant("nvswitch" as const) : kind === "bridge" ? fc.constantFrom("none" as const, "bridge" as const) : fc.constant("none" as const);
    const mig = profiles.length === 0 ? fc.constant(undefined) : maybe(fc.constantFrom(...profiles));
    return fc.record({ model: fc.constant(model), count: fc.constantFrom(2, 4, 8), nvlink, mig });
  })
  .map(withoutAbsent);

const kinds = { hot: "nvme", warm: "sata-ssd", cold: "hdd" } as const;

function server(index: number): fc.Arbitrary<ServerInput> {
  const tier = fc.integer({ min: 1, max: 6 }).chain((drives) => fc.record({ drives: fc.constant(drives), level: fc.constantFrom(...levelsOf(drives)) }));
  return fc
    .record({
      cpu: fc.constantFrom(...Object.keys(cpuCatalog)),
      sockets: fc.constantFrom(1, 2),
      memoryGiB: fc.integer({ min: 16, max: 4096 }),
      gpus: maybe(gpus),
      port: maybe(fc.integer({ min: 1, max: 65535 })),
      nics: fc.uniqueArray(fc.constantFrom("eno1", "eno2", "ibs0", "ens5f0np0"), { maxLength: 3 }),
      tiers: fc.record({ hot: maybe(tier), warm: maybe(tier), cold: maybe(tier) }),
    })
    .map(({ cpu, sockets, memoryGiB, gpus: cards, port, nics, tiers }) => {
      const drives: NonNullable<ServerInput["drives"]> = {};
      const built: Partial<Record<keyof typeof kinds, TierInput>> = {};
      for (const name of ["hot", "warm", "cold"] as const) {
        const wanted = tiers[name];
        if (wanted === undefined) continue;
        const ids = Array.from({ length: wanted.drives }, (_, drive) => `${name}-MODEL_SN${index}X${drive}`);
        for (const id of ids) drives[id] = { kind: kinds[name], capacityGB: 1920 };
        built[name] = { level: wanted.level, drives: ids };
      }
      return withoutAbsent<ServerInput>({
        address: `192.0.2.${index + 1}`,
        hostKey: hostKey(`arbitrary-${index}`),
        rack: { name: "rack-a", unit: 1 + 4 * index, heightUnits: 4 },
        cpu: { model: cpu, sockets },
        memoryGiB,
        pcieGeneration: 4,
        nics: Object.fromEntries(nics.map((nic) => [nic, { speedGbps: 25 }])),
        drives,
        tiers: built,
        ...(cards === undefined ? {} : { gpus: cards }),
        ...(port === undefined ? {} : { port }),
      });
    });
}

const service = fc
  .record({
    model: fc.constantFrom(...Object.keys(modelCatalog), "/models/own", "./models/own"),
    engine: maybe(fc.constantFrom("auto" as const, "vllm" as const, "triton" as const)),
    precision: maybe(fc.constantFrom("bf16" as const, "fp8" as const, "int4" as const)),
    concurrency: maybe(fc.integer({ min: 1, max: 64 })),
    replicas: maybe(fc.integer({ min: 1, max: 4 })),
    accelerators: maybe(fc.constant<string[]>(["cpu"])),
  })
  .map(withoutAbsent);

/** Environments that must be accepted: one to six servers, with and without each optional part. */
export const validEnvironment: fc.Arbitrary<EnvironmentInput> = fc.integer({ min: 1, max: 6 }).chain((size) =>
  fc
    .record({
      servers: fc.tuple(...Array.from({ length: size }, (_, index) => server(index))),
      services: fc.array(service, { maxLength: 3 }),
      branch: maybe(fc.constantFrom("580" as const, "595" as const)),
      budget: maybe(fc.record({ min: fc.integer({ min: 0, max: 1000 }), max: fc.integer({ min: 1000, max: 9000 }) })),
      bastion: fc.boolean(),
      training: fc.boolean(),
      receivers: fc.boolean(),
    })
    .map(({ servers, services, branch, budget, bastion, training, receivers }) =>
      withoutAbsent<EnvironmentInput>({
        site: withoutAbsent({ name: "lab", internetAccess: true, budget, racks: { "rack-a": {} }, mirror: { apt: "https://mirror.example.org/apt" } }),
        ssh: { user: "ops", ...(bastion ? { bastion: { address: "bastion.example.org", hostKey: hostKey("bastion") } } : {}) },
        ...(branch === undefined ? {} : { software: { driver: { branch } } }),
        servers: Object.fromEntries(servers.map((entry, index) => [`server-${index + 1}`, index === 0 ? { ...entry, roles: ["worker", "control-plane"] } : entry])),
        cluster: { distribution: "k3s", controlPlane: ["server-1"] },
        services: Object.fromEntries(services.map((entry, index) => [`service-${index + 1}`, entry])),
        ...(training ? { training: { job: { servers: ["server-1"], command: ["python3", "train.py"] } } } : {}),
        ...(receivers ? { monitoring: { receivers: { "on-call": { kind: "webhook", url: "https://alerts.example.org/hook?to=gpu" } } } } : {}),
      }),
    ),
);
