import { Crypter, WrongPassphrase } from "../engine/state/secrets";
import { CliError, exitCodes } from "./exit";
import { requirePassphrase } from "./passphrase";
import type { LoadedEnvironment } from "./project";

/**
 * The decrypted secrets of an environment's file, by fully qualified key.
 * @throws CliError with exit code 2 where a passphrase is missing or wrong.
 */
export async function readSecrets(loaded: LoadedEnvironment): Promise<Record<string, string>> {
  if (loaded.secureKeys.length === 0) return {};
  const file = `stacks/Pulumi.${loaded.name}.yaml`;
  if (loaded.encryptionSalt === undefined) {
    throw new CliError(
      `${file}: has secrets (${loaded.secureKeys.join(", ")}) but no encryptionsalt, so they were not encrypted with a passphrase. Set them again with \`rackwright secret ${loaded.name} <name>\`.`,
      exitCodes.badInput,
    );
  }
  const crypter = await openCrypter(requirePassphrase(`${file} has secrets`), loaded.encryptionSalt);
  return Object.fromEntries(loaded.secureKeys.map((key) => [key, crypter.decrypt(loaded.config[key] ?? "")]));
}

/** What stands in for secrets in a plan, which needs none: the program sees that they are set, not what they are. */
export function secretPlaceholders(loaded: LoadedEnvironment): Record<string, string> {
  return Object.fromEntries(loaded.secureKeys.map((key) => [key, "[secret]"]));
}

/** @throws CliError with exit code 2 where the passphrase is not the one that the salt was made with. */
export async function openCrypter(passphrase: string, salt: string | undefined): Promise<Crypter> {
  try {
    return await Crypter.open(passphrase, salt);
  } catch (error) {
    if (error instanceof WrongPassphrase) throw new CliError(error.message, exitCodes.badInput);
    throw error;
  }
}
