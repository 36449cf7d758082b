import { spawnSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import { planWorkloads } from "../../../components/inference";
import { fragmentationAlert, restartObjects } from "../../../components/monitoring/restart/restart";
import { ruleGroups } from "../../../components/monitoring/rules";
import { monitoredSite, objectOf, objectsOf } from "../environments";

type Change = NonNullable<Parameters<typeof monitoredSite>[0]>;
type Monitoring = NonNullable<Parameters<Change>[0]["monitoring"]>;

const site = (monitoring: Monitoring = {}, change: Change = () => undefined): ReturnType<typeof monitoredSite> =>
  monitoredSite((input) => {
    input.monitoring = { ...input.monitoring, restartOnFragmentation: { enabled: true, atMostEveryHours: 12 }, ...monitoring };
    change(input);
  });

describe("the restart on fragmentation", () => {
  const objects = restartObjects(site());

  it("is off unless the environment asks for it", () => {
    for (const environment of [monitoredSite(), site({ enabled: false }), site({ restartOnFragmentation: { enabled: false } })]) expect(restartObjects(environment)).toEqual([]);
    const names = (environment: ReturnType<typeof site>): string[] => objectsOf(environment).filter(({ metadata }) => metadata.name.includes("fragmentation-restart")).map(({ kind }) => kind);
    expect(names(monitoredSite())).toEqual([]);
    expect(names(site())).toEqual(["ServiceAccount", "Role", "RoleBinding", "Role", "RoleBinding", "NetworkPolicy", "ConfigMap", "ConfigMap", "CronJob"]);
  });

  it("looks every five minutes, one run at a time, each of them bounded", () => {
    expect(objectOf(objects, "CronJob", "fragmentation-restart")["spec"]).toMatchObject({
      schedule: "*/5 * * * *", concurrencyPolicy: "Forbid", startingDeadlineSeconds: 120, successfulJobsHistoryLimit: 1, failedJobsHistoryLimit: 1,
      jobTemplate: { spec: { backoffLimit: 0, activeDeadlineSeconds: 120, template: { spec: { restartPolicy: "Never", serviceAccountName: "fragmentation-restart", automountServiceAccountToken: true } } } },
    });
  });

  it("runs our program with the bound of the environment, as Python from the site's registry", () => {
    const { jobTemplate } = objectOf(objects, "CronJob", "fragmentation-restart")["spec"] as { jobTemplate: { spec: { template: { spec: { containers: Record<string, unknown>[] } } } } };
    expect(jobTemplate.spec.template.spec.containers).toMatchObject([{
      image: "registry.example.org/copies/library/python:3.13-alpine",
      command: ["python3", "-B", "/etc/rackwright/restart.py"],
      args: ["--prometheus=http://prometheus.monitoring:9090", "--alert=MemoryFragmentationHigh", "--namespace=inference", "--memory=monitoring/fragmentation-restarts", "--at-most-every-hours=12"],
      securityContext: { readOnlyRootFilesystem: true, allowPrivilegeEscalation: false },
    }]);
  });

  it("may list and evict pods of services, read and change its own memory, and nothing else", () => {
    const roles = objects.filter(({ kind }) => kind.endsWith("Role")).map(({ kind, metadata, rules }) => [kind, metadata.namespace, rules]);
    expect(roles).toEqual([
      ["Role", "inference", [{ apiGroups: [""], resources: ["pods"], verbs: ["list"] }, { apiGroups: [""], resources: ["pods/eviction"], verbs: ["create"] }]],
      ["Role", "monitoring", [{ apiGroups: [""], resources: ["configmaps"], resourceNames: ["fragmentation-restarts"], verbs: ["get", "patch"] }]],
    ]);
  });

  it("reaches the API server and Prometheus, which lets it in", () => {
    const { egress, ingress } = objectOf(objects, "NetworkPolicy", "fragmentation-restart")["spec"] as { egress: { to: unknown; ports: { port: number }[] }[]; ingress: unknown[] };
    expect(ingress).toEqual([]);
    expect(egress.map(({ ports }) => ports.map(({ port }) => port))).toEqual([[443, 6443], [9090]]);
    expect(JSON.stringify(egress[1]?.to)).toContain('"app.kubernetes.io/name":"prometheus"');
    const all = objectsOf(site());
    expect(JSON.stringify(objectOf(all, "NetworkPolicy", "prometheus")["spec"])).toContain('"app.kubernetes.io/name":"fragmentation-restart"');
  });

  it("says nothing about what it remembers, so that no update forgets it", () => {
    expect(Object.keys(objectOf(objects, "ConfigMap", "fragmentation-restarts")).sort()).toEqual(["apiVersion", "kind", "metadata"]);
  });

  it("asks the operator's Prometheus where the site has one, from where no other workload is denied", () => {
    const made = restartObjects(site({ mode: "operator", operator: { namespace: "observability" } }));
    expect(new Set(made.map(({ metadata }) => metadata.namespace))).toEqual(new Set(["exporters", "inference"]));
    expect(JSON.stringify(objectOf(made, "CronJob", "fragmentation-restart"))).toContain("--prometheus=http://prometheus-operated.observability:9090");
    expect(JSON.stringify(objectOf(made, "NetworkPolicy", "fragmentation-restart"))).toContain('"kubernetes.io/metadata.name":"observability"');
  });

  it("goes by an alert that there is, whose series say which pod they mean", () => {
    const environment = site();
    const groups = ruleGroups(environment, planWorkloads(environment));
    const alert = groups.flatMap(({ alerts }) => alerts).find(({ name }) => name === fragmentationAlert);
    const [record] = alert?.expr.split(" ") ?? [];
    const recording = groups.flatMap(({ recordings }) => recordings).find((each) => each.record === record);
    expect(recording?.expr).toMatch(/by \([^)]*\bservice\b[^)]*\bnamespace\b[^)]*\bpod\b[^)]*\)/);
  });

  it("is a program for Python 3.8 and later with nothing but the standard library", () => {
    const data = objectOf(objects, "ConfigMap", "fragmentation-restart")["data"] as Record<string, string>;
    const check = "import ast, sys\ntree = ast.parse(sys.stdin.read(), feature_version=(3, 8))\nfor node in ast.walk(tree):\n    if isinstance(node, ast.Import):\n        assert all(each.name.split('.')[0] in sys.stdlib_module_names for each in node.names)\n    assert not isinstance(node, ast.ImportFrom)\n";
    const { status, stderr } = spawnSync("python3", ["-c", check], { input: data["restart.py"], encoding: "utf8" });
    expect([status, stderr]).toEqual([0, ""]);
  });
});
