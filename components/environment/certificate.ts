import { X509Certificate } from "node:crypto";

/** What is wrong with the PEM of a certificate authority; undefined where it is one. */
export function certificateFault(pem: string): string | undefined {
  let certificate: X509Certificate;
  try {
    certificate = new X509Certificate(pem);
  } catch {
    return "must be a certificate in PEM, from -----BEGIN CERTIFICATE----- to -----END CERTIFICATE-----";
  }
  return certificate.ca ? undefined : "is not the certificate of an authority: for the BMC's own certificate write fingerprintSha256";
}
