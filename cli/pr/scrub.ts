import { homedir, tmpdir } from "node:os";
import * as path from "node:path";
import { projectRoot } from "../project";

const mask = "[secret]";
const place = "[path]";
const leastSecretLength = 6;
const leastPlaceLength = 4;

const secretVariable = /token|secret|passw|passphrase|credential|api_?key|private_?key/i;
/** Variables that hold the folder of a runner. */
const placeVariable = /^(GITHUB_WORKSPACE|RUNNER_TEMP|RUNNER_WORKSPACE|CI_PROJECT_DIR|CI_BUILDS_DIR|PWD|OLDPWD|TMPDIR)$/;

/** Forms that secrets are written in, whoever made them. */
const secretForms: readonly [RegExp, string][] = [
  [/-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(-----END [A-Z ]*PRIVATE KEY-----|$)/g, mask],
  [/\bv1:[A-Za-z0-9+/=]{8,}(:[A-Za-z0-9+/=]{2,})+/g, mask],
  [/\b(gh[opsur]_|github_pat_|glpat-|hf_|sk-|xox[a-z]-|pul-|dop_v1_|npm_|nvapi-)[A-Za-z0-9_-]{8,}/g, mask],
  [/\b(AKIA|ASIA)[A-Z0-9]{12,}/g, mask],
  [/\beyJ[A-Za-z0-9_-]{6,}\.[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]*)?/g, mask],
  [/\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{8,}/gi, `$1 ${mask}`],
  [/([a-z][a-z0-9+.-]*:\/\/)[^/\s@]*@/gi, `$1${mask}@`],
  [/((?:^|[^A-Za-z])(?:[A-Za-z0-9]*[_-])*(?:pass(?:word|wd|phrase)?|secret|token|api[_-]?key|access[_-]?key|private[_-]?key|credentials?)["']?\s*[=:]\s*)("[^"]*"|'[^']*'|[^\s,;"'&]+)/gi, `$1${mask}`],
  [/(--(?:[a-z0-9]+-)*(?:password|passphrase|secret|token|api-key|access-key|key)\s+)(\S+)/gi, `$1${mask}`],
  // What follows the host of a hook's address is often all that protects it.
  [/(\bhttps?:\/\/[^/\s"'?#]+)\/[^\s"'?#]*(hook|services)[^\s"']*/gi, `$1/${mask}`],
  [/(\bhttps?:\/\/[^\s"'?#]+)\?[^\s"']*/gi, `$1?${mask}`],
];

/** Folders of people, of runners and of temporary files; the mounts and programs of the servers are none of these. */
const placeForms: readonly RegExp[] = [
  /\bfile:\/\/[^\s"'`]*/gi,
  /(?<![\w.~-])\/(?:home|root|Users|tmp|private|builds|github|__w|workspace|var\/(?:folders|tmp|lib\/jenkins|lib\/gitlab-runner)|opt\/actions-runner)(?=[/\s"'`),:;\]]|$)(?:[^\s"'`),;\]:]|:(?=\S))*/g,
  /\b[A-Za-z]:\\[^\s"'`]*/g,
];

function escaped(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\/]/g, "\\$&");
}

/** Takes secrets and places of this machine out of text that others read. */
export type Scrub = (text: string) => string;

/** @param environment Variables whose values must not be told, by their names */
export function scrubber(environment: NodeJS.ProcessEnv, places: readonly string[]): Scrub {
  const values = Object.entries(environment);
  const secrets = values.flatMap(([name, value = ""]) => (secretVariable.test(name) && value.length >= leastSecretLength ? value.split("\n").concat(value) : []));
  const folders = [...places, ...values.flatMap(([name, value = ""]) => (placeVariable.test(name) ? [value] : []))];
  const longestFirst = (texts: readonly string[], least: number): string[] => [...new Set(texts.map((text) => text.trim()))].filter((text) => text.length >= least).sort((a, b) => b.length - a.length);
  const knownSecrets = longestFirst(secrets, leastSecretLength).map((text) => new RegExp(escaped(text), "g"));
  const knownPlaces = longestFirst(folders, leastPlaceLength).map((text) => new RegExp(`${escaped(text)}(?:[^\\s"'\`),;\\]:]|:(?=\\S))*`, "g"));
  return (text) => {
    let result = text;
    for (const pattern of knownSecrets) result = result.replace(pattern, mask);
    for (const [pattern, by] of secretForms) result = result.replace(pattern, by);
    for (const pattern of [...knownPlaces, ...placeForms]) result = result.replace(pattern, place);
    return result;
  };
}

let own: Scrub | undefined;

/** Scrubs with what this process knows: its variables, its home, its working folder, the project's and the temporary one. */
export function scrub(text: string): string {
  own ??= scrubber(process.env, [projectRoot, homedir(), process.cwd(), path.resolve(tmpdir())]);
  return own(text);
}
