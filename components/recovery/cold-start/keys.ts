import { createPrivateKey, createPublicKey, generateKeyPairSync, sign, verify, createHash, type KeyObject } from "node:crypto";
import { z } from "zod";
import { Crypter } from "../../../engine/state/secrets";

const keysSchema = z.strictObject({
  format: z.literal(1),
  /** As in Pulumi's state: `v1:<salt>:v1:<nonce>:<ciphertext>`. */
  salt: z.string(),
  /** Ed25519, SPKI in base64. */
  publicKey: z.string(),
  /** PKCS #8 in base64, sealed with the passphrase. */
  signingKey: z.string(),
});

/** A keys file that is none. */
export class KeysUnreadable extends Error {}

/**
 * What protects a set: a passphrase seals its secrets, in Pulumi's own format, and the key that signs its inventory is
 * itself sealed. Only who knows the passphrase can make a set that passes, or read a secret of one.
 */
export class SetKeys {
  private constructor(
    private readonly crypter: Crypter,
    private readonly signingKey: KeyObject,
    /** Content of the keys file. */
    readonly text: string,
  ) {}

  /** New keys under a passphrase. */
  static async make(passphrase: string): Promise<SetKeys> {
    const crypter = await Crypter.open(passphrase);
    const { privateKey, publicKey } = generateKeyPairSync("ed25519");
    const document: z.input<typeof keysSchema> = {
      format: 1,
      salt: crypter.salt,
      publicKey: publicKey.export({ type: "spki", format: "der" }).toString("base64"),
      signingKey: crypter.encrypt(privateKey.export({ type: "pkcs8", format: "der" }).toString("base64")),
    };
    return new SetKeys(crypter, privateKey, `${JSON.stringify(document, null, 2)}\n`);
  }

  /**
   * Opens the keys file of a set. The public key in it counts for nothing: the one that belongs to the sealed key does.
   * @throws KeysUnreadable where the text is no keys file; WrongPassphrase where the passphrase does not open it, or it was changed.
   */
  static async open(text: string, passphrase: string): Promise<SetKeys> {
    const parsed = keysSchema.safeParse(parseJson(text));
    if (!parsed.success) throw new KeysUnreadable("it is not a keys file of a cold-start set");
    const crypter = await Crypter.open(passphrase, parsed.data.salt).catch((error: unknown) => {
      if (error instanceof Error && error.message.includes("encryption salt")) throw new KeysUnreadable("its salt is not of the form v1:<salt>:v1:<nonce>:<ciphertext>");
      throw error;
    });
    const der = Buffer.from(crypter.decrypt(parsed.data.signingKey), "base64");
    return new SetKeys(crypter, createPrivateKey({ key: der, format: "der", type: "pkcs8" }), text);
  }

  /** SHA-256 of the public key, as `SHA256:` and base64: the same for all sets of an environment under one passphrase. */
  get fingerprint(): string {
    return `SHA256:${createHash("sha256").update(this.publicKey.export({ type: "spki", format: "der" })).digest("base64").replace(/=+$/, "")}`;
  }

  sign(bytes: Buffer): string {
    return `${sign(null, bytes, this.signingKey).toString("base64")}\n`;
  }

  verifies(bytes: Buffer, signature: string): boolean {
    return verify(null, bytes, this.publicKey, Buffer.from(signature.trim(), "base64"));
  }

  /** Bytes as a text that only the passphrase opens. */
  seal(bytes: Buffer): string {
    return `${this.crypter.encrypt(bytes.toString("base64"))}\n`;
  }

  /** @throws WrongPassphrase where the text was changed or sealed under another passphrase. */
  unseal(text: string): Buffer {
    return Buffer.from(this.crypter.decrypt(text.trim()), "base64");
  }

  private get publicKey(): KeyObject {
    return createPublicKey(this.signingKey);
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
