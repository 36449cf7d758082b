import * as pulumi from "@pulumi/pulumi";
import { describe, expect, it } from "vitest";
import { kubernetes } from "../../components/cluster/sdk";
import { InferenceService } from "../../components/inference/inference-service";
import { record, type Recording } from "../servers/recorder";
import { planOf, twoServers, workloadOf } from "./engines/plans";

const environment = twoServers();
const service = planOf("assistant", "vllm", { model: "qwen2.5-7b", hostname: "models.corp.example" }, [
  workloadOf("assistant", { replicas: 2 }),
  workloadOf("assistant", { name: "assistant-gpu-0002-standby", role: "standby", servers: ["gpu-0002"] }),
]);

interface Run extends Recording {
  asked: string[];
}

/** The component, and what it asked the model store for. */
async function run(weightsTakeMilliseconds = 0): Promise<Run> {
  const asked: string[] = [];
  const recording = await record(() => {
    const provider = new (kubernetes().Provider)("cluster", { kubeconfig: pulumi.secret("KUBECONFIG") });
    const weights = new (kubernetes().core.v1.ConfigMap)("weights", { metadata: { name: "weights" }, data: { ready: new Promise<string>((resolve) => { setTimeout(() => { resolve("yes"); }, weightsTakeMilliseconds); }) } }, { provider });
    const readyOn = (name: string, server: string): pulumi.Resource[] => {
      asked.push(`${name} on ${server}`);
      return [weights];
    };
    new InferenceService("assistant", { environment, service, cluster: { provider, ready: [] }, modelStore: { readyOn } });
  });
  return { ...recording, asked };
}

describe("an inference service in the program", () => {
  it("has the URNs that the state knows it by", async () => {
    const { urns } = await run();
    const parent = "rackwright:inference:InferenceService";
    expect(urns.filter((urn) => urn.includes(parent)).sort()).toEqual([
      `${parent}::assistant`,
      `${parent}$kubernetes:core/v1:ServiceAccount::serviceaccount-inference-assistant`,
      `${parent}$kubernetes:core/v1:ConfigMap::configmap-inference-assistant-gpu-0001`,
      `${parent}$kubernetes:core/v1:ConfigMap::configmap-inference-assistant-gpu-0002-standby`,
      `${parent}$kubernetes:apps/v1:Deployment::deployment-inference-assistant-gpu-0001`,
      `${parent}$kubernetes:apps/v1:Deployment::deployment-inference-assistant-gpu-0002-standby`,
      `${parent}$kubernetes:core/v1:Service::service-inference-assistant`,
      `${parent}$kubernetes:networking.k8s.io/v1:Ingress::ingress-inference-assistant`,
      `${parent}$kubernetes:policy/v1:PodDisruptionBudget::poddisruptionbudget-inference-assistant`,
      `${parent}$kubernetes:networking.k8s.io/v1:NetworkPolicy::networkpolicy-inference-assistant`,
    ].sort());
  });

  it("says plainly what it is, without secrets", async () => {
    const { inputs } = (await run()).named("rackwright:inference:InferenceService", "assistant");
    expect(inputs).toMatchObject({
      name: "assistant", engine: "vllm", engineReason: "as stated", service: { model: "qwen2.5-7b", precision: "bf16", hostname: "models.corp.example" },
      workloads: [
        { name: "assistant-gpu-0001", role: "active", replicas: 2, servers: ["gpu-0001"], accelerator: "a100-80gb-pcie", devicesPerPod: 1, tensorParallel: 1, pipelineParallel: 1 },
        { name: "assistant-gpu-0002-standby", role: "standby", replicas: 1, servers: ["gpu-0002"] },
      ],
    });
  });

  it("starts pods only where their weights are laid out, and keeps the rest from waiting", async () => {
    const { asked, resources } = await run(200);
    expect(asked).toEqual(["assistant on gpu-0001", "assistant on gpu-0002"]);
    const order = resources.map(({ name }) => name);
    const weights = order.indexOf("weights");
    for (const deployment of ["deployment-inference-assistant-gpu-0001", "deployment-inference-assistant-gpu-0002-standby"]) expect(order.indexOf(deployment)).toBeGreaterThan(weights);
    for (const other of ["service-inference-assistant", "networkpolicy-inference-assistant"]) expect(order.indexOf(other)).toBeLessThan(weights);
  });
});
