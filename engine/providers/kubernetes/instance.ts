import { resolve } from "node:path";
import { containsSecret, containsUnknown } from "../../values";
import type {
  CheckFailure, CheckRequest, CreateRequest, DeleteRequest, DiffRequest, DiffResult, Inputs, Outputs, ProviderInstance, ReadRequest, UpdateRequest,
} from "../provider";
import { PartialFailure } from "../provider";
import { propagationOf, skipsDeleteAwait, timeoutSecondsOf } from "./annotations";
import type { Api } from "./api";
import { ApiError, explain, isNotFound, UnknownKind, Unreachable } from "./api-error";
import { create, NotYet, relinquish, update } from "./apply";
import type { WriteContext } from "./apply";
import { NotReady, untilGone, untilReady } from "./await";
import { checkObject } from "./check";
import { fieldManagerOf, initialApiVersionOf, readCheckpoint, writeCheckpoint } from "./checkpoint";
import { Cluster } from "./cluster";
import { diffObject } from "./diff-object";
import { normalize } from "./normalize";
import { apiVersionOf, describe, idOf, isDefinition, isPatch, kindOf, objectOf, remove } from "./object";
import type { KubeObject } from "./object";
import { readObject } from "./read";
import { removeRendered, render, renderedPath } from "./render";
import type { Settings } from "./settings";

type Step = Pick<CreateRequest, "type" | "preview" | "signal" | "log">;

/** Objects of one cluster, or of one folder of YAML files. */
export class KubernetesInstance implements ProviderInstance {
  private readonly cluster: Cluster;

  constructor(
    private readonly settings: Settings,
    private readonly options: { programDir: string; env: NodeJS.ProcessEnv },
  ) {
    this.cluster = new Cluster(settings, options.env);
  }

  async check(request: CheckRequest): Promise<{ inputs: Inputs; failures: CheckFailure[] }> {
    if (this.settings.skipUpdateUnreachable && this.folder === undefined) {
      const api = await this.cluster.apiIfReachable(AbortSignal.timeout(10_000));
      if (api === undefined) return { inputs: request.olds ?? request.news, failures: [] };
    }
    // The plugin is not asked while its settings are not known: inputs stay as the program gave them.
    if (this.settings.unknown.length > 0) return { inputs: request.news, failures: [] };
    return checkObject(request, this.cluster, this.folder !== undefined);
  }

  diff(request: DiffRequest): Promise<DiffResult> {
    return diffObject(request, this.settings, this.cluster);
  }

  async create(request: CreateRequest): Promise<{ id: string; outputs: Outputs }> {
    const object = objectOf(request.inputs);
    const fieldManager = fieldManagerOf(object, undefined);
    const initialApiVersion = apiVersionOf(object);
    const outputsOf = (live: KubeObject): Outputs => writeCheckpoint({ inputs: object, live, initialApiVersion, fieldManager }, request.inputs);
    if (this.folder !== undefined) {
      if (request.preview) return { id: "", outputs: containsUnknown(object) ? request.inputs : outputsOf(object) };
      this.write(object, request);
      return { id: idOf(object), outputs: outputsOf(object) };
    }
    if (request.preview) {
      const seen = isPatch(request.type, object) ? undefined : await this.rehearse(object, request, (context) => create(object, false, context), fieldManager);
      return { id: "", outputs: seen === undefined ? request.inputs : outputsOf(remove(seen, ["status"])) };
    }
    const api = await this.cluster.api(true, request.signal);
    const made = await create(object, request.resumed === true, this.context(api, request, fieldManager));
    if (isDefinition(made)) api.forgetKinds();
    const live = await this.settled(api, request, object, made, false, outputsOf);
    if (isDefinition(made)) api.forgetKinds();
    return { id: idOf(live), outputs: outputsOf(live) };
  }

  async update(request: UpdateRequest): Promise<{ outputs: Outputs }> {
    const object = normalize(objectOf(request.newInputs));
    const old = readCheckpoint(request.oldOutputs);
    const fieldManager = fieldManagerOf(object, old.fieldManager);
    const initialApiVersion = initialApiVersionOf(old);
    const outputsOf = (live: KubeObject): Outputs => writeCheckpoint({ inputs: object, live, initialApiVersion, fieldManager }, request.newInputs);
    if (this.folder !== undefined) {
      if (request.preview) return { outputs: containsUnknown(object) ? request.newInputs : outputsOf(object) };
      this.write(object, request);
      return { outputs: outputsOf(object) };
    }
    const work = (context: WriteContext): Promise<KubeObject> => update(object, old.live, request.ignoreChanges ?? [], context);
    if (request.preview) {
      const seen = await this.rehearse(object, request, work, fieldManager);
      return { outputs: seen === undefined ? request.newInputs : outputsOf(seen) };
    }
    const api = await this.cluster.api(true, request.signal);
    const context = this.context(api, request, fieldManager);
    const changed = await work(context);
    const live = await this.settled(api, request, object, changed, true, outputsOf);
    const before = old.fieldManager;
    if (before !== undefined && before !== fieldManager) await relinquish(live, before, context);
    return { outputs: outputsOf(live) };
  }

