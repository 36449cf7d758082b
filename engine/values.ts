/**
 * Property values inside the engine: plain JSON values, and one small class for each thing that JSON cannot say.
 * Values are immutable by convention; functions here return the value they were given when nothing has to change.
 */
export type Value = null | boolean | number | string | Marker | Value[] | PropertyMap;

export interface PropertyMap {
  [key: string]: Value;
}

/** What all special values have in common, so that one `instanceof` tells a special value from a plain object. */
export abstract class Marker {
  abstract readonly kind: "unknown" | "secret" | "asset" | "archive" | "resource";
}

/** A value that is known only after the step that makes it has run. Compare with `=== UNKNOWN`. */
export class Unknown extends Marker {
  readonly kind = "unknown";
}
export const UNKNOWN = new Unknown();

/** A value that is never shown and is encrypted in state. Never nested directly in another secret. */
export class Secret extends Marker {
  readonly kind = "secret";
  constructor(readonly value: Value) {
    super();
  }
}

/** A secret of the state that cannot be decrypted, as in a preview without a passphrase. Equal to every other secret. */
export const SEALED = new Secret("[secret]");

/** A single file: exactly one of text, path and uri is set. `hash` is the SHA-256 of the content, in hex. */
export class Asset extends Marker {
  readonly kind = "asset";
  constructor(
    readonly hash: string,
    readonly source: { text: string } | { path: string } | { uri: string },
  ) {
    super();
  }
}

/** A set of files: a folder or packed file (path), an address (uri) or named assets. `hash` as Pulumi computes it. */
export class Archive extends Marker {
  readonly kind = "archive";
  constructor(
    readonly hash: string,
    readonly source: { assets: { [name: string]: Value } } | { path: string } | { uri: string },
  ) {
    super();
  }
}

/** Another resource passed as a value. An `id` of `UNKNOWN` is one that does not exist yet; components have none. */
export class ResourceReference extends Marker {
  readonly kind = "resource";
  constructor(
    readonly urn: string,
    readonly id: Value | undefined,
    readonly packageVersion: string,
  ) {
    super();
  }
}

export function isMap(value: Value | undefined): value is PropertyMap {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Marker);
}

/** Equality of values as Pulumi sees it: assets and archives by content, secrets by what they hide, unknowns never. */
export function sameValue(a: Value | undefined, b: Value | undefined): boolean {
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return a === b;
  if (a instanceof Marker || b instanceof Marker) return sameMarker(a, b);
  if (Array.isArray(a) || Array.isArray(b)) {
    return Array.isArray(a) && Array.isArray(b) && a.length === b.length && a.every((item, i) => sameValue(item, b[i]));
  }
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => Object.hasOwn(b, key) && sameValue(a[key], b[key]));
}

function sameMarker(a: object, b: object): boolean {
  if (a instanceof Secret && b instanceof Secret) return a === SEALED || b === SEALED || sameValue(a.value, b.value);
  if (a instanceof Asset && b instanceof Asset) return a.hash === b.hash;
  if (a instanceof Archive && b instanceof Archive) return a.hash === b.hash;
  if (a instanceof ResourceReference && b instanceof ResourceReference) {
    return a.urn === b.urn && sameValue(a.id, b.id);
  }
  return false;
}

function some(value: Value | undefined, test: (marker: Marker) => boolean): boolean {
  if (typeof value !== "object" || value === null) return false;
  if (value instanceof Marker) {
    if (test(value)) return true;
    if (value instanceof Secret) return some(value.value, test);
    if (value instanceof ResourceReference) return some(value.id, test);
    if (value instanceof Archive && "assets" in value.source) return some(value.source.assets, test);
    return false;
  }
  if (Array.isArray(value)) return value.some((item) => some(item, test));
  for (const key in value) if (some(value[key], test)) return true;
  return false;
}

export function containsUnknown(value: Value | undefined): boolean {
  return some(value, (marker) => marker === UNKNOWN);
}

export function containsSecret(value: Value | undefined): boolean {
  return some(value, (marker) => marker instanceof Secret);
}

/** The value without its `Secret` wrappers, for a provider's own work. Never for anything that is shown or kept. */
export function revealSecrets(value: Value): Value {
  if (!containsSecret(value)) return value;
  if (value instanceof Secret) return revealSecrets(value.value);
  if (Array.isArray(value)) return value.map(revealSecrets);
  if (isMap(value)) return mapValues(value, revealSecrets);
  return value;
}

export function mapValues(map: PropertyMap, change: (value: Value, key: string) => Value): PropertyMap {
  const result: PropertyMap = {};
  for (const key in map) {
    const value = map[key];
    if (value !== undefined) result[key] = change(value, key);
  }
  return result;
}
