import { connect, type ConnectionOptions, type TLSSocket } from "node:tls";
import { isIP } from "node:net";
import type { Bmc } from "../../environment/schema";

/** The other end is not who it should be. Nothing was sent to it. */
export class WrongCertificate extends Error {}

const plain = (fingerprint: string): string => fingerprint.replaceAll(":", "").toUpperCase();

/**
 * Opens a TLS connection and knows the other end before a byte of a request is written.
 * @throws WrongCertificate for another certificate than the environment's; the network's errors otherwise.
 */
export function openPinned({ address, port, tls }: Pick<Bmc, "address" | "port" | "tls">, signal: AbortSignal): Promise<TLSSocket> {
  const { fingerprintSha256, caCertificate } = tls;
  const options: ConnectionOptions = {
    host: address,
    port,
    ...(isIP(address) === 0 ? { servername: address } : {}),
    ALPNProtocols: ["http/1.1"],
    // Of a pinned certificate neither its age nor its names matter: it is this one, or it is refused below.
    ...(caCertificate === undefined ? { rejectUnauthorized: false } : { ca: caCertificate }),
  };
  return new Promise((resolve, reject) => {
    const socket = connect(options);
    const stop = (): void => void socket.destroy(signal.reason instanceof Error ? signal.reason : new Error("stopped"));
    if (signal.aborted) stop();
    else signal.addEventListener("abort", stop, { once: true });
    socket.once("close", () => signal.removeEventListener("abort", stop));
    socket.once("error", (error: NodeJS.ErrnoException) => reject(asWrongCertificate(error, socket) ?? error));
    socket.once("secureConnect", () => {
      const shown = socket.getPeerX509Certificate()?.fingerprint256 ?? "";
      if (fingerprintSha256 === undefined || plain(shown) === plain(fingerprintSha256)) {
        resolve(socket);
        return;
      }
      socket.destroy();
      reject(new WrongCertificate(`it shows a certificate with the SHA-256 fingerprint ${shown}, not ${fingerprintSha256}`));
    });
  });
}

/** Codes of OpenSSL's and Node's verdicts on a chain of certificates. */
function asWrongCertificate(error: NodeJS.ErrnoException, socket: TLSSocket): WrongCertificate | undefined {
  const verdict = /CERT|SIGNATURE|ISSUER|CA_|CRL/.test(error.code ?? "");
  return verdict && !socket.authorized ? new WrongCertificate(`its certificate is not what tls.caCertificate vouches for (${error.message})`) : undefined;
}
