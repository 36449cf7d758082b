import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import * as path from "node:path";
import { promisify } from "node:util";
import { CliError, exitCodes } from "../exit";
import type { MirrorCertificate } from "./mirror";

/**
 * A certificate that lives as long as a cold start. Its servers trust it for their package sources alone, and what comes
 * from those is checked by the sources' own signatures as ever.
 * @throws CliError with exit code 3 where there is no openssl
 */
export async function makeCertificate(hosts: readonly string[]): Promise<MirrorCertificate> {
  const folder = mkdtempSync(path.join(tmpdir(), "rackwright-certificate-"));
  const [certificate, privateKey] = [path.join(folder, "certificate"), path.join(folder, "key")];
  const names = hosts.map((host) => (/^[\d.]+$|:/.test(host) ? `IP:${host}` : `DNS:${host}`)).join(",");
  try {
    await promisify(execFile)("openssl", ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30", "-subj", "/CN=rackwright cold start", "-addext", `subjectAltName=${names}`, "-keyout", privateKey, "-out", certificate]);
    return { certificate: readFileSync(certificate, "utf8"), privateKey: readFileSync(privateKey, "utf8") };
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === "ENOENT";
    throw new CliError(`packages of this set came over https (${hosts.join(", ")}), for which a certificate is made by openssl: ${missing ? "it is not installed on this machine" : (error as Error).message}.`, exitCodes.unreachable);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
