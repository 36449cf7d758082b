import { ARCHIVE, ASSET, OUTPUT, RESOURCE, SECRET, SIGNATURE, UNKNOWN_TEXT } from "./signatures";
import { Archive, Asset, Marker, ResourceReference, Secret, UNKNOWN } from "./values";
import type { PropertyMap, Value } from "./values";

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
type JsonMap = { [key: string]: Json };

/** What becomes of a secret when values leave the engine, and how one comes back. `path` names the property. */
export interface SecretCodec {
  write(value: Json, path: string): Json;
  read(encoded: JsonMap, path: string): Secret;
  /** What becomes of a secret inside a secret. @default - the same */
  inner?: SecretCodec;
  /** Leave out the text of assets. @default false */
  elideText?: boolean;
  /** Write references to resources as their id or URN alone. @default false */
  flatReferences?: boolean;
}

/** Secrets as they travel between the engine, the program and the policy pack. */
export const wireSecrets: SecretCodec = {
  write: (value) => ({ [SIGNATURE]: SECRET, value }),
  read: (encoded) => secret(decode(encoded["value"] ?? null, wireSecrets)),
};

/** As on the wire, for the policy pack, which knows no references to resources. */
export const policySecrets: SecretCodec = { ...wireSecrets, flatReferences: true };

/** Secrets as events show them. */
export const maskedSecrets: SecretCodec = {
  elideText: true,
  write: () => ({ [SIGNATURE]: SECRET, ciphertext: "[secret]" }),
  read: () => {
    throw new Error("a masked secret cannot be read back");
  },
};

function secret(value: Value): Secret {
  return value instanceof Secret ? value : new Secret(value);
}

/** A value as JSON with Pulumi's signatures; maps come out sorted by key, as in Pulumi's own files. */
export function encode(value: Value, secrets: SecretCodec, path = ""): Json {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map((item, i) => encode(item, secrets, `${path}[${String(i)}]`));
  if (value instanceof Marker) return encodeMarker(value, secrets, path);
  return encodeMap(value, secrets, path);
}

export function encodeMap(map: PropertyMap, secrets: SecretCodec, path = ""): JsonMap {
  const result: JsonMap = {};
  for (const key of Object.keys(map).sort()) {
    const value = map[key];
    if (value !== undefined) result[key] = encode(value, secrets, path === "" ? key : `${path}.${key}`);
  }
  return result;
}

function encodeMarker(value: Marker, secrets: SecretCodec, path: string): Json {
  if (value instanceof Secret) return secrets.write(encode(value.value, secrets.inner ?? secrets, path), path);
  if (value instanceof Asset) {
    const source = secrets.elideText === true && "text" in value.source ? { text: "<contents elided>" } : value.source;
    return { [SIGNATURE]: ASSET, hash: value.hash, ...source };
  }
  if (value instanceof Archive) {
    const source = "assets" in value.source ? { assets: encodeMap(value.source.assets, secrets, path) } : value.source;
    return { [SIGNATURE]: ARCHIVE, hash: value.hash, ...source };
  }
  if (value instanceof ResourceReference) {
    if (secrets.flatReferences === true) return encode(value.id ?? value.urn, secrets, path);
    const reference = { [SIGNATURE]: RESOURCE, urn: value.urn, packageVersion: value.packageVersion };
    if (value.id === undefined) return reference;
    return { ...reference, id: value.id === UNKNOWN ? "" : encode(value.id, secrets, path) };
  }
  return UNKNOWN_TEXT;
}

export function decode(json: Json, secrets: SecretCodec, path = ""): Value {
  if (typeof json !== "object" || json === null) return json === UNKNOWN_TEXT ? UNKNOWN : json;
  if (Array.isArray(json)) return json.map((item, i) => decode(item, secrets, `${path}[${String(i)}]`));
  return SIGNATURE in json ? decodeMarker(json, secrets, path) : decodeMap(json, secrets, path);
}

export function decodeMap(json: JsonMap, secrets: SecretCodec, path = ""): PropertyMap {
  const result: PropertyMap = {};
  for (const key in json) {
    const value = json[key];
    if (value !== undefined) result[key] = decode(value, secrets, path === "" ? key : `${path}.${key}`);
  }
  return result;
}

function text(json: JsonMap, key: string): string {
  const value = json[key];
  return typeof value === "string" ? value : "";
}

function decodeMarker(json: JsonMap, secrets: SecretCodec, path: string): Value {
  switch (json[SIGNATURE]) {
    case SECRET:
      return secrets.read(json, path);
    case ASSET:
      return new Asset(text(json, "hash"), singleFile(json));
    case ARCHIVE:
      return new Archive(text(json, "hash"), manyFiles(json, secrets, path));
    case RESOURCE: {
      const id = json["id"] === "" ? UNKNOWN : json["id"] === undefined ? undefined : decode(json["id"], secrets, path);
      return new ResourceReference(text(json, "urn"), id, text(json, "packageVersion"));
    }
    case OUTPUT: {
      const inner = json["value"] === undefined ? UNKNOWN : decode(json["value"], secrets, path);
      return json["secret"] === true ? secret(inner) : inner;
    }
    default:
      throw new Error(`a property has a special value of an unknown kind: ${JSON.stringify(json[SIGNATURE])}`);
  }
}

function singleFile(json: JsonMap): Asset["source"] {
  if (text(json, "path") !== "") return { path: text(json, "path") };
  if (text(json, "uri") !== "") return { uri: text(json, "uri") };
  return { text: text(json, "text") };
}

function manyFiles(json: JsonMap, secrets: SecretCodec, path: string): Archive["source"] {
  const assets = json["assets"];
  if (typeof assets === "object" && assets !== null && !Array.isArray(assets)) {
    return { assets: decodeMap(assets, secrets, path) };
  }
  if (text(json, "uri") !== "") return { uri: text(json, "uri") };
  return { path: text(json, "path") };
}
