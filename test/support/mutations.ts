import fc from "fast-check";

/** A place in an environment: keys from the top. */
export type Place = readonly (string | number)[];

/** An environment made wrong, where, and in what way. */
export interface Mutation {
  name: string;
  environment: unknown;
  /** Absent where the fault is between places, or is the whole. */
  place?: Place;
}

interface Spot {
  place: Place;
  value: unknown;
}

function spots(value: unknown, place: Place = []): Spot[] {
  const own: Spot[] = place.length === 0 ? [] : [{ place, value }];
  if (Array.isArray(value)) return [...own, ...value.flatMap((entry, index) => spots(entry, [...place, index]))];
  if (typeof value === "object" && value !== null) return [...own, ...Object.entries(value).flatMap(([key, entry]) => spots(entry, [...place, key]))];
  return own;
}

function edited(environment: unknown, place: Place, edit: (parent: Record<string | number, unknown>, key: string | number) => void): unknown {
  const copy = structuredClone(environment);
  let parent = copy as Record<string | number, unknown>;
  for (const key of place.slice(0, -1)) parent = parent[key] as Record<string | number, unknown>;
  const last = place.at(-1);
  if (last !== undefined) edit(parent, last);
  return copy;
}

const replaced = (environment: unknown, place: Place, value: unknown): unknown => edited(environment, place, (parent, key) => (parent[key] = value));

function nested(depth: number, list: boolean): unknown {
  let value: unknown = 1;
  for (let i = 0; i < depth; i++) value = list ? [value] : { deeper: value };
  return value;
}

function cycle(): unknown {
  const loop: Record<string, unknown> = {};
  loop.loop = loop;
  return loop;
}

/** Text that no name, address, id or path may be. */
const hostileTexts = [
  "", " ", "$(reboot)", "`id`", "a; rm -rf /", "a\nb", "a\u0000b", "\u001b[2J", "../../etc/passwd", "__proto__", "toString",
  "%s%n", "\ud800", "🖥️", "'\"<script>", "x".repeat(100_000), "{{ 7*7 }}", "-oProxyCommand=id", "\u202egnp.exe",
];
/** Places whose text is free. */
const freeText = /^(training\.[^.]+\.command|site\.description)/;

type Maker = (environment: object, all: readonly Spot[]) => fc.Arbitrary<Mutation | undefined>;

/** Mutates one of the spots that fit; nothing where none does. */
function atSpot(name: string, fits: (spot: Spot) => boolean, edit: (environment: object, spot: Spot) => fc.Arbitrary<{ environment: unknown; place?: Place }>): Maker {
  return (environment, all) => {
    const fitting = all.filter(fits);
    if (fitting.length === 0) return fc.constant(undefined);
    return fc.constantFrom(...fitting).chain((spot) => edit(environment, spot).map((result) => ({ name, place: spot.place, ...result })));
  };
}

const isMapping = (value: unknown): value is Record<string, unknown> => typeof value === "object" && value !== null && !Array.isArray(value);
const is = (type: string) => (spot: Spot): boolean => typeof spot.value === type;
const anywhere = (): boolean => true;
const put = (name: string, fits: (spot: Spot) => boolean, ...values: readonly unknown[]): Maker =>
  atSpot(name, fits, (environment, { place }) => fc.constantFrom(...values).map((value) => ({ environment: replaced(environment, place, value) })));

const required = new Set(["site", "servers", "name", "address", "hostKey", "cpu", "memoryGiB", "pcieGeneration", "kind", "capacityGB", "level", "drives", "speedGbps", "unit", "model", "count", "min", "command", "url"]);
/** Under these, `name`, `drives` and the like are not the required key of that name. */
function isRequired({ place }: Spot): boolean {
  const key = place.at(-1);
  if (typeof key !== "string" || !required.has(key)) return false;
  return !(key === "drives" && place.length === 3);
}

const makers: Maker[] = [
  put("null", anywhere, null),
  put("a number instead of text", is("string"), 12345, 0, true),
  put("text instead of a number", is("number"), "many", "", "1e3", true, [1]),
  put("text instead of true or false", is("boolean"), "yes", 1),
  put("a number that is none", is("number"), Number.NaN, Infinity, -Infinity),
  put("a number out of range", is("number"), -1, -0.5, -(2 ** 60)),
  put("a mapping of unknown keys", anywhere, { zz_unknown: 1 }),
  put("deep nesting", anywhere, nested(100, true), nested(100, false), nested(5000, false)),
  put("a cycle", anywhere, cycle()),
  put("a huge list", anywhere, Array.from({ length: 20_000 }, () => "x"), new Array<string>(1_000_000)),
  put("not plain data", anywhere, new Date(0), new Map(), () => 1, Symbol("x"), 1n, Buffer.from("x")),
  atSpot("hostile text", (spot) => typeof spot.value === "string" && !freeText.test(spot.place.join(".")), (environment, { place }) =>
    fc.constantFrom(...hostileTexts).map((text) => ({ environment: replaced(environment, place, text) }))),
  atSpot("an unknown key", ({ value }) => isMapping(value), (environment, { place }) =>
    fc.constantFrom("zz_unknown", "zz unknown", "zz.unknown", "", "🖥️", "a\nb").map((key) => ({
      environment: edited(environment, [...place, key], (parent) => (parent[key] = 1)),
      place: [...place, key],
    }))),
  atSpot("a reserved key", ({ value }) => isMapping(value), (environment, { place }) =>
    fc.constantFrom("__proto__", "constructor", "prototype").map((key) => ({
      environment: edited(environment, [...place, key], (parent) => Object.defineProperty(parent, key, { value: { polluted: true }, enumerable: true, configurable: true, writable: true })),
      place: [...place, key],
    }))),
  atSpot("a misspelt key", ({ place }) => typeof place.at(-1) === "string" && !["nics", "drives"].includes(String(place.at(-2))), (environment, { place, value }) =>
    fc.constant({
      environment: edited(environment, place, (parent, key) => {
        Reflect.deleteProperty(parent, key);
        parent[`${String(key)}_`] = value;
      }),
      place: [...place.slice(0, -1), `${String(place.at(-1))}_`],
    })),
  atSpot("a missing key", isRequired, (environment, { place }) => fc.constant({ environment: edited(environment, place, (parent, key) => Reflect.deleteProperty(parent, key)) })),
  atSpot("an entry twice", ({ place }) => ["drives", "controlPlane"].includes(String(place.at(-1))) && ["hot", "warm", "cold", "cluster"].includes(String(place.at(-2))), (environment, { place, value }) => {
    const list = value as unknown[];
    return fc.constant({ environment: replaced(environment, place, [...list, list[0]]) });
  }),
  atSpot("an address twice", ({ place }) => place.length === 2 && place[0] === "servers", (environment, { place, value }) =>
    fc.constant({ environment: edited(environment, ["servers", "zz-copy"], (parent, key) => (parent[key] = { ...(value as object), rack: undefined, drives: {}, tiers: {} })), place: ["servers", place[1] === "zz-copy" ? "zz" : "zz-copy"] })),
  () => fc.constantFrom<unknown>(null, undefined, 1, "text", true, [], [1], Number.NaN, () => 1, new Date(0), {}).map((environment) => ({ name: "no environment at all", environment })),
];

/** A valid environment with one thing made wrong. */
export function mutated(environment: object): fc.Arbitrary<Mutation> {
  const all = spots(environment);
  return fc
    .constantFrom(...makers)
    .chain((make) => make(environment, all))
    .filter((mutation) => mutation !== undefined);
}
