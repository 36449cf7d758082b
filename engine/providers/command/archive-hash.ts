import { createHash } from "node:crypto";
import type { Hash } from "node:crypto";
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { posix } from "node:path";

const BLOCK = 512;
const NAME_BYTES = 100;
const PREFIX_BYTES = 155;
const LARGEST_OCTAL_SIZE = 8 ** 11 - 1;

/** One file of an archive: its name in it, and its content or where that is. */
export interface ArchiveMember {
  name: string;
  content: { path: string } | { text: string };
}

interface Header {
  name: string;
  prefix?: string;
  size: number;
  mode: number;
  type: "0" | "x";
}

function octal(value: number, width: number): string {
  return `${value.toString(8).padStart(width - 1, "0")}\0`;
}

/** A ustar header as Go's archive/tar writes it; Pulumi's archive hash is a hash over exactly these bytes. */
function headerBlock({ name, prefix = "", size, mode, type }: Header): Buffer {
  const block = Buffer.alloc(BLOCK);
  block.write(name.length > NAME_BYTES ? name.slice(0, NAME_BYTES).replace(/\/+$/, "") : name, 0, "latin1");
  block.write(octal(mode, 8), 100, "latin1");
  block.write(octal(0, 8), 108, "latin1");
  block.write(octal(0, 8), 116, "latin1");
  block.write(octal(size, 12), 124, "latin1");
  block.write(octal(0, 12), 136, "latin1");
  block.write(" ".repeat(8), 148, "latin1");
  block.write(type, 156, "latin1");
  block.write("ustar\x0000", 257, "latin1");
  if (type === "0") {
    block.write(octal(0, 8), 329, "latin1");
    block.write(octal(0, 8), 337, "latin1");
  }
  block.write(prefix, 345, "latin1");
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return block;
}

function padding(size: number): Buffer {
  return Buffer.alloc((BLOCK - (size % BLOCK)) % BLOCK);
}

/** Cuts a long name at the last `/` that leaves both parts short enough, as the ustar format allows. */
function splitName(name: string): { prefix: string; name: string } | undefined {
  if (name.length <= NAME_BYTES) return { prefix: "", name };
  const reach = Math.min(name.length - (name.endsWith("/") ? 1 : 0), PREFIX_BYTES + 1);
  const cut = name.lastIndexOf("/", reach - 1);
  const rest = name.length - cut - 1;
  if (cut <= 0 || rest > NAME_BYTES || rest === 0 || cut > PREFIX_BYTES) return undefined;
  return { prefix: name.slice(0, cut), name: name.slice(cut + 1) };
}

function isAscii(text: string): boolean {
  return !/[\0\u0080-\u{10ffff}]/u.test(text);
}

function asciiOnly(text: string): string {
  return text.replaceAll(/[\0\u0080-\u{10ffff}]/gu, "");
}

function paxRecord(key: string, value: string): Buffer {
  const content = Buffer.byteLength(` ${key}=${value}\n`);
  let length = content + String(content).length;
  while (content + String(length).length !== length) length = content + String(length).length;
  return Buffer.from(`${String(length)} ${key}=${value}\n`);
}

function headers(member: string, size: number): Buffer[] {
  const split = isAscii(member) ? splitName(member) : undefined;
  if (split !== undefined && size <= LARGEST_OCTAL_SIZE) {
    return [headerBlock({ ...split, size, mode: 0o600, type: "0" })];
  }
  const records: Buffer[] = [];
  if (split === undefined) records.push(paxRecord("path", member));
  if (size > LARGEST_OCTAL_SIZE) records.push(paxRecord("size", String(size)));
  const body = Buffer.concat(records);
  const paxName = asciiOnly(posix.join(posix.dirname(member), "PaxHeaders.0", posix.basename(member)));
  return [
    headerBlock({ name: paxName.slice(0, NAME_BYTES).replace(/\/+$/, ""), size: body.length, mode: 0, type: "x" }),
    body,
    padding(body.length),
    headerBlock({ name: asciiOnly(member), size: size > LARGEST_OCTAL_SIZE ? 0 : size, mode: 0o600, type: "0" }),
  ];
}

function addFile(hash: Hash, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    createReadStream(path)
      .on("data", (bytes) => hash.update(bytes))
      .on("error", reject)
      .on("end", () => resolve());
  });
}

/** Pulumi's hash of a single file: SHA-256 of its content, in hex. */
export async function hashOfFile(content: ArchiveMember["content"]): Promise<string> {
  const hash = createHash("sha256");
  if ("text" in content) hash.update(content.text);
  else await addFile(hash, content.path);
  return hash.digest("hex");
}

/**
 * Pulumi's hash of an archive that is made of files: SHA-256, in hex, of the tar stream with the files in the order
 * given, mode 0600 and no times or owners.
 */
export async function hashOfFiles(members: ArchiveMember[]): Promise<string> {
  const hash = createHash("sha256");
  for (const { name, content } of members) {
    const size = "text" in content ? Buffer.byteLength(content.text) : (await stat(content.path)).size;
    for (const part of headers(name, size)) hash.update(part);
    if ("text" in content) hash.update(content.text);
    else await addFile(hash, content.path);
    hash.update(padding(size));
  }
  hash.update(Buffer.alloc(2 * BLOCK));
  return hash.digest("hex");
}
