import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { spawn } from "node:child_process";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { KubernetesObject } from "../../../components/cluster/object";
import { redfishBmc } from "../../../components/recovery/fence/redfish";
import type { ControlPlane } from "../../../rehearsal/control-plane/control-plane";
import { programs } from "../../../rehearsal/control-plane/programs";
import { startRedfishEmulator, type RedfishEmulator } from "../../../rehearsal/redfish-emulator";
import { controlPlane, controlPlaneTimeout } from "../../support/control-plane";
import { full } from "../../support/full";
import { objectsOn, within } from "../../support/objects";
import type { ProjectCopy } from "../../support/project-copy";
import { fence, passphrase, project } from "./site";

/*
 * A real API server, controller manager and scheduler, the Redfish emulator of sushy-tools, and the command as a user starts it.
 * Stood in for: kubelets (KWOK, one process a node) and a CSI driver's attacher (this test says that a volume is attached).
 */
const uuid = "a1b2c3d4-0000-4000-8000-0123456789ab";
const login = { user: "operator", password: "correct horse" };
const start = controlPlane({ grace: { nodeMonitorGraceSeconds: 8, nodeMonitorPeriodSeconds: 1, tolerationSeconds: 2 } });
const folder = mkdtempSync(join(tmpdir(), "rackwright-bmc-"));
const driver = "csi.example.org";
let plane: ControlPlane;
let emulator: RedfishEmulator;
let copy: ProjectCopy;
const { apply } = objectsOn(() => plane);
const until = within(60);

interface Pod {
  metadata: { name: string; uid: string; deletionTimestamp?: string };
  spec: { nodeName?: string };
  status?: { phase?: string };
}
interface Node {
  spec: { taints?: { key: string; value?: string; effect: string }[] };
  status: { conditions: { type: string; status: string }[] };
}
interface Attachment {
  metadata: { name: string };
  spec: { nodeName: string };
  status?: { attached?: boolean };
}

const pod = (name: string): Promise<Pod | undefined> => plane.call<Pod>("GET", `/api/v1/namespaces/default/pods/${name}`);
const node = async (name = "gpu-01"): Promise<Node> => (await plane.call<Node>("GET", `/api/v1/nodes/${name}`)) ?? { spec: {}, status: { conditions: [] } };
const fenceTaints = async (): Promise<object[]> => ((await node()).spec.taints ?? []).filter(({ key }) => key === "node.kubernetes.io/out-of-service");
const ready = async (name = "gpu-01"): Promise<boolean> => (await node(name)).status.conditions.some(({ type, status }) => type === "Ready" && status === "True");
const attachments = async (): Promise<Attachment[]> => (await plane.call<{ items: Attachment[] }>("GET", "/apis/storage.k8s.io/v1/volumeattachments"))?.items ?? [];

/** The volume is attached where the controller wants it, as a CSI driver's attacher would say. */
async function attachAll(): Promise<void> {
  for (const { metadata, status } of await attachments()) {
    if (status?.attached !== true) await plane.call("PATCH", `/apis/storage.k8s.io/v1/volumeattachments/${metadata.name}/status`, { status: { attached: true } }, "application/merge-patch+json");
  }
}

const attachedTo = (name: string): Promise<true> => until(`the volume attached to ${name}`, async () => {
  await attachAll();
  const found = await attachments();
  return found.length === 1 && found[0]?.spec.nodeName === name ? true : undefined;
});

const template = (more: object = {}): object => ({
  terminationGracePeriodSeconds: 30,
  containers: [{ name: "main", image: "registry.example.org/main:1", ...more }],
});

/** A stateful service with a volume that one node at a time may have. */
function stateful(): KubernetesObject[] {
  return [
    { apiVersion: "storage.k8s.io/v1", kind: "CSIDriver", metadata: { name: driver }, spec: { attachRequired: true } },
    { apiVersion: "v1", kind: "PersistentVolume", metadata: { name: "data" }, spec: { capacity: { storage: "1Gi" }, accessModes: ["ReadWriteOnce"], storageClassName: "", csi: { driver, volumeHandle: "data" }, claimRef: { namespace: "default", name: "data-state-0" } } },
    { apiVersion: "v1", kind: "PersistentVolumeClaim", metadata: { name: "data-state-0", namespace: "default" }, spec: { accessModes: ["ReadWriteOnce"], storageClassName: "", volumeName: "data", resources: { requests: { storage: "1Gi" } } } },
    {
      apiVersion: "apps/v1", kind: "StatefulSet", metadata: { name: "state", namespace: "default" },
      spec: {
        serviceName: "state", replicas: 1, selector: { matchLabels: { app: "state" } },
        template: { metadata: { labels: { app: "state" } }, spec: { ...template({ volumeMounts: [{ name: "data", mountPath: "/data" }] }), affinity: { nodeAffinity: { preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 100, preference: { matchExpressions: [{ key: "kubernetes.io/hostname", operator: "In", values: ["gpu-01"] }] } }] } } } },
        volumeClaimTemplates: [{ metadata: { name: "data" }, spec: { accessModes: ["ReadWriteOnce"], storageClassName: "", resources: { requests: { storage: "1Gi" } } } }],
      },
    },
  ];
}

