import { readFileSync } from "node:fs";
import { CliError, exitCodes } from "./exit";

/** The passphrase of Pulumi's passphrase secrets provider, from the variables that Pulumi itself reads. */
export function passphrase(): string | undefined {
  const direct = process.env["PULUMI_CONFIG_PASSPHRASE"];
  if (direct !== undefined) return direct;
  const file = process.env["PULUMI_CONFIG_PASSPHRASE_FILE"];
  if (file === undefined || file === "") return undefined;
  try {
    return readFileSync(file, "utf8").trim();
  } catch (error) {
    throw new CliError(
      `PULUMI_CONFIG_PASSPHRASE_FILE: cannot read ${JSON.stringify(file)} (${(error as NodeJS.ErrnoException).code ?? "error"}). It must name a file that holds the passphrase.`,
      exitCodes.badInput,
    );
  }
}

/** @throws CliError with exit code 2 that says how to give a passphrase where there is none. */
export function requirePassphrase(why: string): string {
  const given = passphrase();
  if (given !== undefined && given !== "") return given;
  throw new CliError(
    `${why}, so a passphrase is needed. Set PULUMI_CONFIG_PASSPHRASE_FILE to a file that holds it, or PULUMI_CONFIG_PASSPHRASE. Keep it: without it the secrets in the state cannot be read again.`,
    exitCodes.badInput,
  );
}
