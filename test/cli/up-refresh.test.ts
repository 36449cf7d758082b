import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { stringify } from "yaml";
import { afterAll, beforeAll, expect, it } from "vitest";
import { startControlPlane, type ControlPlane } from "../../rehearsal/control-plane/control-plane";
import { ProjectCopy, type CommandResult } from "../support/project-copy";

const folder = mkdtempSync(join(tmpdir(), "rackwright-up-"));
const env = { PULUMI_CONFIG_PASSPHRASE: "a passphrase" };
let plane: ControlPlane;
let project: ProjectCopy;
const run = (words: string[], stdin = ""): Promise<CommandResult> => project.run(words, { env, stdin });
const policy = "/apis/networking.k8s.io/v1/namespaces/inference/networkpolicies/default-deny";

beforeAll(async () => {
  plane = await startControlPlane({ workDir: folder });
  project = new ProjectCopy();
  project.writeStack("lab", stringify({ config: { "rackwright:environment": { site: { name: "lab", objectStore: { endpoint: "https://store.example:9000", bucket: "lab" } }, servers: {}, cluster: { distribution: "existing" }, monitoring: { enabled: false } } } }));
  for (const [name, value] of Object.entries({ kubeconfig: plane.kubeconfig, objectStoreAccessKeyId: "id", objectStoreSecretAccessKey: "key" })) {
    const { code, stderr } = await run(["secret", "lab", name], value);
    expect(code, stderr).toBe(0);
  }
}, 120_000);
afterAll(async () => {
  project.remove();
  await plane.stop();
  rmSync(folder, { recursive: true, force: true });
});

it("up --refresh makes what somebody deleted, which up by itself does not see; it changes nothing of the rest", async () => {
  const first = await run(["up", "lab", "--yes", "--engine", "embedded", "--refresh"]);
  expect(first.code, first.stderr).toBe(0);
  const { metadata: before } = (await plane.call("GET", policy)) as { metadata: { uid: string } };
  await plane.call("DELETE", policy);

  const unaware = await run(["up", "lab", "--yes", "--engine", "embedded", "--json"]);
  expect([unaware.code, (JSON.parse(unaware.stdout) as { changes: Record<string, number> }).changes], unaware.stderr).toEqual([0, expect.not.objectContaining({ create: expect.any(Number) as number })]);

  const aware = await run(["up", "lab", "--yes", "--engine", "embedded", "--refresh", "--json"]);
  const { changes } = JSON.parse(aware.stdout) as { changes: Record<string, number> };
  expect([aware.code, changes], aware.stderr).toEqual([0, { create: 1, same: expect.any(Number) as number }]);
  const { metadata: after } = (await plane.call("GET", policy)) as { metadata: { uid: string } };
  expect(after.uid).not.toBe(before.uid);
}, 180_000);