/** Pinned as a training job's pods are. A Job's own pods would end at once: KWOK completes them. */
const pinned: KubernetesObject = {
  apiVersion: "apps/v1", kind: "StatefulSet", metadata: { name: "train", namespace: "default" },
  spec: { serviceName: "train", replicas: 1, selector: { matchLabels: { app: "train" } }, template: { metadata: { labels: { app: "train" } }, spec: { ...template(), nodeSelector: { "kubernetes.io/hostname": "gpu-01" } } } },
};
const bare: KubernetesObject = { apiVersion: "v1", kind: "Pod", metadata: { name: "bare", namespace: "default" }, spec: { ...template(), nodeName: "gpu-01" } };

async function startNode(name: string): Promise<void> {
  const { kwok } = await programs(["kwok"]);
  const config = join(folder, "kwok.yaml");
  plane.start(`kwok-again-${name}`, "sh", ["-c", `: > '${config}'; exec '${kwok}' --kubeconfig='${plane.kubeconfigFile}' --config='${config}' --manage-single-node=${name} --node-lease-duration-seconds=4 --cidr=10.42.9.1/24 --node-ip=127.0.0.1`]);
  await until(`${name} is Ready`, async () => ((await ready(name)) ? true : undefined));
}

const bmc = () => ({ address: "127.0.0.1", port: emulator.port, user: login.user, tls: { fingerprintSha256: emulator.fingerprint }, uuid });
const power = async (): Promise<string> => {
  const reading = await redfishBmc({ server: "gpu-01", bmc: bmc(), password: login.password }).read();
  return "system" in reading ? reading.system.power : reading.fault.message;
};

/** Starts the command and kills it with SIGKILL as soon as it has written a line. */
async function killedAt(line: RegExp): Promise<string> {
  const child = spawn(join(copy.folder, "rackwright"), ["fence", "lab", "gpu-01", "--yes"], { cwd: tmpdir(), env: { ...process.env, ...passphrase }, detached: true, stdio: ["ignore", "pipe", "pipe"] });
  let text = "";
  const gone = new Promise((resolve) => child.once("close", resolve));
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
    text += chunk;
    if (line.test(text) && child.pid !== undefined) process.kill(-child.pid, "SIGKILL");
  });
  await gone;
  return text;
}

