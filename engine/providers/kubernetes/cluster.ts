import { Api } from "./api";
import type { ProviderLog } from "../provider";
import { ApiError, explain, Unreachable } from "./api-error";
import { Client } from "./client";
import { Connection, findCluster } from "./connection";
import { kindOf, apiVersionOf } from "./object";
import type { KubeObject } from "./object";
import { isNamespaced } from "./scope";
import type { Settings } from "./settings";

/** The cluster of one provider resource; looked for when the first step needs it, and once. */
export class Cluster {
  private reached: Promise<Api> | undefined;
  private connection: Connection | undefined;
  private told = false;

  constructor(
    private readonly settings: Settings,
    private readonly env: NodeJS.ProcessEnv,
  ) {}

  /** @throws Unreachable when it does not answer, or nothing is known of it */
  api(patient: boolean, signal: AbortSignal): Promise<Api> {
    this.reached ??= this.open(patient, signal);
    return this.reached;
  }

  /** The same for a preview, which does without and says so once. */
  async apiIfReachable(signal: AbortSignal, log?: ProviderLog): Promise<Api | undefined> {
    try {
      return await this.api(false, signal);
    } catch (error) {
      if (!(error instanceof Unreachable)) throw error;
      if (log !== undefined && !this.told && !this.isUnknown) {
        this.told = true;
        log("warning", `${error.message}; its objects are previewed from the program alone`);
      }
      return undefined;
    }
  }

  private get isUnknown(): boolean {
    return this.settings.unknown.some((name) => ["kubeconfig", "context", "cluster"].includes(name));
  }

  /** Namespace of objects that name none. Undefined while the provider's settings are not known. */
  get defaultNamespace(): string | undefined {
    if (this.settings.namespace !== undefined) return this.settings.namespace;
    if (this.settings.unknown.includes("kubeconfig") || this.settings.unknown.includes("namespace")) return undefined;
    try {
      return findCluster(this.settings, this.env).active.namespace ?? "default";
    } catch (error) {
      if (error instanceof Unreachable) return "default";
      throw error;
    }
  }

  /** Whether an object lives in a namespace; assumed of kinds that nobody knows yet. */
  async isNamespaced(object: KubeObject): Promise<boolean> {
    const known = isNamespaced(apiVersionOf(object), kindOf(object));
    if (known !== undefined || this.settings.renderYamlToDirectory !== undefined) return known ?? true;
    const signal = AbortSignal.timeout(10_000);
    try {
      const api = await this.apiIfReachable(signal);
      return api === undefined || (await api.resource(apiVersionOf(object), kindOf(object), { signal, retries: 1 })).namespaced;
    } catch {
      return true;
    }
  }

  close(): void {
    this.connection?.close();
  }

  private async open(patient: boolean, signal: AbortSignal): Promise<Api> {
    const { config, active } = findCluster(this.settings, this.env);
    this.connection = await Connection.open(config, active);
    const client = new Client(this.connection, this.settings.requestTimeoutSeconds);
    try {
      await client.json({ method: "GET", path: "/version", signal, ...(patient ? {} : { retries: 1 }) });
    } catch (error) {
      // Who may not even ask for the version may still do all else.
      if (!(error instanceof ApiError)) throw error;
      if (error.code !== 403) throw new Unreachable(explain(error));
    }
    return new Api(client);
  }
}
