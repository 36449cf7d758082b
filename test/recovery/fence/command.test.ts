import { spawn } from "node:child_process";
import { createServer, type Server } from "node:http";
import { createServer as createTcp, type AddressInfo } from "node:net";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { full } from "../../support/full";
import type { ProjectCopy } from "../../support/project-copy";
import { credentials, FaultBmc, makeCertificates } from "./fault-bmc";
import { fence, kubeconfigFile, passphrase, project, type FenceReport } from "./site";

/** As much of an API server as the command asks of one; the real one is in takeover.test.ts. */
class StandInApi {
  ready = false;
  taints: object[] = [];
  pods = ["state-0"];
  private readonly server: Server = createServer((request, response) => {
    const path = request.url ?? "";
    const send = (body: object): void => void response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(body));
    let body = "";
    request.on("data", (chunk: Buffer) => (body += chunk.toString("utf8")));
    request.on("end", () => {
      if (request.method === "PATCH") this.taints = (JSON.parse(body) as { spec: { taints: object[] } }).spec.taints;
      if (path.startsWith("/api/v1/nodes/")) send({ metadata: { resourceVersion: "1" }, spec: { taints: this.taints }, status: { conditions: [{ type: "Ready", status: this.ready ? "True" : "Unknown", message: "Kubelet stopped posting node status.", lastTransitionTime: "2026-01-01T00:00:00Z" }] } });
      else if (path.startsWith("/api/v1/pods?")) send({ items: this.pods.map((name) => ({ metadata: { name, namespace: "default", ownerReferences: [{ kind: "StatefulSet", name: "state", controller: true }] }, spec: {} })) });
      else send({ items: [] });
    });
  });

  async listen(): Promise<string> {
    await new Promise<void>((resolve) => this.server.listen(0, "127.0.0.1", resolve));
    const url = `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
    return JSON.stringify({ apiVersion: "v1", kind: "Config", clusters: [{ name: "c", cluster: { server: url, "insecure-skip-tls-verify": true } }], users: [{ name: "u", user: {} }], contexts: [{ name: "x", context: { cluster: "c", user: "u" } }], "current-context": "x" });
  }

  async close(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }
}

const folder = mkdtempSync(join(tmpdir(), "rackwright-fence-"));
const api = new StandInApi();
let bmc: FaultBmc;
let copy: ProjectCopy;
let kubeconfig: string;

beforeAll(async () => {
  bmc = await FaultBmc.listen(makeCertificates());
  kubeconfig = kubeconfigFile(folder, await api.listen());
  copy = await project({ bmc: bmc.settings() }, { bmcPassword: credentials.password });
});
afterAll(async () => {
  await Promise.all([bmc.close(), api.close()]);
  copy.remove();
  rmSync(folder, { recursive: true, force: true });
});

describe("rackwright fence", () => {
  it("shows what ends with the server, and does nothing where there is nobody to ask", async () => {
    const { code, stdout, stderr } = await copy.run(["fence", "lab", "gpu-01", "--kubeconfig", kubeconfig], { env: passphrase });
    expect([code, stderr]).toEqual([2, expect.stringContaining("run again with --yes")]);
    expect(stdout).toContain("gpu-01 of lab\n");
    expect(stdout).toMatch(/node +not Ready since 2026-01-01T00:00:00Z: Kubelet stopped posting node status\./);
    expect(stdout).toMatch(/BMC +system 1 \(Contoso 3500, serial number 437XR1138R2, UUID 38947555-7742-3448-3784-823347823834, host name gpu-01\), power On/);
    expect(stdout).toMatch(/default\/state-0 +StatefulSet state +made anew on another node/);
    expect(bmc.requests.map(({ method }) => method)).not.toContain("POST");
    expect(`${stdout}${stderr}`).not.toContain(credentials.password);
  });

  it.skipIf(!full)("(RACKWRIGHT_FULL=1) refuses a server that works, in JSON as well", async () => {
    api.ready = true;
    const { code, report } = await fence(copy, "--yes", "--kubeconfig", kubeconfig);
    api.ready = false;
    expect([code, report]).toEqual([2, expect.objectContaining({ environment: "lab", server: "gpu-01", ok: false, outcome: "refused" })]);
    expect([bmc.power, api.taints]).toEqual(["On", []]);
  });

  it("stops at Ctrl-C with a verdict, and goes on when it is started again", async () => {
    const child = spawn(join(copy.folder, "rackwright"), ["fence", "lab", "gpu-01", "--yes", "--json", "--kubeconfig", kubeconfig], { env: { ...process.env, ...passphrase }, detached: true, stdio: ["ignore", "pipe", "pipe"] });
    const stdout = text(child.stdout);
    const gone = new Promise<number | null>((resolve) => child.once("close", resolve));
    child.stderr.setEncoding("utf8").on("data", (line: string) => {
      if (line.includes("power off was asked") && child.pid !== undefined) process.kill(-child.pid, "SIGINT");
    });
    const code = await gone;
    const stopped = JSON.parse(await stdout) as FenceReport;
    expect([code, stopped.outcome, stopped.message]).toEqual([1, "stopped", expect.stringMatching(/the node has no taint\. Run `rackwright fence lab gpu-01` again to go on/)]);
    expect(api.taints).toEqual([]);
    setTimeout(() => (api.pods = []), 100);
    const again = await fence(copy, "--yes", "--kubeconfig", kubeconfig);
    expect([again.code, again.report.outcome, again.report.power, again.report.tainted]).toEqual([0, "fenced", "Off", true]);
    expect(api.taints).toEqual([{ key: "node.kubernetes.io/out-of-service", value: "nodeshutdown", effect: "NoExecute" }]);
    expect(bmc.requests.filter(({ method }) => method === "POST")).toHaveLength(1);
  }, 120_000);
});

describe("what is wrong is said before anything is asked", () => {
  const cases: [string[], RegExp][] = [
    [["fence", "lab", "gpu-02"], /servers\.gpu-02\.bmc is missing.*docs\/runbooks\/fencing\.md/],
    ...(full ? ([
      [["fence", "lab", "gpu-1"], /lab has no server "gpu-1"\. Did you mean gpu-01\?/],
      [["fence", "lab", "gpu-01", "--release", "--force-running"], /leave it out with --release/],
    ] as [string[], RegExp][]) : []),
  ];

  it.each(cases)("%j", async (parameters, says) => {
    const before = bmc.requests.length;
    const { code, stderr } = await copy.run(parameters, { env: passphrase });
    expect([code, stderr]).toEqual([2, expect.stringMatching(says)]);
    expect(bmc.requests).toHaveLength(before);
  });

  it.skipIf(!full)("(RACKWRIGHT_FULL=1) a secret that is missing, an environment without a cluster", async () => {
    const secretless = await project({ bmc: bmc.settings() }, {});
    expect(await secretless.run(["fence", "lab", "gpu-01"])).toMatchObject({ code: 2, stderr: expect.stringMatching(/rackwright:bmcPassword is missing.*rackwright secret lab bmcPassword/) as string });
    secretless.remove();
    const clusterless = await project({ bmc: bmc.settings(), distribution: "none" }, {});
    expect(await clusterless.run(["fence", "lab", "gpu-01"])).toMatchObject({ code: 2, stderr: expect.stringContaining("lab has no cluster") as string });
    clusterless.remove();
  });

  it.skipIf(!full)("(RACKWRIGHT_FULL=1) a certificate that is another, with no password sent; an API server that is away; a server that answers over SSH", async () => {
    const wrong = await project({ bmc: bmc.settings({ tls: { fingerprintSha256: "00".repeat(32) } }) }, { bmcPassword: credentials.password });
    const before = bmc.requests.length;
    const { code, report } = await fence(wrong, "--yes", "--kubeconfig", kubeconfig);
    wrong.remove();
    expect([code, report.outcome, report.message]).toEqual([2, "refused", expect.stringMatching(/No password was sent.*Nothing was switched, and no taint is set\./)]);
    expect(bmc.requests).toHaveLength(before);
    Object.assign(bmc, { power: "On" });
    const ssh = createTcp((socket) => socket.on("error", () => undefined).write("SSH-2.0-OpenSSH_9.2\r\n"));
    await new Promise<void>((resolve) => ssh.listen(0, "127.0.0.1", resolve));
    const awake = await project({ bmc: bmc.settings(), address: "127.0.0.1", sshPort: (ssh.address() as AddressInfo).port }, { bmcPassword: credentials.password });
    expect((await fence(awake, "--yes", "--kubeconfig", kubeconfig)).report.message).toMatch(/answers over SSH.*--force-running/);
    awake.remove();
    await new Promise((resolve) => ssh.close(resolve));
    const away = await fence(copy, "--yes");
    expect([away.code, away.report.message]).toEqual([3, expect.stringMatching(/The API server does not answer.*rackwright:kubeconfig is missing\. Nothing was switched\./)]);
    expect(bmc.power).toBe("On");
  }, 120_000);
});
