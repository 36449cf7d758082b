import * as pulumi from "@pulumi/pulumi";
import { describe, expect, it } from "vitest";
import { kubernetes } from "../../../components/cluster/sdk";
import { ModelStore } from "../../../components/inference/model-store";
import { record, Secret, type Recording } from "../../servers/recorder";
import { storeEnvironment, workloadsOn, type StoreInput } from "./workload-plans";

const services = { chat: { model: "qwen2.5-7b" } };

async function registered(input: StoreInput, credentials: ConstructorParameters<typeof ModelStore>[1]["credentials"] = {}): Promise<{ recording: Recording; ready: Record<string, string[]> }> {
  const environment = storeEnvironment({ services, ...input });
  const ready: Record<string, pulumi.Output<string>[]> = {};
  const names: Record<string, string[]> = {};
  const recording = await record(() => {
    const provider = new (kubernetes().Provider)("cluster", { kubeconfig: "" });
    const store = new ModelStore("lab", { environment, plan: workloadsOn(environment), credentials, cluster: { provider, ready: [provider] } });
    for (const server of [...Object.keys(environment.servers), "elsewhere"]) {
      ready[server] = store.readyOn("chat", server).map(({ urn }) => urn);
      names[server] = [];
      for (const urn of ready[server]) urn.apply((text) => names[server]?.push(text.split("::").at(-1)?.replace(/[0-9a-f]{8}$/, "#") ?? ""));
    }
  });
  return { recording, ready: names };
}

describe("the component ModelStore", () => {
  it("keeps types, names and parents of what it registers", async () => {
    const { recording } = await registered({ servers: 1 });
    expect(recording.urns.map((urn) => urn.replace(/[0-9a-f]{8}$/, "#")).sort()).toEqual([
      "pulumi:providers:kubernetes::cluster",
      "rackwright:inference:ModelStore$kubernetes:batch/v1:Job::job-inference-layout-gpu-1-#",
      "rackwright:inference:ModelStore$kubernetes:core/v1:ConfigMap::configmap-inference-model-layout-#",
      "rackwright:inference:ModelStore$kubernetes:core/v1:PersistentVolume::persistentvolume-model-store-gpu-1",
      "rackwright:inference:ModelStore$kubernetes:core/v1:PersistentVolume::persistentvolume-models-gpu-1",
      "rackwright:inference:ModelStore$kubernetes:core/v1:PersistentVolumeClaim::persistentvolumeclaim-inference-model-store-gpu-1",
      "rackwright:inference:ModelStore$kubernetes:core/v1:PersistentVolumeClaim::persistentvolumeclaim-inference-models-gpu-1",
      "rackwright:inference:ModelStore::lab",
    ]);
  });

  it("tells workloads of a server to wait for that server's claims and layout, and no other's", async () => {
    const { ready } = await registered({});
    expect(ready).toEqual({
      "gpu-1": ["persistentvolumeclaim-inference-models-gpu-1", "persistentvolumeclaim-inference-model-store-gpu-1", "job-inference-layout-gpu-1-#"],
      "gpu-2": ["persistentvolumeclaim-inference-models-gpu-2", "persistentvolumeclaim-inference-model-store-gpu-2", "job-inference-layout-gpu-2-#"],
      elsewhere: [],
    });
  });

  it("puts the object store's keys into one Secret, as secrets, and nowhere else", async () => {
    const site = { objectStore: { endpoint: "https://s3.example.org", bucket: "weights" } };
    const { recording } = await registered({ site }, { objectStoreAccessKeyId: pulumi.secret("the-key-id"), objectStoreSecretAccessKey: pulumi.secret("the-secret-key") });
    const { inputs } = recording.named("kubernetes:core/v1:Secret", "secret-inference-model-store");
    expect(inputs).toMatchObject({ metadata: { name: "model-store", namespace: "inference" } });
    expect(inputs.stringData).toBeInstanceOf(Secret);
    expect((inputs.stringData as Secret).value).toEqual({ accessKeyId: "the-key-id", secretAccessKey: "the-secret-key" });
    const others = recording.resources.filter(({ name }) => name !== "secret-inference-model-store");
    expect(JSON.stringify(others)).not.toMatch(/the-key-id|the-secret-key/);
    const without = await registered({ site });
    expect(without.recording.named("kubernetes:core/v1:Secret", "secret-inference-model-store").inputs).toMatchObject({ type: "Opaque" });
    expect((await registered({})).recording.resources.some(({ type }) => type === "kubernetes:core/v1:Secret")).toBe(false);
  });
});
