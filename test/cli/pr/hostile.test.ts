import { beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import { renderComment } from "../../../cli/pr/comment";
import { planSource, type PlannedSource } from "../../../cli/pr/plan-side";
import { review } from "../../../cli/pr/review";
import { toJson } from "../../../cli/pr/json";
import { environmentSchema, parseEnvironment, type EnvironmentInput } from "../../../components/environment";
import { labEnvironment, stackText } from "./fixture";
import { faults } from "./inert";
import { payloads, worst } from "./payloads";

type Keys = (string | number)[];

/** A stand-in for a name under which a record is looked into. */
const anyName = "*";

/** Every place in the model that holds text, with `*` for the names of records. */
function* textPlaces(schema: z.core.$ZodType, keys: Keys = []): Generator<Keys> {
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodDefault || schema instanceof z.ZodPrefault) yield* textPlaces(schema.unwrap(), keys);
  else if (schema instanceof z.ZodObject) for (const [key, inner] of Object.entries<z.core.$ZodType>(schema.shape)) yield* textPlaces(inner, [...keys, key]);
  else if (schema instanceof z.ZodRecord) yield* textPlaces(schema.valueType, [...keys, anyName]);
  else if (schema instanceof z.ZodArray) yield* textPlaces(schema.element, [...keys, 0]);
  else if (schema instanceof z.ZodDiscriminatedUnion) for (const option of schema.options) yield* textPlaces(option, keys);
  else if (["string", "enum", "unknown"].includes(schema._zod.def.type)) yield keys;
}

/** An environment with something in every optional part. */
function fullEnvironment(): EnvironmentInput {
  const lab = labEnvironment();
  const [first, second] = [lab.servers["gpu-01"], lab.servers["gpu-02"]];
  if (first === undefined || second === undefined) throw new Error("the lab has two servers");
  Object.assign(first, { labels: { "example.org/room": "a" }, taints: [{ key: "example.org/room", value: "a", effect: "PreferNoSchedule" }] });
  const targets = [{ metric: "latency", before: "87 ms", after: "23 ms", measuredAt: "the client" }];
  return {
    ...lab,
    site: { ...lab.site, description: "A lab", mirror: { apt: "https://mirror.example.org/apt", images: "registry.example.org/mirror", files: "https://mirror.example.org/files" }, objectStore: { endpoint: "https://s3.example.org", bucket: "lab" } },
    ssh: { user: "ops", bastion: { address: "bastion.example.org", hostKey: first.hostKey } },
    services: { assistant: { ...lab.services?.["assistant"], model: "qwen2.5-7b", hostname: "assistant.example.org", targets } },
    training: { job: { servers: ["gpu-02"], command: ["python3", "train.py"], gpusPerServer: 1 } },
    monitoring: {
      receivers: { ops: { kind: "webhook", url: "https://alerts.example.org/hook" }, mail: { kind: "email", to: "ops@example.org" }, chat: { kind: "chat", channel: "#ops" } },
      smtp: { server: "mail.example.org", from: "gpu@example.org", user: "gpu" },
      grafana: { hostname: "grafana.example.org" },
    },
  };
}

/** A copy with one place set; undefined where the way to it cannot be made. */
function withText(environment: EnvironmentInput, keys: Keys, text: string): EnvironmentInput {
  const copy = structuredClone(environment) as unknown as Record<string, unknown>;
  let at: Record<string | number, unknown> = copy;
  for (const [index, key] of keys.entries()) {
    const name = key === anyName ? (Object.keys(at)[0] ?? "x") : key;
    if (index === keys.length - 1) at[name] = text;
    else {
      const next = at[name];
      at[name] = typeof next === "object" && next !== null ? next : typeof keys[index + 1] === "number" ? [] : {};
      at = at[name] as Record<string | number, unknown>;
    }
  }
  return copy as unknown as EnvironmentInput;
}

const places = [...new Map([...textPlaces(environmentSchema)].map((keys) => [keys.join("."), keys])).values()];
/** Where the model takes any text at all. */
const free = places.filter((keys) => parseEnvironment(withText(fullEnvironment(), keys, worst.slice(0, 190))).ok || parseEnvironment(withText(fullEnvironment(), keys, payloads[0] ?? "")).ok);

