import { randomBytes } from "node:crypto";
import type { DiffResult, Inputs, Outputs, ProviderInstance } from "../../../engine/providers";
import { KubernetesProvider } from "../../../engine/providers/kubernetes";
import { isPatch, kindOf, text } from "../../../engine/providers/kubernetes/object";
import { Secret } from "../../../engine/values";
import type { PropertyMap } from "../../../engine/values";

export interface Known {
  type: string;
  urn: string;
  id: string;
  inputs: Inputs;
  outputs: Outputs;
}

export interface StepOptions {
  patch?: boolean;
  timeoutSeconds?: number;
  signal?: AbortSignal;
  ignoreChanges?: string[];
  resumed?: boolean;
}

export function typeOf(object: PropertyMap, patch = false): string {
  const version = text(object, "apiVersion") ?? "";
  return `kubernetes:${version.includes("/") ? version : `core/${version}`}:${kindOf(object)}${patch ? "Patch" : ""}`;
}

/** One instance of the provider, called in the way in which the engine calls it. */
export class Objects {
  readonly instance: ProviderInstance;
  /** Severity and text of what the provider told. */
  readonly lines: string[] = [];

  constructor(settings: Inputs, folder = "/nonexistent") {
    this.instance = new KubernetesProvider({ programDir: folder, env: {} }).configure(settings);
  }

  static of(kubeconfig: string, settings: Inputs = {}): Objects {
    return new Objects({ kubeconfig: new Secret(kubeconfig), ...settings });
  }

  private tools(options: StepOptions): { signal: AbortSignal; log: (severity: string, message: string) => void; timeoutSeconds?: number } {
    return {
      signal: options.signal ?? new AbortController().signal,
      log: (severity, message) => { this.lines.push(`${severity}: ${message}`); },
      ...(options.timeoutSeconds === undefined ? {} : { timeoutSeconds: options.timeoutSeconds }),
    };
  }

  async check(object: PropertyMap, options: StepOptions = {}, olds?: Inputs): Promise<{ urn: string; type: string; inputs: Inputs }> {
    const type = typeOf(object, options.patch);
    const urn = `urn:pulumi:test::objects::${type}::${kindOf(object).toLowerCase()}`;
    const { inputs, failures } = await this.instance.check({ urn, type, news: object, ...(olds === undefined ? {} : { olds }) });
    if (failures.length > 0) throw new Error(failures.map(({ property, reason }) => `${property}: ${reason}`).join("; "));
    return { urn, type, inputs };
  }

  async create(object: PropertyMap, options: StepOptions = {}): Promise<Known> {
    const checked = await this.check(object, options);
    const made = await this.instance.create({ ...checked, preview: false, resumed: options.resumed === true, ...this.tools(options) });
    return { ...checked, ...made };
  }

  async previewCreate(object: PropertyMap, options: StepOptions = {}): Promise<{ id: string; outputs: Outputs }> {
    return this.instance.create({ ...(await this.check(object, options)), preview: true, ...this.tools(options) });
  }

  async diff(known: Known, object: PropertyMap, options: StepOptions = {}): Promise<DiffResult> {
    const { urn, type, inputs } = await this.check(object, { ...options, patch: isPatch(known.type, object) }, known.inputs);
    return this.instance.diff({
      urn, type, id: known.id, oldInputs: known.inputs, oldOutputs: known.outputs, newInputs: inputs, ignoreChanges: options.ignoreChanges ?? [],
    });
  }

  async update(known: Known, object: PropertyMap, options: StepOptions = {}, preview = false): Promise<Known> {
    const { inputs } = await this.check(object, { ...options, patch: isPatch(known.type, object) }, known.inputs);
    const { outputs } = await this.instance.update({
      ...known, oldInputs: known.inputs, oldOutputs: known.outputs, newInputs: inputs, preview,
      ...(options.ignoreChanges === undefined ? {} : { ignoreChanges: options.ignoreChanges }), ...this.tools(options),
    });
    return { ...known, inputs, outputs };
  }

  delete(known: Known, options: StepOptions = {}): Promise<void> {
    return this.instance.delete({ ...known, ...this.tools(options) });
  }

  read(known: Pick<Known, "type" | "urn" | "id"> & Partial<Known>): Promise<{ id: string; inputs: Inputs; outputs: Outputs } | undefined> {
    return this.instance.read({ ...known, ...this.tools({}) });
  }

  close(): void {
    this.instance.close?.();
  }
}

export function unique(prefix: string): string {
  return `${prefix}-${randomBytes(4).toString("hex")}`;
}

export function configMap(namespace: string, name: string, data: Record<string, string>, metadata: PropertyMap = {}): PropertyMap {
  return { apiVersion: "v1", kind: "ConfigMap", metadata: { name, namespace, ...metadata }, data };
}

/** A pod as the strictest level of pod security takes it. */
export function podSpec(more: PropertyMap = {}): PropertyMap {
  return {
    securityContext: { runAsNonRoot: true, runAsUser: 10001, seccompProfile: { type: "RuntimeDefault" } },
    containers: [{ name: "main", image: "registry.example/app:1", securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ["ALL"] } } }],
    ...more,
  };
}

export function deployment(namespace: string, name: string, replicas = 1, pod: PropertyMap = {}): PropertyMap {
  return {
    apiVersion: "apps/v1", kind: "Deployment", metadata: { name, namespace },
    spec: { replicas, selector: { matchLabels: { app: name } }, template: { metadata: { labels: { app: name } }, spec: podSpec(pod) } },
  };
}

export function job(namespace: string, name: string, metadata: PropertyMap = {}): PropertyMap {
  return {
    apiVersion: "batch/v1", kind: "Job", metadata: { name, namespace, ...metadata },
    spec: { backoffLimit: 0, template: { spec: podSpec({ restartPolicy: "Never" }) } },
  };
}

export function definition(group: string, kind: string): PropertyMap {
  const plural = `${kind.toLowerCase()}s`;
  return {
    apiVersion: "apiextensions.k8s.io/v1", kind: "CustomResourceDefinition", metadata: { name: `${plural}.${group}` },
    spec: {
      group, scope: "Namespaced", names: { kind, plural, singular: kind.toLowerCase(), listKind: `${kind}List` },
      versions: [{
        name: "v1", served: true, storage: true,
        schema: { openAPIV3Schema: { type: "object", properties: { spec: { type: "object", properties: { size: { type: "integer" }, note: { type: "string" } } } } } },
      }],
    },
  };
}
