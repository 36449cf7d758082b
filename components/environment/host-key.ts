/** Reads the length-prefixed fields of a public key blob (RFC 4253, section 6.6); undefined when a length runs over the end. */
function fields(blob: Buffer): Buffer[] | undefined {
  const parts: Buffer[] = [];
  let offset = 0;
  while (offset < blob.length) {
    if (offset + 4 > blob.length) return undefined;
    const length = blob.readUInt32BE(offset);
    offset += 4;
    if (offset + length > blob.length) return undefined;
    parts.push(blob.subarray(offset, offset + length));
    offset += length;
  }
  return parts;
}

const pointLengthBytes: Readonly<Record<string, number>> = { nistp256: 65, nistp384: 97, nistp521: 133 };

function bitLength(integer: Buffer): number {
  const start = integer.findIndex((byte) => byte !== 0);
  return start === -1 ? 0 : (integer.length - start) * 8 - Math.clz32(integer[start] ?? 0) + 24;
}

/** What is wrong with a public host key of the form `type base64`; undefined when it is well formed. */
export function hostKeyFault(key: string): string | undefined {
  const [type = "", encoded = ""] = key.split(" ");
  const blob = Buffer.from(encoded, "base64");
  if (blob.toString("base64") !== encoded) return "is not complete base64: a part of the key is missing";
  const parts = fields(blob);
  if (parts === undefined || parts.length < 2) return "is cut off: a part of the key is missing";
  const [declared, ...rest] = parts;
  if (declared?.toString("latin1") !== type) return `says ${type}, but the key itself is of another type`;
  const [first, second] = rest;
  if (type === "ssh-ed25519") return rest.length === 1 && first?.length === 32 ? undefined : "is not an Ed25519 key: that has 32 bytes";
  if (type === "ssh-rsa") {
    if (rest.length !== 2 || second === undefined) return "is not an RSA key: that has an exponent and a modulus";
    return bitLength(second) >= 2048 ? undefined : `is an RSA key of ${bitLength(second)} bits: at least 2048 are needed`;
  }
  const curve = type.replace("ecdsa-sha2-", "");
  const wellFormed = rest.length === 2 && first?.toString("latin1") === curve && second !== undefined && second.length === pointLengthBytes[curve] && second[0] === 4;
  return wellFormed ? undefined : `is not an ECDSA key on ${curve}`;
}
