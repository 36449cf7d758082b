import { createServer } from "node:http";
import { type AddressInfo } from "node:net";
import { mkdtempSync, rmSync } from "node:fs";
import { request } from "node:http";
import { join } from "node:path";
import { tmpdir } from "node:os";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Switchboard } from "../../rehearsal/monitoring/switchboard";
import { Webhook } from "../../rehearsal/monitoring/webhook";

let board: Switchboard;
const real = createServer((incoming, outgoing) => outgoing.end(`real ${incoming.url ?? ""} for ${incoming.headers["host"] ?? ""}`));
const inNamespace = createServer((incoming, outgoing) => outgoing.end(`namespace ${incoming.url ?? ""}`));
const folder = mkdtempSync(join(tmpdir(), "switchboard-"));
const socket = join(folder, "exporter.sock");

/** As a client does that was told of a proxy. */
function through(url: string): Promise<{ status: number; text: string }> {
  const { hostname, port } = new URL(board.url);
  return new Promise((resolve, reject) => {
    request({ hostname, port, path: url, headers: { host: new URL(url).host }, agent: false }, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
      response.on("end", () => resolve({ status: response.statusCode ?? 0, text }));
    }).on("error", reject).end();
  });
}

beforeAll(async () => {
  board = await Switchboard.listen();
  await new Promise<void>((resolve) => real.listen(0, "127.0.0.1", resolve));
  await new Promise<void>((resolve) => inNamespace.listen(socket, resolve));
  board.set("192.0.2.1:9100", { kind: "port", port: (real.address() as AddressInfo).port });
  board.set("blackbox-exporter.monitoring:9115", { kind: "socket", path: socket });
  board.set("[2001:db8::1]:9400", { kind: "text", text: () => "up 1\n" });
});

afterAll(async () => {
  await board.close();
  real.close();
  inNamespace.close();
  rmSync(folder, { recursive: true });
});

describe("the rehearsal's proxy", () => {
  it("leads a site's address to a program on this machine, with its path and host", async () => {
    expect(await through("http://192.0.2.1:9100/metrics?x=1")).toEqual({ status: 200, text: "real /metrics?x=1 for 192.0.2.1:9100" });
  });

  it("leads into a namespace through a socket", async () => {
    expect(await through("http://blackbox-exporter.monitoring:9115/probe?target=a")).toEqual({ status: 200, text: "namespace /probe?target=a" });
  });

  it("speaks for an emulated exporter, at an IPv6 address too", async () => {
    expect(await through("http://[2001:db8::1]:9400/metrics")).toEqual({ status: 200, text: "up 1\n" });
  });

  it("refuses an address that nobody answers for, and one that stopped", async () => {
    expect(await through("http://192.0.2.9:9100/metrics")).toEqual({ status: 502, text: "nobody answers at 192.0.2.9:9100\n" });
    const removed = board.remove("[2001:db8::1]:9400");
    expect((await through("http://[2001:db8::1]:9400/metrics")).status).toBe(502);
    if (removed !== undefined) board.set("[2001:db8::1]:9400", removed);
  });

  it("says so when the program behind an address has ended", async () => {
    board.set("192.0.2.2:9100", { kind: "socket", path: join(folder, "nobody.sock") });
    const { status, text } = await through("http://192.0.2.2:9100/metrics");
    expect(status).toBe(502);
    expect(text).toContain("ENOENT");
  });
});

describe("the rehearsal's receiver", () => {
  it("knows who was told of what, and since when", async () => {
    const webhook = await Webhook.listen();
    const tell = (receiver: string, status: string, labels: Record<string, string>): Promise<Response> => fetch(webhook.url(receiver), { method: "POST", body: JSON.stringify({ groupLabels: {}, alerts: [{ status, labels, annotations: {}, startsAt: "" }] }) });
    await tell("on duty/1", "firing", { alertname: "GpuXid", server: "gpu-01" });
    const between = Date.now() + 1;
    await new Promise((resolve) => setTimeout(resolve, 5));
    await tell("on duty/1", "resolved", { alertname: "GpuXid", server: "gpu-01" });
    const awaited = { receiver: "on duty/1", alert: "GpuXid", labels: { server: "gpu-01" } } as const;
    expect((await webhook.wait({ ...awaited, status: "firing", since: 0 }, 0))?.alert.labels).toEqual({ alertname: "GpuXid", server: "gpu-01" });
    expect(await webhook.wait({ ...awaited, status: "firing", since: between }, 0)).toBeUndefined();
    expect(await webhook.wait({ ...awaited, status: "resolved", since: between }, 0)).toBeDefined();
    expect(await webhook.wait({ ...awaited, labels: { server: "gpu-02" }, status: "firing", since: 0 }, 0)).toBeUndefined();
    expect(await webhook.wait({ ...awaited, receiver: "somebody else", status: "firing", since: 0 }, 0)).toBeUndefined();
    expect(webhook.fired("on duty/1", 0)).toEqual(["GpuXid"]);
    await webhook.close();
  });
});
