import { Locked, NotCovered, PassphraseNeeded, WrongPassphrase } from "../engine";
import { CliError, exitCodes } from "./exit";

/** Runs engine work; what a user can mend comes out as a CliError with exit code 2. */
export async function withEngineErrors<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const known = [Locked, NotCovered, PassphraseNeeded, WrongPassphrase].some((kind) => error instanceof kind);
    if (known && error instanceof Error) throw new CliError(error.message, exitCodes.badInput);
    throw error;
  }
}
