import { isMap, revealSecrets, SEALED, Secret, UNKNOWN } from "../../values";
import type { PropertyMap, Value } from "../../values";
import type { CheckFailure, Inputs } from "../provider";

const FLAGS = [
  "deleteUnreachable", "skipUpdateUnreachable", "enableServerSideApply", "enablePatchForce", "upsertExistingObjects",
  "enableConfigMapMutable", "enableSecretMutable", "suppressDeprecationWarnings", "suppressHelmHookWarnings", "alwaysRender",
] as const;
type Flag = (typeof FLAGS)[number];

/** Environment variables that stand in for flags, as the plugin knows them. */
const VARIABLES: Partial<Record<Flag, string>> = {
  deleteUnreachable: "PULUMI_K8S_DELETE_UNREACHABLE",
  skipUpdateUnreachable: "PULUMI_K8S_SKIP_UPDATE_UNREACHABLE",
  enableServerSideApply: "PULUMI_K8S_ENABLE_SERVER_SIDE_APPLY",
  enablePatchForce: "PULUMI_K8S_ENABLE_PATCH_FORCE",
  upsertExistingObjects: "PULUMI_K8S_UPSERT_EXISTING_OBJECTS",
  enableConfigMapMutable: "PULUMI_K8S_ENABLE_CONFIGMAP_MUTABLE",
  enableSecretMutable: "PULUMI_K8S_ENABLE_SECRET_MUTABLE",
};

const TEXTS = ["kubeconfig", "context", "cluster", "namespace", "renderYamlToDirectory", "clusterIdentifier"] as const;

/** What a `kubernetes` provider resource says; texts that are not known yet are `unknown`. */
export interface Settings extends Record<Flag, boolean> {
  /** Path or content. @default - $KUBECONFIG, then ~/.kube/config */
  kubeconfig?: string;
  context?: string;
  cluster?: string;
  namespace?: string;
  renderYamlToDirectory?: string;
  /** Seconds after which a request is given up. @default - none */
  requestTimeoutSeconds?: number;
  /** Names of settings that are known only after another step has run. */
  unknown: string[];
}

function plain(value: Value | undefined): Value | undefined {
  return value === undefined ? undefined : revealSecrets(value);
}

/** A value as the plugin reads it: the SDKs send flags and maps as JSON text. */
function flag(value: Value | undefined): boolean | undefined {
  const open = plain(value);
  return open === undefined || open === null || open === UNKNOWN || open === "" ? undefined : open === true || open === "true";
}

function string(value: Value | undefined): string | undefined {
  const open = plain(value);
  if (isMap(open)) return JSON.stringify(open);
  return typeof open === "string" && open !== "" ? open : undefined;
}

export function parseSettings(inputs: Inputs, env: NodeJS.ProcessEnv): Settings {
  const unknown = [...TEXTS, ...FLAGS].filter((name) => plain(inputs[name]) === UNKNOWN);
  const defaults: Partial<Record<Flag, boolean>> = { enableServerSideApply: true };
  const flags = Object.fromEntries(FLAGS.map((name) => {
    const variable = VARIABLES[name];
    const ambient = variable === undefined ? undefined : env[variable];
    return [name, flag(inputs[name]) ?? (ambient === undefined ? undefined : ambient === "true") ?? defaults[name] ?? false];
  })) as Record<Flag, boolean>;
  const texts = Object.fromEntries(TEXTS.flatMap((name) => {
    const value = string(inputs[name]);
    return value === undefined ? [] : [[name, value]];
  }));
  const timeout = clientSettings(inputs)?.["timeout"];
  return { ...flags, ...texts, unknown, ...(typeof timeout === "number" ? { requestTimeoutSeconds: timeout } : {}) };
}

function clientSettings(inputs: Inputs): PropertyMap | undefined {
  const value = plain(inputs["kubeClientSettings"]);
  if (isMap(value)) return value;
  if (typeof value !== "string" || value === "") return undefined;
  try {
    const parsed = JSON.parse(value) as Value;
    return isMap(parsed) ? parsed : undefined;
  } catch {
    return undefined;
  }
}

/** What is wrong with the inputs of a provider resource. */
export function checkSettings(inputs: Inputs, env: NodeJS.ProcessEnv): CheckFailure[] {
  const failures: CheckFailure[] = [];
  const refuse = (property: string, reason: string): void => { failures.push({ property, reason }); };
  const render = string(inputs["renderYamlToDirectory"]) !== undefined;
  if (render) {
    for (const name of ["cluster", "context", "kubeconfig"]) {
      const value = string(inputs[name]);
      if (value === undefined || (name === "kubeconfig" && value === env["KUBECONFIG"])) continue;
      refuse(name, `"${name}" cannot be used together with "renderYamlToDirectory"; leave one of them out`);
    }
  }
  if (flag(inputs["alwaysRender"]) === true && !render) refuse("alwaysRender", '"alwaysRender" needs "renderYamlToDirectory" to be set');
  if (flag(inputs["enableServerSideApply"]) === false) {
    refuse("enableServerSideApply", "false (client-side apply) is not covered by the embedded engine; leave it out");
  }
  if (inputs["helmReleaseSettings"] !== undefined) refuse("helmReleaseSettings", "Helm is not covered by the embedded engine; leave it out");
  for (const name of Object.keys(clientSettings(inputs) ?? {})) {
    // Rates need no setting: requests are bounded by the number of connections.
    if (!["timeout", "burst", "qps"].includes(name)) refuse(`kubeClientSettings.${name}`, "is not known; known are timeout, burst and qps");
  }
  for (const name of FLAGS) {
    const value = plain(inputs[name]);
    if (value === undefined || value === null || value === UNKNOWN || typeof value === "boolean") continue;
    if (value !== "true" && value !== "false") refuse(name, "is neither true nor false");
  }
  return failures;
}

/** A secret of the state that a preview without a passphrase cannot read. */
export function isSealed(value: Value | undefined): boolean {
  return value === SEALED || (value instanceof Secret && value.value === SEALED.value);
}
