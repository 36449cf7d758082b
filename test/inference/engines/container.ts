import type { Environment } from "../../../components/environment";
import { enginePod } from "../../../components/inference/engines/pod";
import type { Member } from "../../../components/inference/engines/engine";
import type { ServicePlan, Workload } from "../../../components/inference/plan-types";

export interface Probe {
  httpGet: { path: string; port: string };
  periodSeconds: number;
  failureThreshold: number;
}

export interface Container {
  name: string;
  image: string;
  command: string[];
  args: string[];
  env: { name: string; value?: string; valueFrom?: { secretKeyRef?: { name: string; key: string } } }[];
  ports: { name: string; containerPort: number }[];
  resources: { requests: Record<string, string>; limits: Record<string, string> };
  startupProbe?: Probe;
  readinessProbe?: Probe;
  livenessProbe?: Probe;
  lifecycle: unknown;
  securityContext: unknown;
  volumeMounts: { name: string; mountPath: string; subPath?: string; readOnly?: boolean }[];
}

/** The container that an engine runs in, for the plan's first workload. */
export function containerOf(environment: Environment, service: ServicePlan, workload: Workload | undefined = service.workloads[0], member?: Member): Container {
  if (workload === undefined) throw new Error("the plan has no workload");
  const { template } = enginePod({ environment, service, workload, ...(member === undefined ? {} : { member }) });
  const [container] = template.spec.containers as Container[];
  if (container === undefined) throw new Error("the pod has no container");
  return container;
}

/** Options and their values, whichever way the engine wants them written. */
export function options(args: readonly string[]): Map<string, string[]> {
  const found = new Map<string, string[]>();
  let last: string[] = [];
  for (const arg of args) {
    const [, flag, value] = /^(--[^=]+)(?:=(.*))?$/s.exec(arg) ?? [];
    if (flag === undefined) last.push(arg);
    else {
      last = [...(found.get(flag) ?? []), ...(value === undefined ? [] : [value])];
      found.set(flag, last);
    }
  }
  return found;
}

export const variablesOf = (container: Container): Record<string, string | undefined> => Object.fromEntries(container.env.map(({ name, value }) => [name, value]));
