import { createServer as createHttp } from "node:http";
import { createServer as createTcp, type AddressInfo } from "node:net";
import { afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { Bmc } from "../../../components/environment/schema";
import type { BmcFaultKind } from "../../../components/recovery/fence/facts";
import { redfishBmc } from "../../../components/recovery/fence/redfish";
import type { BmcPort } from "../../../components/recovery/fence/run";
import { credentials, FaultBmc, json, makeCertificates, type Answer, type Certificates } from "./fault-bmc";

let certificates: Certificates;
let bmc: FaultBmc;
const closing: (() => Promise<unknown>)[] = [];

beforeAll(() => {
  certificates = makeCertificates();
});
beforeEach(async () => {
  bmc = await FaultBmc.listen(certificates);
  closing.push(() => bmc.close());
});
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

const client = (more: Partial<Bmc> = {}, password = credentials.password): BmcPort => redfishBmc({ server: "gpu-01", bmc: bmc.settings(more), password, answerSeconds: 1 });

async function fault(port: BmcPort): Promise<{ kind: BmcFaultKind; message: string }> {
  const reading = await port.read();
  if (!("fault" in reading)) throw new Error(`a fault was expected, and the BMC was read: ${JSON.stringify(reading)}`);
  return reading.fault;
}

const systemPath = "GET /redfish/v1/Systems/1";
const resetPath = "POST /redfish/v1/Systems/1/Actions/ComputerSystem.Reset";
const passwords = (): (string | undefined)[] => bmc.requests.map(({ authorization }) => authorization).filter((each) => each !== undefined);

describe("a BMC as Redfish has it", () => {
  it("is asked for the root without a password, then for its system, which says who it is, its power and what it offers", async () => {
    expect(await client().read()).toEqual({ system: { identity: { id: "1", manufacturer: "Contoso", model: "3500", serialNumber: "437XR1138R2", uuid: "38947555-7742-3448-3784-823347823834", hostName: "gpu-01" }, power: "On", resetTypes: ["On", "ForceOff", "GracefulShutdown"] } });
    expect(bmc.requests.map(({ path, authorization }) => [path, authorization !== undefined])).toEqual([["/redfish/v1/", false], ["/redfish/v1/Systems", true], ["/redfish/v1/Systems/1", true]]);
  });

  it("is asked for its system alone from the second reading on, and sees who it is every time", async () => {
    const port = client();
    await port.read();
    bmc.system.HostName = "gpu-02";
    expect((await fault(port)).kind).toBe("wrong-system");
    expect(bmc.requests).toHaveLength(4);
  });

  it("switches what it has read, and only that", async () => {
    const port = client();
    await port.read();
    expect(await port.reset("ForceOff")).toBeUndefined();
    expect(bmc.requests.at(-1)).toMatchObject({ method: "POST", path: "/redfish/v1/Systems/1/Actions/ComputerSystem.Reset", body: JSON.stringify({ ResetType: "ForceOff" }) });
    expect(await port.read()).toMatchObject({ system: { power: "Off" } });
  });

  it("is not switched before it was read as the right server", async () => {
    bmc.system.HostName = "gpu-02";
    expect(await client().reset("ForceOff")).toMatchObject({ kind: "wrong-system" });
    expect(bmc.requests.map(({ method }) => method)).not.toContain("POST");
    expect(bmc.power).toBe("On");
  });

  it("is taken by the authority that signed its certificate", async () => {
    expect(await client({ tls: { caCertificate: certificates.authority } }).read()).toMatchObject({ system: { power: "On" } });
  });

  it("answers for several systems: the environment says which", async () => {
    bmc.ids = ["1", "2"];
    const found = await fault(client());
    expect([found.kind, found.message]).toEqual(["wrong-system", expect.stringMatching(/several systems: 1, 2\. .*servers\.gpu-01\.bmc\.systemId/)]);
    expect(await client({ systemId: "2" }).read()).toMatchObject({ system: {} });
    expect(await fault(client({ systemId: "3" }))).toMatchObject({ kind: "wrong-system", message: expect.stringContaining("it has 1, 2") as string });
  });
});

describe("the wrong server is never switched", () => {
  it.each<[string, Partial<Bmc>, Record<string, unknown>, boolean]>([
    ["the host name is the server's", {}, {}, true],
    ["the host name is the server's with a domain", {}, { HostName: "GPU-01.lab.example.org" }, true],
    ["the host name is another's", {}, { HostName: "gpu-011" }, false],
    ["the BMC knows no host name", {}, { HostName: null }, false],
    ["the UUID is as stated, whatever the host name", { uuid: "38947555-7742-3448-3784-823347823834" }, { HostName: "localhost" }, true],
    ["the UUID is as stated with its first fields in the other order of bytes", { uuid: "55759438-4277-4834-3784-823347823834" }, {}, true],
    ["the UUID is another", { uuid: "38947555-7742-3448-3784-823347823835" }, {}, false],
    ["the BMC says no UUID and one is stated", { uuid: "38947555-7742-3448-3784-823347823834" }, { UUID: "" }, false],
    ["the serial number is as stated", { serialNumber: "437xr1138r2" }, { HostName: "", SerialNumber: "437XR1138R2 " }, true],
    ["the serial number is another", { serialNumber: "437XR1138R3" }, {}, false],
    ["one of the two that are stated is another", { uuid: "38947555-7742-3448-3784-823347823834", serialNumber: "1" }, {}, false],
  ])("%s", async (_what, stated, says, right) => {
    Object.assign(bmc.system, says);
    const reading = await client(stated).read();
    if (right) expect(reading).toMatchObject({ system: {} });
    else expect(reading).toMatchObject({ fault: { kind: "wrong-system", message: expect.stringContaining("Nothing was switched.") as string } });
  });
});

describe("a password goes to the right BMC alone", () => {
  it("none is sent where the certificate is another", async () => {
    const found = await fault(client({ tls: { fingerprintSha256: "AB".repeat(32) } }));
    expect([found.kind, found.message]).toEqual(["certificate", expect.stringMatching(new RegExp(`fingerprint ${certificates.fingerprint}, not ABAB.*No password was sent`))]);
    expect(bmc.requests).toEqual([]);
  });

  it("none is sent where another authority signed it, or where the certificate is for another name", async () => {
    expect(await fault(client({ tls: { caCertificate: makeCertificates().authority } }))).toMatchObject({ kind: "certificate" });
    expect(await fault(client({ address: "localhost", tls: { caCertificate: certificates.authority } }))).toMatchObject({ kind: "certificate", message: expect.stringContaining("localhost") as string });
    expect(bmc.requests).toEqual([]);
  });

  it("none is sent where a redirect leads, which is not followed", async () => {
    const elsewhere = await FaultBmc.listen(certificates);
    closing.push(() => elsewhere.close());
    for (const [place, status] of [["GET /redfish/v1/", 302], ["GET /redfish/v1/Systems", 308], [systemPath, 307]] as const) {
      bmc.answers.clear();
      bmc.answers.set(place, (_request, response) => response.writeHead(status, { location: `https://127.0.0.1:${elsewhere.port}/redfish/v1/` }).end());
      expect(await fault(client())).toMatchObject({ kind: "redirect", message: expect.stringContaining(String(elsewhere.port)) as string });
    }
    const port = client();
    bmc.answers.clear();
    await port.read();
    bmc.answers.set(resetPath, (_request, response) => response.writeHead(301, { location: `https://127.0.0.1:${elsewhere.port}/` }).end());
    expect(await port.reset("ForceOff")).toMatchObject({ kind: "redirect" });
    expect(elsewhere.requests).toEqual([]);
  });

  it.each(["https://192.0.2.1/redfish/v1/Systems", "//192.0.2.1/redfish/v1/Systems", "/\\192.0.2.1/", "redfish/v1/Systems", "/redfish /v1", undefined, 7])("none is sent where the BMC's own answer leads: %s", async (path) => {
    bmc.answers.set("GET /redfish/v1/", (_request, response) => json(response, { Systems: { "@odata.id": path } }));
    expect(await fault(client())).toMatchObject({ kind: "not-redfish" });
    expect(passwords()).toEqual([]);
  });

  it("is in no message", async () => {
    const messages: string[] = [];
    for (const answer of [401, 403, 404, 500].map((status): Answer => (request, response) => json(response, { error: { message: `bad ${request.headers.host ?? ""}` } }, status))) {
      bmc.answers.set(systemPath, answer);
      messages.push((await fault(client())).message);
    }
    for (const message of messages) expect(message).not.toMatch(/correct horse|Basic|b3BlcmF0b3I/);
  });
});

describe("a BMC that fails", () => {
  it.each<[string, Answer, BmcFaultKind, RegExp]>([
    ["takes no password", (_, response) => json(response, {}, 401), "password", /rackwright secret <environment> bmcPassword/],
    ["lets the account do nothing", (_, response) => json(response, {}, 403), "password", /role Operator/],
    ["has an error of its own", (_, response) => json(response, { error: { message: "internal\nfailure." } }, 500), "server-error", /HTTP 500: internal failure\./],
    ["is starting", (_, response) => response.writeHead(503).end("wait"), "server-error", /HTTP 503\./],
    ["never answers", () => undefined, "unreachable", /no answer within 1 s/],
    ["stops in the middle of an answer", (_, response) => void response.writeHead(200, { "content-type": "application/json", "content-length": "1000" }).write('{"Power'), "unreachable", /no answer within 1 s/],
    ["cuts the connection at once", (request) => request.socket.destroy(), "unreachable", /./],
    ["cuts it in the middle of an answer", (request, response) => void response.writeHead(200, { "content-length": "1000" }).write('{"PowerState": "Off"', () => request.socket.destroy()), "unreachable", /./],
    ["never ends its answer", (_, response) => {
      const more = (): void => {
        if (!response.destroyed) response.write("x".repeat(65_536), () => setImmediate(more));
      };
      more();
    }, "unreachable", /does not end/],
    ["answers with a page for people", (_, response) => response.writeHead(200, { "content-type": "text/html" }).end("<html>"), "not-redfish", /not JSON/],
    ["says no power state", (_, response) => json(response, { HostName: "gpu-01" }), "not-redfish", /no power state/],
    ["says a power state that does not exist", (_, response) => json(response, { HostName: "gpu-01", PowerState: "off" }), "not-redfish", /"off"/],
  ])("%s", async (_what, answer, kind, says) => {
    bmc.answers.set(systemPath, answer);
    const found = await fault(client());
    expect(found.kind).toBe(kind);
    expect(found.message).toMatch(says);
    expect(found.message).toMatch(/gpu-01 at 127\.0\.0\.1:\d+/);
  });

  it("refuses an order: its reason is said", async () => {
    const port = client();
    await port.read();
    bmc.answers.set(resetPath, (_request, response) => json(response, { error: { message: "ActionNotSupported" } }, 400));
    expect(await port.reset("GracefulShutdown")).toEqual({ kind: "refused", message: `The BMC of gpu-01 at 127.0.0.1:${bmc.port} refuses GracefulShutdown: HTTP 400: ActionNotSupported.` });
  });

  it("is not there, or something else listens", async () => {
    const tcp = createTcp((socket) => socket.resume().end("220 mail\r\n"));
    const http = createHttp((_request, response) => response.end("{}"));
    const silent = createTcp((socket) => socket.resume());
    for (const server of [tcp, http, silent]) {
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
      closing.push(() => new Promise((resolve) => server.close(resolve)));
      expect(await fault(client({ port: (server.address() as AddressInfo).port }))).toMatchObject({ kind: "unreachable" });
    }
    expect(await fault(client({ port: 1 }))).toMatchObject({ kind: "unreachable", message: expect.stringContaining("nothing listens there") as string });
    expect(await fault(client({ address: "bmc.invalid" }))).toMatchObject({ kind: "unreachable", message: expect.stringMatching(/name/) as string });
  });
});
