import { Secret, UNKNOWN } from "../../values";
import type { PropertyMap, Value } from "../../values";

/** The value under a secret, if it is one. */
export function open(value: Value | undefined): Value | undefined {
  return value instanceof Secret ? value.value : value;
}

/** The same value as a secret. */
export function seal(value: Value): Secret {
  return value instanceof Secret ? value : new Secret(value);
}

export function isAbsent(value: Value | undefined): value is null | undefined {
  return value === undefined || value === null;
}

/** Known to be unknown as a whole; a map with an unknown item is not. */
export function isUnknown(value: Value | undefined): boolean {
  return open(value) === UNKNOWN;
}

export function withoutNulls(map: PropertyMap): PropertyMap {
  return Object.fromEntries(Object.entries(map).filter(([, value]) => value !== null));
}
