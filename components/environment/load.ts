import { readdirSync, readFileSync } from "node:fs";
import * as path from "node:path";
import { inspectEnvironment } from "./parse";
import { toPlain } from "./plain";
import { didYouMean, toProblem, type Finding, type Problem } from "./problems";
import type { Environment } from "./schema";
import { parseYaml, type YamlFile } from "./yaml";

/** Configuration keys that hold secrets; set with `pulumi config set --secret <key>`. */
export const SECRETS = {
  sshPrivateKey: "rackwright:sshPrivateKey",
  objectStoreAccessKeyId: "rackwright:objectStoreAccessKeyId",
  objectStoreSecretAccessKey: "rackwright:objectStoreSecretAccessKey",
} as const;

/** The configuration key of the environment. */
export const ENVIRONMENT_KEY = "rackwright:environment";

/** A stack file that was read. */
export interface LoadedStack {
  ok: true;
  /** From the file's name: `Pulumi.<stack>.yaml`. */
  stack: string;
  /** Fully qualified keys and what Pulumi hands to the program: objects as JSON text. Secure values are ciphertext. */
  config: Record<string, string>;
  secureKeys: string[];
  encryptionSalt?: string;
  environment: Environment;
}

const ownKeys: readonly string[] = [ENVIRONMENT_KEY, ...Object.values(SECRETS)];
const secretKeys: readonly string[] = Object.values(SECRETS);
/** Namespaces of Pulumi itself and of the providers in use. */
const otherNamespaces = ["pulumi", "command", "kubernetes"];
const stackFileKeys = ["config", "encryptionsalt", "encryptedkey", "secretsprovider", "environment"];
const stackFileName = /^Pulumi\.([A-Za-z0-9._-]+)\.yaml$/;

type Mapping = Readonly<Record<string, unknown>>;

function isMapping(value: unknown): value is Mapping {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function ciphertextOf(value: unknown): string | undefined {
  if (!isMapping(value) || Object.keys(value).length !== 1) return undefined;
  return typeof value.secure === "string" ? value.secure : undefined;
}

/** Mappings with their keys in order, as Go's JSON encoder writes them. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (!isMapping(value)) return value;
  return Object.fromEntries(Object.keys(value).sort().map((key) => [key, sorted(value[key])]));
}

/** JSON text as Go's encoder writes it: keys in order, and what HTML might take for markup escaped. */
function goJson(value: unknown): string {
  return JSON.stringify(sorted(value)).replace(/[<>&\u2028\u2029]/g, (letter) => `\\u${letter.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

function keyFinding(key: string, value: unknown): Finding | undefined {
  const keys = ["config", key];
  const parts = key.split(":");
  if (parts.length === 3 && parts[1] === "config") return { keys, message: "is the old form of a configuration key", fix: `Write ${parts[0] ?? ""}:${parts[2] ?? ""}.` };
  if (parts.length !== 2) return { keys, message: "is not a configuration key: it needs a namespace and a name", fix: didYouMean(key.includes(":") ? key : `rackwright:${key}`, ownKeys, "Write rackwright:environment.") };
  if (ownKeys.includes(key)) {
    if (!secretKeys.includes(key)) return ciphertextOf(value) === undefined ? undefined : { keys, message: "is encrypted, but an environment must be readable in reviews", fix: "Write it in plain YAML; only keys and passwords are secrets." };
    return ciphertextOf(value) === undefined ? { keys, message: "is a secret in plain text", fix: `Remove it, treat it as known to others, and set a new one with \`pulumi config set --secret ${key}\`.` } : undefined;
  }
  if (parts[0] === "rackwright") return { keys, message: "is not a known key", allowed: ownKeys.join(", "), fix: didYouMean(key, ownKeys, "Remove it.") };
  if (otherNamespaces.includes(parts[0] ?? "")) return undefined;
  return { keys, message: "is in a namespace that nothing here reads", allowed: ["rackwright", ...otherNamespaces].join(", "), fix: didYouMean(key, ownKeys, "Remove it.") };
}

function configText(value: unknown): string {
  const ciphertext = ciphertextOf(value);
  if (ciphertext !== undefined) return ciphertext;
  return typeof value === "string" ? value : goJson(value);
}

