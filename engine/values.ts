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
  constructor(
    readonly value: Value,
    /** The ciphertext this value was read from; kept so that an unchanged secret keeps its text in state. */
    readonly ciphertext?: string,
  ) {
    super();
  }
}

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
