import { readdirSync } from "node:fs";
import * as path from "node:path";
import { ENVIRONMENT_FILE_KEY, largestConfigBytes, readEnvironmentFile, readFault, readText, sorted } from "./environment-file";
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
  kubeconfig: "rackwright:kubeconfig",
  inferenceApiKey: "rackwright:inferenceApiKey",
  grafanaAdminPassword: "rackwright:grafanaAdminPassword",
  smtpPassword: "rackwright:smtpPassword",
  alertChatUrl: "rackwright:alertChatUrl",
  bmcPassword: "rackwright:bmcPassword",
  backupPassword: "rackwright:backupPassword",
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

const ownKeys: readonly string[] = [ENVIRONMENT_KEY, ENVIRONMENT_FILE_KEY, ...Object.values(SECRETS)];
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

/** Where the environment is, in the stack file or in a file of its own. */
function environmentOf(config: Mapping, folder: string): { environment?: Environment; findings: Finding[]; problems: Problem[] } {
  const file = config[ENVIRONMENT_FILE_KEY];
  const inline = Object.hasOwn(config, ENVIRONMENT_KEY);
  if (file === undefined && !inline) return { findings: [{ keys: prefix, message: "is required", fix: "Copy one of stacks/Pulumi.*.yaml and change it." }], problems: [] };
  if (file === undefined) {
    // In the order that Pulumi hands to the program, so that both engines register resources in the same one.
    const { environment, findings } = inspectEnvironment(sorted(config[ENVIRONMENT_KEY]));
    const inFile = findings.map((finding) => ({ ...finding, keys: [...prefix, ...finding.keys] }));
    return { ...(environment === undefined ? {} : { environment }), findings: inFile, problems: [] };
  }
  const keys = ["config", ENVIRONMENT_FILE_KEY];
  if (inline) return { findings: [{ keys, message: `cannot stand beside ${ENVIRONMENT_KEY}`, fix: "Keep one of them." }], problems: [] };
  if (typeof file !== "string" || !environmentFileName.test(file)) return { findings: [{ keys, message: "must be a file below the folder of the stack files", value: file, allowed: "a relative path of letters, digits, dots, hyphens and underscores that ends in .yaml" }], problems: [] };
  const read = readEnvironmentFile(folder, file);
  return read.ok ? { environment: read.environment, findings: [], problems: [] } : { findings: [], problems: read.problems };
}

const environmentFileName = /^(?!.*(^|\/)\.\.?(\/|$))[A-Za-z0-9._-]+(\/[A-Za-z0-9._-]+)*\.yaml$/;

/**
 * As {@link loadStackFile}, from text.
 * @param folder Where a file that {@link ENVIRONMENT_FILE_KEY} names is looked for.
 */
export function loadStackText(stack: string, text: string, folder = "."): LoadedStack | { ok: false; problems: Problem[] } {
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
  const found = environmentOf(config, folder);
  findings.push(...found.findings);
  const texts = Object.fromEntries(Object.entries(config).map(([key, value]) => [key, configText(value)]));
  const bytes = Buffer.byteLength(JSON.stringify(texts));
  if (bytes > largestConfigBytes) {
    findings.push({ keys: ["config"], message: `takes ${Math.ceil(bytes / 1024)} KiB, and Pulumi hands it over in one environment variable, which Linux limits`, allowed: `${largestConfigBytes / 1024} KiB`, fix: `Move what is under ${ENVIRONMENT_KEY} to a file beside this one, such as ${stack}.environment.yaml, and name that in ${ENVIRONMENT_FILE_KEY}.` });
  }
  const problems = [...findings.map((finding) => located(finding, yaml)), ...found.problems];
  if (found.environment === undefined || problems.length > 0) return { ok: false, problems };
  return {
    ok: true,
    stack,
    config: texts,
    secureKeys: Object.keys(config).filter((key) => ciphertextOf(config[key]) !== undefined),
    ...(typeof root.encryptionsalt === "string" ? { encryptionSalt: root.encryptionsalt } : {}),
    environment: found.environment,
  };
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
    text = readText(file);
  } catch (error) {
    return { ok: false, problems: [{ path: "file", message: readFault(error) }] };
  }
  return loadStackText(stack, text, path.dirname(file));
}

/** Names of the environments whose files are in a folder, in order; none where there is no such folder. */
export function listEnvironments(folder: string): string[] {
  try {
    return readdirSync(folder).flatMap((file) => stackFileName.exec(file)?.[1] ?? []).sort();
  } catch {
    return [];
  }
}
