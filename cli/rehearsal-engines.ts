import { randomBytes } from "node:crypto";
import { SECRETS } from "../components/environment";
import type { Environment } from "../components/environment";
import { destroy, exportStack, preview, up } from "../engine";
import type { EngineResult } from "../engine";
import { shippedProviders } from "../engine/providers";
import type { ClusterEngine } from "../rehearsal/cluster";
import type { MadeObject } from "../rehearsal/cluster-checks";
import type { ControlPlane } from "../rehearsal/control-plane/control-plane";
import type { HostEngine } from "../rehearsal/hosts";
import { messagesOf, type EngineOutcome } from "../rehearsal/outcome";
import { RehearsalError } from "../rehearsal/process";
import type { Rack } from "../rehearsal/rack";
import { StandInCommands } from "../rehearsal/stand-in-commands";
import { urnsIn } from "./embedded-state";
import { checkHosts } from "./hosts";
import type { HostReport } from "./hosts";
import { urnsToMend } from "./mend";
import { engineOptions } from "./plan-environment";
import { projectRoot } from "./project";
import type { LoadedEnvironment } from "./project";
import type { Progress } from "./terminal";

/** The embedded engine on an environment that was changed for a rehearsal, with a state and a passphrase that live as long as that. */
function common(loaded: LoadedEnvironment, environment: Environment, { secrets, stateFile, signal, cancelSignal }: { secrets: Record<string, string>; stateFile: string; signal?: AbortSignal; cancelSignal?: AbortSignal }) {
  const changed: LoadedEnvironment = { ...loaded, environment, config: { "rackwright:environment": JSON.stringify(environment) }, secureKeys: [] };
  return { ...engineOptions(changed, { secrets, passphrase: randomBytes(24).toString("base64"), ...(signal === undefined ? {} : { signal }), ...(cancelSignal === undefined ? {} : { cancelSignal }) }), stateFile };
}

const generated = (): string => randomBytes(18).toString("hex");

/** Something for every secret that an environment may need. */
function generatedSecrets(): Record<string, string> {
  return Object.fromEntries(Object.values(SECRETS).map((key) => [key, generated()]));
}

/** `up`, `drift` and `destroy` on the emulated servers. */
export function hostEngine(loaded: LoadedEnvironment, rack: Pick<Rack, "environment" | "privateKey">, stateFile: string, progress: Progress): HostEngine {
  const secrets = { ...generatedSecrets(), [SECRETS.sshPrivateKey]: rack.privateKey };
  const options = common(loaded, rack.environment, { secrets, stateFile });
  let report: HostReport = { checks: [], unreachable: [] };
  return {
    up: async ({ mend }) => {
      const chosen = report.checks.filter(({ step }) => mend.includes(step));
      return outcome(await up({ ...options, replace: urnsToMend(loaded.name, chosen, urnsIn(stateFile)) }));
    },
    drift: async () => {
      report = await checkHosts(rack.environment, rack.privateKey, progress);
      progress.done();
      return [
        ...report.unreachable.map(({ server, reason }) => ({ server, step: server, id: "unreachable", message: reason, mendable: false })),
        ...report.checks.flatMap(({ server, step, findings }) => findings.map((finding) => ({ server, step, ...finding }))),
      ];
    },
    destroy: async () => outcome(await destroy(options)),
  };
}

/** `up`, `plan` and `destroy` on a control plane, with commands on hosts that nobody runs. */
export function clusterEngine(loaded: LoadedEnvironment, plane: Pick<ControlPlane, "kubeconfig">, stateFile: string, { signal, cancelSignal }: { signal: AbortSignal; cancelSignal?: AbortSignal }): ClusterEngine {
  const secrets = { ...generatedSecrets(), [SECRETS.kubeconfig]: plane.kubeconfig };
  const answer = (urn: string): string => (urn.endsWith("-kubeconfig") ? plane.kubeconfig : urn.endsWith("-token") ? generated() : "");
  const providers = () => shippedProviders(projectRoot).map((provider) => (provider.package === "command" ? new StandInCommands(provider, answer) : provider));
  const base = common(loaded, loaded.environment, { secrets, stateFile, signal, ...(cancelSignal === undefined ? {} : { cancelSignal }) });
  return {
    up: async () => outcome(await up({ ...base, providers: providers() })),
    preview: async () => outcome(await preview({ ...base, providers: providers() })),
    destroy: async () => outcome(await destroy({ ...base, providers: providers() })),
    objects: () => madeObjects(exportStack(stateFile)),
  };
}

/** Objects that an environment's program makes in a cluster, from a preview that contacts nothing. */
export async function plannedObjects(loaded: LoadedEnvironment, stateFile: string, signal: AbortSignal): Promise<MadeObject[]> {
  const planned: { type: string; inputs: unknown }[] = [];
  const result = await preview({
    ...common(loaded, loaded.environment, { secrets: {}, stateFile, signal }),
    onEvent: ({ resourcePreEvent }) => {
      const { type, new: made } = resourcePreEvent?.metadata ?? {};
      if (type !== undefined && made !== undefined && made !== null) planned.push({ type, inputs: made.inputs });
    },
  });
  if (!result.ok) throw new RehearsalError(`${loaded.name} cannot be planned:\n${messagesOf(outcome(result))}`);
  return objectsOf(planned);
}

function outcome(result: EngineResult): EngineOutcome {
  return { ok: result.ok, changes: result.changes, messages: result.diagnostics.map(({ message }) => message.trim()) };
}

const secretMark = "4dabf18193072939515e22adb298388d";

/** Objects of Kubernetes in a state, in the order in which they were made. Fields that are secrets are left out. */
export function madeObjects(state: string): MadeObject[] {
  const { deployment } = JSON.parse(state) as { deployment?: { resources?: { type: string; inputs?: unknown }[] } };
  return objectsOf(deployment?.resources ?? []);
}

function objectsOf(resources: readonly { type: string; inputs?: unknown }[]): MadeObject[] {
  return resources
    .filter(({ type }) => type.startsWith("kubernetes:"))
    .map(({ inputs }) => {
      const { data, stringData, ...rest } = withoutSecrets(inputs) as Body;
      // A preview shows that a secret is there, not what it is.
      const body = rest.kind === "Secret" ? rest : { ...rest, ...(data === undefined ? {} : { data }), ...(stringData === undefined ? {} : { stringData }) };
      const { apiVersion, kind, metadata: { name, namespace } } = body;
      return { apiVersion, kind, name, ...(namespace === undefined ? {} : { namespace }), body };
    });
}

interface Body {
  apiVersion: string;
  kind: string;
  metadata: { name: string; namespace?: string };
  data?: unknown;
  stringData?: unknown;
}

function withoutSecrets(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutSecrets);
  if (typeof value !== "object" || value === null) return value;
  const kept = Object.entries(value).filter(([, each]) => typeof each !== "object" || each === null || !Object.hasOwn(each as object, secretMark));
  return Object.fromEntries(kept.map(([key, each]) => [key, withoutSecrets(each)]));
}
