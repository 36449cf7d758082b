import { createCipheriv, createDecipheriv, pbkdf2, randomBytes } from "node:crypto";
import { promisify } from "node:util";
import { SECRET, SIGNATURE } from "../signatures";
import { SEALED, Secret } from "../values";
import { decode } from "../encoding";
import type { Json, SecretCodec } from "../encoding";

// Pulumi's own parameters; state written with any other could not be handed over to it.
const ITERATIONS = 1_000_000;
const KEY_BYTES = 32;
const SALT_BYTES = 8;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const CHECK_TEXT = "pulumi";

export class WrongPassphrase extends Error {
  constructor() {
    super(
      "the passphrase does not open this stack's secrets; give the one that the stack was made with in PULUMI_CONFIG_PASSPHRASE",
    );
  }
}

/** Pulumi's passphrase encryption: AES-256-GCM under a key derived once, each text as `v1:<nonce>:<ciphertext>`. */
export class Crypter {
  private constructor(
    private readonly key: Buffer,
    /** As in `secrets_providers.state.salt` and `encryptionsalt`: `v1:<salt>:v1:<nonce>:<ciphertext>`. */
    readonly salt: string,
  ) {}

  /** Opens an existing salt, or makes a new one where none is given. */
  static async open(passphrase: string, salt?: string): Promise<Crypter> {
    const parts = salt?.split(":") ?? [];
    if (salt !== undefined && (parts.length !== 5 || parts[0] !== "v1")) {
      throw new Error("the stack's encryption salt is not of the form v1:<salt>:v1:<nonce>:<ciphertext>");
    }
    const bytes = parts[1] === undefined ? randomBytes(SALT_BYTES) : Buffer.from(parts[1], "base64");
    const key = await promisify(pbkdf2)(passphrase, bytes, ITERATIONS, KEY_BYTES, "sha256");
    if (salt === undefined) {
      const check = new Crypter(key, "").encrypt(CHECK_TEXT);
      return new Crypter(key, `v1:${bytes.toString("base64")}:${check}`);
    }
    const crypter = new Crypter(key, salt);
    if (crypter.decrypt(parts.slice(2).join(":")) !== CHECK_TEXT) throw new WrongPassphrase();
    return crypter;
  }

  encrypt(plaintext: string): string {
    const nonce = randomBytes(NONCE_BYTES);
    const cipher = createCipheriv("aes-256-gcm", this.key, nonce);
    const body = Buffer.concat([cipher.update(plaintext, "utf8"), cipher.final(), cipher.getAuthTag()]);
    return `v1:${nonce.toString("base64")}:${body.toString("base64")}`;
  }

  /** @throws WrongPassphrase when the text was encrypted with another passphrase, or was changed. */
  decrypt(text: string): string {
    const [version, nonce, body] = text.split(":");
    if (version !== "v1" || nonce === undefined || body === undefined) {
      throw new Error("a secret in the state is not of the form v1:<nonce>:<ciphertext>");
    }
    const bytes = Buffer.from(body, "base64");
    const decipher = createDecipheriv("aes-256-gcm", this.key, Buffer.from(nonce, "base64"), {
      authTagLength: TAG_BYTES,
    });
    try {
      decipher.setAuthTag(bytes.subarray(bytes.length - TAG_BYTES));
      return Buffer.concat([decipher.update(bytes.subarray(0, -TAG_BYTES)), decipher.final()]).toString("utf8");
    } catch {
      throw new WrongPassphrase();
    }
  }
}

export class PassphraseNeeded extends Error {
  constructor() {
    super(
      "this stack has secrets, and its state keeps them encrypted: set PULUMI_CONFIG_PASSPHRASE to the stack's passphrase",
    );
  }
}

/** A secret inside a secret: Pulumi keeps the wrapper, with plain JSON where the ciphertext would be. */
const innerSecrets: SecretCodec = {
  write: (value) => sealed(JSON.stringify(value)),
  read: (encoded) => new Secret(decode(parse(encoded["ciphertext"]), innerSecrets)),
};

/**
 * Secrets of the state. An unchanged secret keeps its ciphertext, so that a run without changes writes the same state.
 * Without a crypter (a preview without passphrase) secrets are read as `SEALED` and cannot be written.
 */
export class StateSecrets {
  private readonly known = new Map<string, { plaintext: string; ciphertext: string }>();

  constructor(private readonly crypter: Crypter | undefined) {}

  /** The codec for one part of one resource, such as the inputs of a URN. */
  codec(owner: string): SecretCodec {
    return {
      inner: innerSecrets,
      write: (value, path) => {
        const plaintext = JSON.stringify(value);
        const key = `${owner} ${path}`;
        const before = this.known.get(key);
        if (before?.plaintext === plaintext) return sealed(before.ciphertext);
        if (this.crypter === undefined) throw new PassphraseNeeded();
        const ciphertext = this.crypter.encrypt(plaintext);
        this.known.set(key, { plaintext, ciphertext });
        return sealed(ciphertext);
      },
      read: (encoded, path) => {
        const ciphertext = encoded["ciphertext"];
        if (typeof ciphertext !== "string") return new Secret(decode(parse(encoded["plaintext"]), innerSecrets));
        if (this.crypter === undefined) return SEALED;
        const plaintext = this.crypter.decrypt(ciphertext);
        this.known.set(`${owner} ${path}`, { plaintext, ciphertext });
        return new Secret(decode(parse(plaintext), innerSecrets));
      },
    };
  }
}

function sealed(ciphertext: string): Json {
  return { [SIGNATURE]: SECRET, ciphertext };
}

function parse(text: Json | undefined): Json {
  return typeof text === "string" ? (JSON.parse(text) as Json) : null;
}
