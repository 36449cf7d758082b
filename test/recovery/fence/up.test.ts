import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { ProjectCopy } from "../../support/project-copy";
import { passphrase, project } from "./site";

const fence = { key: "node.kubernetes.io/out-of-service", value: "nodeshutdown", effect: "NoExecute" };
const kubeconfig = (port: number): string =>
  JSON.stringify({ apiVersion: "v1", kind: "Config", clusters: [{ name: "c", cluster: { server: `http://127.0.0.1:${port}`, "insecure-skip-tls-verify": true } }], users: [{ name: "u", user: {} }], contexts: [{ name: "x", context: { cluster: "c", user: "u" } }], "current-context": "x" });

/** An API server that only has nodes; the real one is in takeover.test.ts. */
let taints: Readonly<Record<string, object[]>> = {};
const asked: string[] = [];
const api: Server = createServer((request, response) => {
  asked.push(`${request.method ?? ""} ${request.url ?? ""}`);
  const items = Object.entries(taints).map(([name, own]) => ({ metadata: { name, resourceVersion: "1" }, spec: { taints: own } }));
  response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify({ items }));
});
let copy: ProjectCopy;

beforeAll(async () => {
  await new Promise<void>((resolve) => api.listen(0, "127.0.0.1", resolve));
  copy = await project({ bmc: undefined }, { kubeconfig: kubeconfig((api.address() as AddressInfo).port) });
});
afterAll(async () => {
  copy.remove();
  api.closeAllConnections();
  await new Promise((resolve) => api.close(resolve));
});

const up = () => copy.run(["up", "lab", "--yes"], { env: passphrase });

describe("rackwright up and a node that is fenced", () => {
  it("is refused before anything else, with what to do", async () => {
    taints = { "gpu-01": [{ key: "nvidia.com/gpu", value: "present", effect: "NoSchedule" }, fence], "gpu-02": [] };
    const { code, stderr } = await up();
    expect([code, stderr]).toEqual([2, expect.stringContaining("gpu-01 is fenced: `up` writes taints as the environment has them, which would take the fence away. Nothing was changed. After the repair run `rackwright fence lab gpu-01 --release`, or take the server out of `servers`.")]);
    expect(asked.map((line) => line.split(" ")[0])).not.toContain("PATCH");
  });

  it("goes on to plan where a node is fenced that is none of the environment's", async () => {
    taints = { "gpu-01": [], "gpu-09": [fence] };
    const { stderr } = await up();
    expect(stderr).toContain("lab  2 servers");
    expect(stderr).not.toContain("fenced");
  }, 120_000);
});
