import { generateKeyPairSync } from "node:crypto";
import { describe, expect, it } from "vitest";
import { hostKeyFault } from "../../components/environment/host-key";
import { hostKey } from "../support/environments";

function key(type: string, ...rest: Buffer[]): string {
  const field = (bytes: Buffer): Buffer => {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(bytes.length);
    return Buffer.concat([length, bytes]);
  };
  return Buffer.concat([field(Buffer.from(type)), ...rest.map(field)]).toString("base64");
}

function rsaKey(bits: number): string {
  const { n = "", e = "" } = generateKeyPairSync("rsa", { modulusLength: bits }).publicKey.export({ format: "jwk" });
  return `ssh-rsa ${key("ssh-rsa", Buffer.from(e, "base64url"), Buffer.concat([Buffer.from([0]), Buffer.from(n, "base64url")]))}`;
}

const point = (length: number): Buffer => Buffer.concat([Buffer.from([4]), Buffer.alloc(length - 1, 7)]);

describe("hostKeyFault", () => {
  it.each([
    ["Ed25519", hostKey("a")],
    ["ECDSA", `ecdsa-sha2-nistp256 ${key("ecdsa-sha2-nistp256", Buffer.from("nistp256"), point(65))}`],
    ["ECDSA on the largest curve", `ecdsa-sha2-nistp521 ${key("ecdsa-sha2-nistp521", Buffer.from("nistp521"), point(133))}`],
    ["RSA of 2048 bits", rsaKey(2048)],
  ])("accepts %s", (_name, text) => {
    expect(hostKeyFault(text)).toBeUndefined();
  });

  it.each([
    ["a key cut short", hostKey("a").slice(0, -3), "is not complete base64"],
    ["a key cut at a whole group", hostKey("a").slice(0, -4), "is cut off"],
    ["another type in front", hostKey("a").replace("ssh-ed25519", "ssh-rsa"), "says ssh-rsa, but the key itself is of another type"],
    ["too few bytes", `ssh-ed25519 ${key("ssh-ed25519", Buffer.alloc(31))}`, "is not an Ed25519 key"],
    ["more than a key", `ssh-ed25519 ${key("ssh-ed25519", Buffer.alloc(32), Buffer.alloc(1))}`, "is not an Ed25519 key"],
    ["the type alone", `ssh-ed25519 ${key("ssh-ed25519")}`, "is cut off"],
    ["a point of another curve", `ecdsa-sha2-nistp256 ${key("ecdsa-sha2-nistp256", Buffer.from("nistp256"), point(97))}`, "is not an ECDSA key on nistp256"],
    ["a curve of another name", `ecdsa-sha2-nistp256 ${key("ecdsa-sha2-nistp256", Buffer.from("nistp384"), point(65))}`, "is not an ECDSA key on nistp256"],
    ["a short RSA key", rsaKey(1024), "is an RSA key of 1024 bits"],
    ["an RSA key without modulus", `ssh-rsa ${key("ssh-rsa", Buffer.from([1, 0, 1]))}`, "is not an RSA key"],
  ])("refuses %s", (_name, text, fault) => {
    expect(hostKeyFault(text)).toContain(fault);
  });
});
