import { BlockList } from "node:net";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { planCluster } from "../../components/cluster";
import type { KubernetesObject } from "../../components/cluster";
import { listEnvironments, loadStackFile, type Environment } from "../../components/environment";
import { planModelStore } from "../../components/inference/model-store";
import { planInferenceService } from "../../components/inference/service-plan";
import { planSite } from "../../components/site";
import { planTrainingJob } from "../../components/training";

const stacks = join(__dirname, "../../stacks");

interface Selector { matchLabels?: Record<string, string>; matchExpressions?: { key: string; operator: string; values?: string[] }[] }
interface Peer { ipBlock?: { cidr: string }; podSelector?: Selector; namespaceSelector?: Selector }
interface Policy { podSelector: Selector; policyTypes?: string[]; egress?: { to?: Peer[]; ports?: { port?: number | string }[] }[] }
interface Template { metadata?: { labels?: Record<string, string> } }

function shipped(name: string): Environment {
  const loaded = loadStackFile(join(stacks, `Pulumi.${name}.yaml`));
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.problems));
  return structuredClone(loaded.environment);
}

function objectsOf(environment: Environment): KubernetesObject[] {
  const { workloads, findings } = planSite(environment);
  expect(findings).toEqual([]);
  return [
    ...planCluster(environment, workloads).objects,
    ...planModelStore(environment, workloads).objects,
    ...Object.values(workloads.services).flatMap((service) => planInferenceService(environment, service)),
    ...Object.values(workloads.training).flatMap((job) => planTrainingJob(environment, job)),
  ];
}

function selects({ matchLabels = {}, matchExpressions = [] }: Selector, labels: Record<string, string>): boolean {
  const holds = ({ key, operator, values = [] }: { key: string; operator: string; values?: string[] }): boolean => {
    const value = Object.hasOwn(labels, key) ? labels[key] : undefined;
    switch (operator) {
      case "In": return value !== undefined && values.includes(value);
      case "NotIn": return value === undefined || !values.includes(value);
      case "Exists": return value !== undefined;
      case "DoesNotExist": return value === undefined;
      default: throw new Error(`unknown operator ${operator}`);
    }
  };
  return Object.entries(matchLabels).every(([key, value]) => labels[key] === value) && matchExpressions.every(holds);
}

/** Pod templates of a workload: one, or a leader's and a worker's. */
function templatesOf({ kind, spec }: KubernetesObject): Template[] {
  const { template, leaderWorkerTemplate } = (spec ?? {}) as { template?: Template; leaderWorkerTemplate?: { leaderTemplate?: Template; workerTemplate?: Template } };
  if (["Deployment", "Job", "DaemonSet", "StatefulSet"].includes(kind)) return template === undefined ? [] : [template];
  return [leaderWorkerTemplate?.leaderTemplate, leaderWorkerTemplate?.workerTemplate].filter((each) => each !== undefined);
}

const site = new BlockList();
for (const [network, prefix] of [["10.0.0.0", 8], ["172.16.0.0", 12], ["192.168.0.0", 16], ["192.0.2.0", 24], ["198.51.100.0", 24], ["203.0.113.0", 24]] as const) site.addSubnet(network, prefix);

/** Where pods of a namespace may open connections to, beyond the cluster's own pods: `<network>:<port>`; `anywhere` where a rule names nobody. */
function egressOf(objects: readonly KubernetesObject[], namespace: string): { workload: string; open: string[]; closed: boolean }[] {
  const policies = objects.filter(({ kind, metadata }) => kind === "NetworkPolicy" && metadata.namespace === namespace).map(({ spec }) => spec as Policy).filter(({ policyTypes }) => policyTypes?.includes("Egress"));
  return objects.filter(({ metadata }) => metadata.namespace === namespace).flatMap((object) =>
    templatesOf(object).map((template) => {
      const applying = policies.filter(({ podSelector }) => selects(podSelector, template.metadata?.labels ?? {}));
      const rules = applying.flatMap(({ egress = [] }) => egress);
      const open = rules.flatMap(({ to, ports = [] }) => (to ?? [{ ipBlock: { cidr: "anywhere" } }]).flatMap(({ ipBlock }) => (ipBlock === undefined ? [] : [`${ipBlock.cidr}:${ports.map(({ port }) => port ?? "any").join(",")}`])));
      return { workload: `${object.kind} ${object.metadata.name}`, open, closed: applying.length > 0 };
    }),
  );
}

const leavesTheSite = (destination: string): boolean => {
  const [network = "", prefix] = destination.slice(0, destination.lastIndexOf(":")).split("/");
  return network === "anywhere" || Number(prefix) < 8 || !site.check(network);
};

describe("what pods may reach", () => {
  it.each(listEnvironments(stacks))("%s: nothing beyond the site, from any pod", (name) => {
    const objects = objectsOf(shipped(name));
    for (const namespace of ["inference", "training"]) {
      for (const { workload, open, closed } of egressOf(objects, namespace)) {
        expect(closed, `${workload} is under a policy for what goes out`).toBe(true);
        expect(open.filter(leavesTheSite), workload).toEqual([]);
      }
    }
  });

  it.each(listEnvironments(stacks))("%s: engines open no connection out of the cluster at all", (name) => {
    const engines = egressOf(objectsOf(shipped(name)), "inference").filter(({ workload }) => !workload.startsWith("Job layout-"));
    expect(engines.length).toBeGreaterThan(0);
    expect(engines.flatMap(({ open }) => open)).toEqual([]);
  });

  it("is a hub only where the environment says so, and only over TLS", () => {
    const environment = shipped("dev-test");
    const service = environment.services["assistant"];
    if (service === undefined) throw new Error("the environment has lost its service");
    Object.assign(service.weights, { from: "hub", folder: "publisher/model" });
    const open = egressOf(objectsOf(environment), "inference").flatMap((pod) => pod.open);
    expect(open.filter(leavesTheSite).length).toBeGreaterThan(0);
    expect(open.every((destination) => destination.endsWith(":443"))).toBe(true);
    environment.site.internetAccess = false;
    environment.site.mirror = { files: "http://192.0.2.5/files", images: "192.0.2.5:5000" };
    expect(planSite(environment).findings.map(({ keys }) => keys.join("."))).toContain("services.assistant.weights.from");
  });
});