describe.skipIf(!full)("takeover of a server that has stopped answering (RACKWRIGHT_FULL=1)", () => {
  beforeAll(async () => {
    plane = await start();
    emulator = await startRedfishEmulator({ folder, ...login, systems: [{ uuid, name: "gpu-01", power: "On" }] });
    copy = await project({ bmc: bmc() }, { bmcPassword: login.password, kubeconfig: plane.kubeconfig });
    const capacity = { cpu: "32", memory: "256Gi" };
    await plane.addNode({ name: "gpu-01", capacity }, { name: "gpu-02", capacity });
    for (const name of ["gpu-01", "gpu-02"]) {
      await plane.call("PATCH", `/api/v1/nodes/${name}`, { metadata: { annotations: { "volumes.kubernetes.io/controller-managed-attach-detach": "true" } } }, "application/merge-patch+json");
      await apply({ apiVersion: "storage.k8s.io/v1", kind: "CSINode", metadata: { name }, spec: { drivers: [{ name: driver, nodeID: name, topologyKeys: [] }] } });
    }
    for (const object of [...stateful(), pinned, bare]) await apply(object);
    for (const name of ["state-0", "train-0"]) await until(`${name} on gpu-01`, async () => ((await pod(name))?.spec.nodeName === "gpu-01" && (await pod(name))?.status?.phase === "Running" ? true : undefined));
    await attachedTo("gpu-01");
    // As its kubelet would say while the volume is mounted: without the taint Kubernetes waits six minutes for it.
    await plane.call("PATCH", "/api/v1/nodes/gpu-01/status", { status: { volumesInUse: [`kubernetes.io/csi/${driver}^data`] } }, "application/merge-patch+json");
  }, controlPlaneTimeout);
  afterAll(async () => {
    await emulator.stop();
    copy.remove();
    rmSync(folder, { recursive: true, force: true });
  });

  it("is refused while the server works, and changes nothing", async () => {
    const { code, report } = await fence(copy, "--yes");
    expect([code, report.outcome, report.message]).toEqual([2, "refused", expect.stringContaining("gpu-01 is Ready: it works.")]);
    expect([await power(), await fenceTaints(), await ready()]).toEqual(["On", [], true]);
  });

  it("without it, the pods of a dead node stay where they were, and so does the volume", async () => {
    await plane.killNode("gpu-01");
    await until("the node is found dead", async () => ((await ready()) ? undefined : true));
    await until("its pods are told to go", async () => ((await pod("state-0"))?.metadata.deletionTimestamp === undefined ? undefined : true));
    await new Promise((resolve) => setTimeout(resolve, 25_000));
    expect((await pod("state-0"))?.spec.nodeName).toBe("gpu-01");
    expect((await attachments()).map(({ spec }) => spec.nodeName)).toEqual(["gpu-01"]);
  }, 120_000);

  it("a dry run says which pods end and what becomes of each, and does nothing", async () => {
    const { code, report } = await fence(copy, "--dry-run");
    expect([code, report.outcome]).toEqual([0, "dry-run"]);
    const pods = report.look?.node.facts?.pods.map(({ name, then, because }) => [name, then, because]).sort();
    expect(pods).toEqual([["bare", "gone", undefined], ["state-0", "elsewhere", undefined], ["train-0", "waits", "it is bound to gpu-01"]]);
    expect(report.look?.node.facts?.volumes).toBe(1);
    expect([await power(), await fenceTaints()]).toEqual(["On", []]);
  });

  it("killed with SIGKILL after each step and started again, it ends fenced: off, tainted, pods gone, the volume on the other node", async () => {
    expect(await killedAt(/power off was asked/)).not.toContain("the BMC says Off");
    expect(await fenceTaints()).toEqual([]);
    expect(await killedAt(/the BMC says Off|power Off/)).not.toContain("the taint is set");
    expect(await fenceTaints()).toEqual([]);
    expect(await killedAt(/the taint is set/)).toContain("the taint is set");
    const { code, report, stderr } = await fence(copy, "--yes");
    expect([code, report.outcome, report.power, report.tainted], stderr).toEqual([0, "fenced", "Off", true]);
    expect(await power()).toBe("Off");
    expect(await fenceTaints()).toEqual([expect.objectContaining({ value: "nodeshutdown", effect: "NoExecute" })]);
    expect(await pod("bare")).toBeUndefined();
    expect(await until("the stateful service on gpu-02", async () => ((await pod("state-0"))?.spec.nodeName === "gpu-02" ? "gpu-02" : undefined))).toBe("gpu-02");
    await attachedTo("gpu-02");
  }, 180_000);

  it("is done already when it is started again", async () => {
    const { code, report } = await fence(copy, "--yes");
    expect([code, report.outcome]).toEqual([0, "fenced"]);
    expect(report.steps.map(({ what }) => what).join()).not.toContain("power off was asked");
  });

  it("`up` is refused, for who writes a node's taints takes the fence away", async () => {
    const { code, stderr } = await copy.run(["up", "lab", "--yes"], { env: passphrase });
    expect([code, stderr]).toEqual([2, expect.stringContaining("gpu-01 is fenced")]);
    expect(await fenceTaints()).toHaveLength(1);
    // What the Kubernetes provider does for a server with a taint of its own.
    const own = { key: "example.org/own", value: "yes", effect: "NoSchedule" };
    await plane.call("PATCH", "/api/v1/nodes/gpu-01?fieldManager=pulumi&force=true&dryRun=All", { apiVersion: "v1", kind: "Node", metadata: { name: "gpu-01" }, spec: { taints: [own] } }, "application/apply-patch+yaml").then((written) => {
      expect((written as Node).spec.taints?.filter(({ key }) => !key.startsWith("node.kubernetes.io/unreachable"))).toEqual([own]);
    });
  }, 60_000);

  it("is released: power on, node Ready, taint away, and what waited for the server runs there again", async () => {
    const released = fence(copy, "--release", "--yes");
    await until("the power is on", async () => ((await power()) === "On" ? true : undefined));
    expect(await fenceTaints()).toHaveLength(1);
    await startNode("gpu-01");
    const { code, report } = await released;
    expect([code, report.outcome], report.message).toEqual([0, "released"]);
    expect(await fenceTaints()).toEqual([]);
    expect(await until("what is bound to gpu-01 there again", async () => ((await pod("train-0"))?.status?.phase === "Running" ? (await pod("train-0"))?.spec.nodeName : undefined))).toBe("gpu-01");
    expect((await fence(copy, "--release")).report.message).toContain("there was nothing to do");
  }, 180_000);
});
