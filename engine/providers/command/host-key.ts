import { createHash } from "node:crypto";
import type { ServerHostKeyAlgorithm } from "ssh2";

/** A public key as one line of `authorized_keys` or `known_hosts` carries it. */
export interface HostKey {
  /** `ssh-ed25519`, `ecdsa-sha2-nistp256`, `ssh-rsa`, … */
  type: string;
  blob: Buffer;
}

const ALGORITHMS: readonly ServerHostKeyAlgorithm[] = [
  "ssh-ed25519",
  "ecdsa-sha2-nistp256",
  "ecdsa-sha2-nistp384",
  "ecdsa-sha2-nistp521",
  "rsa-sha2-512",
  "rsa-sha2-256",
  "ssh-rsa",
];

function blobType(blob: Buffer): string {
  if (blob.length < 4) return "";
  const length = blob.readUInt32BE(0);
  return blob.length >= 4 + length ? blob.toString("latin1", 4, 4 + length) : "";
}

/**
 * Reads the first key of an authorized-keys style text (`[options] type base64 [comment]`).
 *
 * @returns undefined where the text holds no key.
 */
export function parseHostKey(text: string): HostKey | undefined {
  for (const line of text.split("\n")) {
    const fields = line.trim().split(/\s+/);
    for (const [index, field] of fields.entries()) {
      const encoded = fields[index + 1];
      if (field.startsWith("#")) break;
      if (encoded === undefined || !/^[A-Za-z0-9+/]+={0,2}$/.test(encoded)) continue;
      const blob = Buffer.from(encoded, "base64");
      if (blobType(blob) === field) return { type: field, blob };
    }
  }
  return undefined;
}

/** Type and fingerprint as `ssh-keygen -l` prints it. */
export function describeKey(blob: Buffer): string {
  const digest = createHash("sha256").update(blob).digest("base64").replace(/=+$/, "");
  return `${blobType(blob) || "unknown type"} SHA256:${digest}`;
}

/**
 * Host key algorithms in the order to ask for them. The expected type comes first; the others stay in the list, so that
 * a host without a key of that type shows the one it has and the refusal can name it.
 */
export function hostKeyAlgorithms(expected: HostKey | undefined): ServerHostKeyAlgorithm[] {
  const wanted = (algorithm: string): boolean =>
    expected !== undefined &&
    (algorithm === expected.type || (expected.type === "ssh-rsa" && algorithm.startsWith("rsa-sha2-")));
  return [...ALGORITHMS.filter(wanted), ...ALGORITHMS.filter((algorithm) => !wanted(algorithm))];
}