  async delete(request: DeleteRequest): Promise<void> {
    const { inputs, live, fieldManager } = readCheckpoint(request.outputs);
    if (this.folder !== undefined) {
      removeRendered(live, this.folder);
      request.log("info", `removed ${renderedPath(live, this.folder)}`);
      return;
    }
    let api: Api;
    try {
      api = await this.cluster.api(true, request.signal);
    } catch (error) {
      if (!(error instanceof Unreachable)) throw error;
      if (!this.settings.deleteUnreachable) {
        throw new Error(`${error.message}. If the cluster is gone for good, set deleteUnreachable: true on the provider (or PULUMI_K8S_DELETE_UNREACHABLE=true) to drop its objects from the state`, { cause: error });
      }
      request.log("warning", `${error.message}; deleteUnreachable is set, so it only leaves the state`);
      return;
    }
    const told = { signal: request.signal, onRetry: (message: string) => { request.log("info", message); } };
    if (isPatch(request.type, inputs)) {
      await relinquish(live, fieldManagerOf(inputs, fieldManager), { api, preview: false, signal: request.signal, log: request.log });
      return;
    }
    try {
      await api.delete(live, propagationOf(inputs), told);
    } catch (error) {
      // Gone already, or with the definition of its kind.
      if (isNotFound(error) || error instanceof UnknownKind) return;
      throw new Error(`${describe(live)}: ${explain(error)}`, { cause: error });
    }
    const timeoutSeconds = timeoutSecondsOf(inputs, request.timeoutSeconds);
    if (!skipsDeleteAwait(inputs)) await untilGone({ api, live, timeoutSeconds, signal: request.signal, log: request.log });
    if (isDefinition(live)) api.forgetKinds();
  }

  async read(request: ReadRequest): Promise<{ id: string; inputs: Inputs; outputs: Outputs } | undefined> {
    const { id, inputs = {}, outputs = {} } = request;
    if (this.folder !== undefined) return { id, inputs, outputs };
    try {
      return await readObject(request, await this.cluster.api(true, request.signal));
    } catch (error) {
      if (!(error instanceof Unreachable)) throw error;
      if (this.settings.unknown.length > 0 || this.settings.skipUpdateUnreachable) return { id, inputs, outputs };
      if (this.settings.deleteUnreachable) {
        request.log("warning", `${error.message}; deleteUnreachable is set, so it leaves the state`);
        return undefined;
      }
      throw error;
    }
  }

  close(): void {
    this.cluster.close();
  }

  /** Where YAML is written instead of contacting a cluster. */
  private get folder(): string | undefined {
    const { renderYamlToDirectory } = this.settings;
    return renderYamlToDirectory === undefined ? undefined : resolve(this.options.programDir, renderYamlToDirectory);
  }

  private write(object: KubeObject, request: CreateRequest | UpdateRequest): void {
    const folder = this.folder ?? "";
    const secret = containsSecret("inputs" in request ? request.inputs : request.newInputs);
    if (secret) request.log("warning", `rendered file ${renderedPath(object, folder)} contains a secret value in plaintext`);
    request.log("info", `rendered ${render(object, folder)}`);
  }

  private context(api: Api, { type, preview, signal, log }: Step, fieldManager: string): WriteContext {
    return { api, settings: this.settings, type, fieldManager, preview, signal, log };
  }

  /** Asks the server what a step would make, where it can be asked. Errors that the real step would meet fail the preview. */
  private async rehearse(object: KubeObject, request: Step, work: (context: WriteContext) => Promise<KubeObject>, fieldManager: string): Promise<KubeObject | undefined> {
    if (containsUnknown(object)) return undefined;
    const api = await this.cluster.apiIfReachable(request.signal, request.log);
    if (api === undefined) return undefined;
    try {
      await api.resource(apiVersionOf(object), kindOf(object), { signal: request.signal, retries: 1 });
      return await work(this.context(api, request, fieldManager));
    } catch (error) {
      const forbidden = error instanceof ApiError && error.code === 403 && error.reason === "Forbidden" && / cannot /.test(error.message);
      if (error instanceof NotYet || error instanceof UnknownKind || error instanceof Unreachable || forbidden) return undefined;
      throw error;
    }
  }

  /** Waits until the object is ready; where it is not, state keeps it with what is known. */
  private async settled(
    api: Api, request: CreateRequest | UpdateRequest, inputs: KubeObject, live: KubeObject, existed: boolean, outputsOf: (live: KubeObject) => Outputs,
  ): Promise<KubeObject> {
    const { signal, log } = request;
    try {
      return await untilReady({ api, inputs, live, existed, timeoutSeconds: timeoutSecondsOf(inputs, request.timeoutSeconds), signal, log });
    } catch (error) {
      const found = error instanceof NotReady ? error.live : live;
      throw new PartialFailure(error instanceof NotReady ? error.message : `${describe(live)}: ${explain(error)}`, idOf(found), outputsOf(found));
    }
  }
}
