import { Archive, Asset, Marker, ResourceReference, Secret, UNKNOWN, isMap } from "../../values";
import type { PropertyMap, Value } from "../../values";

/** The value under a secret, if it is one. */
export function open(value: Value | undefined): Value | undefined {
  return value instanceof Secret ? value.value : value;
}

/** The same value as a secret. */
export function seal(value: Value): Secret {
  return value instanceof Secret ? value : new Secret(value);
}

/** The value with no secret in it at any depth. */
export function openAll(value: Value): Value {
  const opened = value instanceof Secret ? value.value : value;
  if (opened instanceof Secret) return openAll(opened);
  if (Array.isArray(opened)) return opened.map(openAll);
  if (isMap(opened)) return Object.fromEntries(Object.entries(opened).map(([key, item]) => [key, openAll(item)]));
  return opened;
}

export function isAbsent(value: Value | undefined): value is null | undefined {
  return value === undefined || value === null;
}

/** Known to be unknown as a whole; a map with an unknown item is not. */
export function isUnknown(value: Value | undefined): boolean {
  return open(value) === UNKNOWN;
}

/**
 * Equality as Pulumi sees it: assets and archives by their hash, a secret differs from the same value in plain, null is
 * the same as absent, and an unknown value equals only another unknown one.
 */
export function equal(left: Value | undefined, right: Value | undefined): boolean {
  if (isAbsent(left) || isAbsent(right)) return isAbsent(left) && isAbsent(right);
  if (left instanceof Marker || right instanceof Marker) return equalMarkers(left, right);
  if (Array.isArray(left)) {
    return Array.isArray(right) && left.length === right.length && left.every((item, index) => equal(item, right[index]));
  }
  if (isMap(left)) {
    if (!isMap(right)) return false;
    return [...new Set([...Object.keys(left), ...Object.keys(right)])].every((key) => equal(left[key], right[key]));
  }
  return left === right;
}

function equalMarkers(left: Value, right: Value): boolean {
  if (left instanceof Secret) return right instanceof Secret && equal(left.value, right.value);
  if (left instanceof Asset) return right instanceof Asset && left.hash === right.hash;
  if (left instanceof Archive) return right instanceof Archive && left.hash === right.hash;
  if (left instanceof ResourceReference) {
    return right instanceof ResourceReference && left.urn === right.urn && equal(left.id, right.id);
  }
  return left === right;
}

export function withoutNulls(map: PropertyMap): PropertyMap {
  return Object.fromEntries(Object.entries(map).filter(([, value]) => value !== null));
}
