import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { text } from "node:stream/consumers";
import { isMap, parseDocument } from "yaml";
import { SECRETS, suggest } from "../../components/environment";
import { CliError, exitCodes } from "../exit";
import type { ExitCode } from "../exit";
import { requirePassphrase } from "../passphrase";
import { loadEnvironment, stackFile } from "../project";
import { openCrypter } from "../secrets";
import type { Terminal } from "../terminal";

/** `rackwright secret`: encrypts stdin into the stack file, in the format of `pulumi config set --secret`. */
export async function secret(terminal: Terminal, environment: string, name: string, options: { json?: boolean }): Promise<ExitCode> {
  const names = Object.keys(SECRETS);
  const key = SECRETS[name as keyof typeof SECRETS] as string | undefined;
  if (key === undefined) {
    const near = suggest(name, names);
    throw new CliError(`${JSON.stringify(name)} is not a secret that environments have. ${near === undefined ? `Allowed: ${names.join(", ")}.` : `Did you mean ${near}?`}`, exitCodes.badInput);
  }
  const loaded = loadEnvironment(environment);
  if (process.stdin.isTTY) terminal.err(`Type or paste the value of ${name}, then press Ctrl-D.\n`);
  const value = await text(process.stdin);
  if (value.trim() === "") throw new CliError(`${name}: nothing came on stdin. Example: rackwright secret ${environment} ${name} < FILE`, exitCodes.badInput);

  const crypter = await openCrypter(requirePassphrase("secrets are encrypted"), loaded.encryptionSalt);
  const file = stackFile(environment);
  writeFileAtomically(file, withSecret(readFileSync(file, "utf8"), key, crypter.encrypt(name === "sshPrivateKey" ? value : value.trim()), crypter.salt));
  const done = { environment, secret: key, file: `stacks/Pulumi.${environment}.yaml` };
  terminal.out(options.json === true ? `${JSON.stringify(done)}\n` : `${done.file}: ${key} is set, encrypted with the passphrase.\n`);
  return exitCodes.well;
}

/** The file with one secure value set; comments and order stay. */
export function withSecret(yaml: string, key: string, ciphertext: string, salt: string): string {
  const document = parseDocument(yaml);
  document.set("encryptionsalt", salt);
  if (!isMap(document.get("config"))) document.set("config", document.createNode({}));
  document.setIn(["config", key], document.createNode({ secure: ciphertext }));
  return document.toString({ lineWidth: 0 });
}

function writeFileAtomically(file: string, content: string): void {
  const next = `${file}.${process.pid}.tmp`;
  writeFileSync(next, content, { mode: 0o644 });
  renameSync(next, file);
}
