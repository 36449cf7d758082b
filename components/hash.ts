import { createHash } from "node:crypto";

/** The first hexadecimal digits of a text's SHA-256: tells names and versions apart, and proves nothing. */
export function shortHash(text: string, digits: number): string {
  return createHash("sha256").update(text).digest("hex").slice(0, digits);
}