function stackFileFindings(file: Mapping): Finding[] {
  const findings: Finding[] = [];
  for (const key of Object.keys(file)) {
    if (key === "environment") findings.push({ keys: [key], message: "names a Pulumi ESC environment, which comes from Pulumi's cloud", fix: `The site's own environment goes under config, as ${ENVIRONMENT_KEY}.` });
    else if (!stackFileKeys.includes(key)) findings.push({ keys: [key], message: "is not a key of a stack file", allowed: stackFileKeys.filter((known) => known !== "environment").join(", "), fix: key === ENVIRONMENT_KEY ? "Put it under config." : didYouMean(key, stackFileKeys, "Remove it.") });
  }
  if (file.encryptionsalt !== undefined && typeof file.encryptionsalt !== "string") findings.push({ keys: ["encryptionsalt"], message: "must be the text that `pulumi stack init` wrote" });
  return findings;
}

const prefix: readonly PropertyKey[] = ["config", ENVIRONMENT_KEY];

/** A problem with its place in the file. Inside the environment the path begins there, as in every other message. */
function located(finding: Finding, yaml: YamlFile): Problem {
  const inEnvironment = finding.keys.length > prefix.length && prefix.every((key, index) => finding.keys[index] === key);
  return { ...toProblem(inEnvironment ? { ...finding, keys: finding.keys.slice(prefix.length) } : finding), ...yaml.placeOf(finding.keys) };
}

/** As {@link loadStackFile}, from text. */
export function loadStackText(stack: string, text: string): LoadedStack | { ok: false; problems: Problem[] } {
  const parsed = parseYaml(text);
  if (!parsed.ok) return parsed;
  const yaml = parsed.file;
  const { value: root, findings } = toPlain(yaml.value);
  if (!isMapping(root)) return { ok: false, problems: [...findings.map((finding) => located(finding, yaml)), { path: "file", message: "must be a mapping with the key config" }] };

  findings.push(...stackFileFindings(root));
  const config = isMapping(root.config) ? root.config : {};
  if (root.config !== undefined && !isMapping(root.config)) findings.push({ keys: ["config"], message: "must be a mapping", value: root.config });
  for (const [key, value] of Object.entries(config)) {
    const finding = keyFinding(key, value);
    if (finding !== undefined) findings.push(finding);
  }
  if (!Object.hasOwn(config, ENVIRONMENT_KEY)) {
    findings.push({ keys: prefix, message: "is required", fix: "Copy one of stacks/Pulumi.*.yaml and change it." });
    return { ok: false, problems: findings.map((finding) => located(finding, yaml)) };
  }
  // In the order that Pulumi hands to the program, so that both engines register resources in the same one.
  const inspected = inspectEnvironment(sorted(config[ENVIRONMENT_KEY]));
  findings.push(...inspected.findings.map((finding) => ({ ...finding, keys: [...prefix, ...finding.keys] })));
  if (inspected.environment === undefined || findings.length > 0) return { ok: false, problems: findings.map((finding) => located(finding, yaml)) };
  return {
    ok: true,
    stack,
    config: Object.fromEntries(Object.entries(config).map(([key, value]) => [key, configText(value)])),
    secureKeys: Object.keys(config).filter((key) => ciphertextOf(config[key]) !== undefined),
    ...(typeof root.encryptionsalt === "string" ? { encryptionSalt: root.encryptionsalt } : {}),
    environment: inspected.environment,
  };
}

function readFault(error: unknown): string {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  if (code === "ENOENT") return "does not exist";
  if (code === "EACCES") return "may not be read by this user";
  if (code === "EISDIR") return "is a folder";
  return error instanceof TypeError ? "is not UTF-8 text" : "cannot be read";
}

/**
 * Reads a stack file and everything in it. Lists every problem at once and never throws.
 * @param file Path of a `Pulumi.<stack>.yaml`.
 */
export function loadStackFile(file: string): LoadedStack | { ok: false; problems: Problem[] } {
  const stack = stackFileName.exec(path.basename(file))?.[1];
  if (stack === undefined) return { ok: false, problems: [{ path: "file", message: "must be named Pulumi.<environment>.yaml", value: path.basename(file) }] };
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(readFileSync(file));
  } catch (error) {
    return { ok: false, problems: [{ path: "file", message: readFault(error) }] };
  }
  return loadStackText(stack, text);
}

/** Names of the environments whose files are in a folder, in order; none where there is no such folder. */
export function listEnvironments(folder: string): string[] {
  try {
    return readdirSync(folder).flatMap((file) => stackFileName.exec(file)?.[1] ?? []).sort();
  } catch {
    return [];
  }
}
