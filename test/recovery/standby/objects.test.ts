import { describe, expect, it } from "vitest";
import type { KubernetesObject } from "../../../components/cluster/object";
import type { EnvironmentInput } from "../../../components/environment";
import { planWorkloads } from "../../../components/inference";
import { planInferenceService } from "../../../components/inference/service-plan";
import { nodePortName } from "../../../components/recovery/standby/objects";
import { balancersOf, shipped } from "./environments";

function objectsOf(service: string, change: (input: EnvironmentInput) => void = () => undefined): KubernetesObject[] {
  const environment = shipped("sme-production", change);
  const plan = planWorkloads(environment).services[service];
  if (plan === undefined) throw new Error(`no ${service}`);
  return planInferenceService(environment, plan);
}

const mode = (value: "none" | "kubernetes") => (input: EnvironmentInput): void => void (input.recovery = { ...input.recovery, standby: { mode: value } });
const services = (objects: readonly KubernetesObject[]) => objects.filter(({ kind }) => kind === "Service").map((object) => object as KubernetesObject & { spec: { type: string; selector: Record<string, string>; externalTrafficPolicy?: string; ports: { nodePort?: number; targetPort: number }[] } });
const ingressOf = (objects: readonly KubernetesObject[]) => (objects.find(({ kind }) => kind === "NetworkPolicy") as KubernetesObject & { spec: { ingress: { from: unknown[]; ports: unknown[] }[] } }).spec.ingress;

describe("a service with a standby", () => {
  it("has a node port for each workload, whose pods it selects and no others", () => {
    const [, ...nodePorts] = services(objectsOf("assistant"));
    const targets = balancersOf(shipped("sme-production")).services[0]?.targets ?? [];
    expect(nodePorts.map(({ metadata, spec }) => [metadata.name, spec.type, spec.externalTrafficPolicy, spec.selector["app.kubernetes.io/instance"], spec.selector["app.kubernetes.io/component"], spec.ports.map((port) => port.nodePort)])).toEqual(
      targets.map(({ name, port }) => [`${name}-node`, "NodePort", "Local", name, "api", [port]]),
    );
    for (const { spec } of nodePorts) expect(spec.ports.map(({ targetPort }) => targetPort)).toEqual([8000]);
  });

  it("lets the balancers in, one address each, to the port that answers", () => {
    expect(ingressOf(objectsOf("assistant"))).toContainEqual({ from: [{ ipBlock: { cidr: "10.20.0.21/32" } }, { ipBlock: { cidr: "10.20.0.11/32" } }], ports: [{ protocol: "TCP", port: 8000 }] });
  });

  it("is reached inside the cluster through every replica that is ready", () => {
    for (const change of [() => undefined, mode("kubernetes")]) {
      expect(services(objectsOf("assistant", change))[0]?.spec.selector).toEqual({ "rackwright.dev/service": "assistant", "app.kubernetes.io/component": "api" });
    }
  });

  it("has active replicas alone, and no node port, where nothing switches", () => {
    const objects = objectsOf("assistant", mode("none"));
    expect(services(objects).map(({ spec }) => [spec.type, spec.selector["rackwright.dev/role"]])).toEqual([["ClusterIP", "active"]]);
    expect(JSON.stringify(ingressOf(objects))).not.toContain("ipBlock");
    expect(services(objectsOf("assistant", mode("kubernetes"))).map(({ spec }) => spec.type)).toEqual(["ClusterIP"]);
  });
});

describe("a service on one server", () => {
  it("has no node port, and nothing that a balancer could reach", () => {
    const objects = objectsOf("document-classifier");
    expect(services(objects).map(({ spec }) => spec.type)).toEqual(["ClusterIP"]);
    expect(JSON.stringify(ingressOf(objects))).not.toContain("ipBlock");
  });
});

describe("the name of a node port's Service", () => {
  it("has at most 63 characters, and differs where the workloads' names do", () => {
    const long = "a".repeat(62);
    expect(nodePortName("assistant-gpu-01")).toBe("assistant-gpu-01-node");
    expect(nodePortName(`${long}b`)).toHaveLength(63);
    expect(nodePortName(`${long}b`)).not.toBe(nodePortName(`${long}c`));
  });
});