function planned(environment: EnvironmentInput, withPreview = false): Promise<PlannedSource> {
  return planSource({ name: "lab", file: "stacks/Pulumi.lab.yaml", key: "", text: stackText(environment), faults: [] }, { withPreview });
}

let base: PlannedSource;
beforeAll(async () => {
  base = await planned(fullEnvironment());
});

function commentOn(head: PlannedSource): string {
  // The engine's events of the head are taken as a log's: one run of it is enough to see what it makes of such names.
  return renderComment({ base: "main", head: "hostile", unchanged: 0, reviews: [review("lab", { base, head }, head.preview)] });
}

describe("a hostile environment", () => {
  it("is looked for in every place of the model that holds text", () => {
    expect(base.problems).toEqual([]);
    expect(places.length).toBeGreaterThan(90);
    expect(free.map((keys) => keys.join("."))).toEqual(expect.arrayContaining(["site.description", "services.*.targets.0.metric", "services.*.targets.0.before", "services.*.targets.0.after", "services.*.targets.0.measuredAt", "training.*.command.0", "monitoring.smtp.user"]));
  });

  it("renders inert with all free places hostile at once, with what the engine makes of it", async () => {
    let environment = fullEnvironment();
    for (const keys of free) {
      const next = withText(environment, keys, payloads[11] ?? "");
      if (parseEnvironment(next).ok) environment = next;
    }
    // Texts long enough to hold everything.
    environment = withText(withText(withText(environment, ["site", "description"], worst.slice(0, 490)), ["services", "assistant", "targets", 0, "metric"], worst), ["training", "job", "command", 1], worst);
    const head = await planned(environment, true);
    const comment = commentOn(head);
    expect(head.preview).toBeDefined();
    expect(comment).toContain("Resources in the stack");
    expect(comment).toContain("training.job.command");
    expect(comment).toContain("site.description");
    expect(faults(comment)).toEqual([]);
    expect(JSON.stringify(toJson({ base: "a", head: "b", unchanged: 0, reviews: [review("lab", { base, head })] }, ""))).not.toMatch(/[\u202a-\u202e]/);
  });

  it.each(payloads)("renders inert with %j in all free places", async (payload) => {
    let [environment, taken] = [fullEnvironment(), 0];
    for (const keys of free) {
      const next = withText(environment, keys, payload);
      if (!parseEnvironment(next).ok) continue;
      environment = next;
      taken++;
    }
    expect(taken).toBeGreaterThan(4);
    expect(faults(commentOn(await planned(environment)))).toEqual([]);
  });

  it("renders inert where a place refuses what it is given, and says so", async () => {
    const refused = places.filter((keys) => !free.includes(keys));
    const sampled = process.env["RACKWRIGHT_FULL"] === "1" ? refused : refused.filter((_, index) => index % 6 === 0);
    for (const keys of sampled) {
      const head = await planned(withText(fullEnvironment(), keys, worst));
      const comment = commentOn(head);
      expect(head.problems.length, keys.join(".")).toBeGreaterThan(0);
      expect(faults(comment), keys.join(".")).toEqual([]);
      expect(comment).toContain("Cannot be made as written");
    }
  });

  it("renders inert with hostile names, keys and YAML", async () => {
    const records: Keys[] = [["servers"], ["services"], ["training"], ["site", "racks"], ["monitoring", "receivers"], ["servers", "gpu-01", "drives"], ["servers", "gpu-01", "labels"], ["site"], []];
    for (const keys of records) expect(faults(commentOn(await planned(withText(fullEnvironment(), [...keys, worst.slice(0, 300)], "x")))), keys.join(".")).toEqual([]);
    for (const text of [...payloads.map((payload) => `config:\n  ${payload}`), `config: {"${worst.replaceAll('"', "")}": 1}`, "config: *x", "\u0000"]) {
      const head = await planSource({ name: "lab", file: "stacks/Pulumi.lab.yaml", key: "", text, faults: [] }, { withPreview: false });
      expect(head.problems.length).toBeGreaterThan(0);
      expect(faults(commentOn(head)), text).toEqual([]);
    }
  });
});
