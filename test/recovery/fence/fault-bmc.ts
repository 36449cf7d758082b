import { execFileSync } from "node:child_process";
import { X509Certificate } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Bmc } from "../../../components/environment/schema";

/** A certificate for 127.0.0.1, by itself or by an authority that is made with it. */
export interface Certificates {
  key: string;
  certificate: string;
  authority: string;
  fingerprint: string;
}

export function makeCertificates(): Certificates {
  const folder = mkdtempSync(join(tmpdir(), "rackwright-certificates-"));
  const file = (name: string): string => join(folder, name);
  const openssl = (...args: string[]): void => void execFileSync("openssl", args, { stdio: "ignore" });
  const ec = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  try {
    openssl("req", "-x509", ...ec, "-days", "2", "-subj", "/CN=authority", "-addext", "basicConstraints=critical,CA:TRUE", "-keyout", file("ca.key"), "-out", file("ca.crt"));
    openssl("req", "-x509", "-CA", file("ca.crt"), "-CAkey", file("ca.key"), ...ec, "-days", "2", "-subj", "/CN=bmc", "-addext", "subjectAltName=IP:127.0.0.1", "-addext", "basicConstraints=critical,CA:FALSE", "-keyout", file("tls.key"), "-out", file("tls.crt"));
    const [key = "", certificate = "", authority = ""] = ["tls.key", "tls.crt", "ca.crt"].map((name) => readFileSync(file(name), "utf8"));
    return { key, certificate, authority, fingerprint: new X509Certificate(certificate).fingerprint256 };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

export const credentials = { user: "operator", password: "correct horse" };

export type Answer = (request: IncomingMessage, response: ServerResponse) => void;

/** A BMC that can be made to do anything, over real TLS. What a test does not change is as Redfish has it. */
export class FaultBmc {
  power = "On";
  system: Record<string, unknown> = { Id: "1", Manufacturer: "Contoso", Model: "3500", SerialNumber: "437XR1138R2", UUID: "38947555-7742-3448-3784-823347823834", HostName: "gpu-01" };
  ids = ["1"];
  resetTypes: string[] | undefined = ["On", "ForceOff", "GracefulShutdown"];
  /** Answers of a test's own, by method and path. */
  readonly answers = new Map<string, Answer>();
  /** Every request: method, path, who logged in, body. */
  readonly requests: { method: string; path: string; authorization: string | undefined; body: string }[] = [];

  private constructor(
    private readonly server: Server,
    private readonly certificates: Certificates,
  ) {}

  static async listen(certificates: Certificates): Promise<FaultBmc> {
    const server = createServer({ key: certificates.key, cert: certificates.certificate });
    const bmc = new FaultBmc(server, certificates);
    server.on("request", (request, response) => void bmc.serve(request, response));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return bmc;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  /** As an environment would have it. */
  settings(more: Partial<Bmc> = {}): Bmc {
    return { address: "127.0.0.1", port: this.port, user: credentials.user, tls: { fingerprintSha256: this.certificates.fingerprint }, ...more };
  }

  async close(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = "", url: path = "" } = request;
    let body = "";
    for await (const chunk of request as AsyncIterable<Buffer>) body += chunk.toString("utf8");
    this.requests.push({ method, path, authorization: request.headers.authorization, body });
    const own = this.answers.get(`${method} ${path}`);
    if (own !== undefined) {
      own(request, response);
      return;
    }
    if (path === "/redfish/v1/") json(response, { Id: "RootService", Systems: { "@odata.id": "/redfish/v1/Systems" } });
    else if (request.headers.authorization !== `Basic ${Buffer.from(`${credentials.user}:${credentials.password}`).toString("base64")}`) json(response, { error: { message: "no" } }, 401);
    else if (path === "/redfish/v1/Systems") json(response, { Members: this.ids.map((id) => ({ "@odata.id": `/redfish/v1/Systems/${id}` })) });
    else if (method === "POST" && path.endsWith("/Actions/ComputerSystem.Reset")) {
      const { ResetType } = JSON.parse(body) as { ResetType: string };
      this.power = ResetType === "On" ? "On" : "Off";
      response.writeHead(204).end();
    } else if (this.ids.some((id) => path === `/redfish/v1/Systems/${id}`)) {
      json(response, { ...this.system, PowerState: this.power, Actions: { "#ComputerSystem.Reset": { target: `${path}/Actions/ComputerSystem.Reset`, ...(this.resetTypes === undefined ? {} : { "ResetType@Redfish.AllowableValues": this.resetTypes }) } } });
    } else json(response, { error: { message: "no such thing" } }, 404);
  }
}

export function json(response: ServerResponse, body: object, status = 200): void {
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
}
