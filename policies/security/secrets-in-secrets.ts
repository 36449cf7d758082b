import { rule } from "../rule";
import { containersOf, POD_OWNERS, type PodOwnerSpec } from "../specs";

const settings = {
  endings: { type: "array", items: { type: "string" }, description: "What names of secrets end in, without hyphens, underscores and case.", default: ["password", "passphrase", "secret", "token", "apikey", "accesskey", "accesskeyid", "privatekey"] as readonly string[] },
} as const;

/** Kubernetes puts another variable in place of $(NAME). */
const isReference = (value: string): boolean => /^\$\([A-Za-z0-9_]+\)$/.test(value);

export const secretsInSecrets = rule<PodOwnerSpec, typeof settings>({
  name: "secrets-in-secrets",
  title: "Secrets only in Secrets",
  description: "A container must not have a password, token or key written into its environment or its arguments.",
  section: "guide 1",
  severity: "critical",
  enforcementLevel: "mandatory",
  remediationSteps: "Put the value into a Secret and name it with valueFrom.secretKeyRef or as a mounted file. What is in a pod's description is read by everybody who may list pods, and lies in the cluster's backups.",
  types: POD_OWNERS,
  settings,
  check(spec, { endings }, report, name) {
    const holds = (key: string, value: string | undefined): boolean => value !== undefined && value !== "" && !isReference(value) && endings.some((ending) => key.replace(/[-_]/g, "").toLowerCase().endsWith(ending));
    for (const { name: container, env = [], args = [], command = [] } of containersOf(spec)) {
      const at = `${name}.${container}`;
      for (const { name: variable, value } of env) {
        if (!holds(variable, value)) continue;
        report({ at: `${at}.env.${variable}`, problem: "a secret is written into the container's environment", limit: "valueFrom.secretKeyRef, or a mounted file", remedy: "put it into a Secret and refer to that" });
      }
      for (const [index, word] of [...command, ...args].entries()) {
        const [, flag = "", value] = /^(--?[A-Za-z0-9_-]+)=(.*)$/s.exec(word) ?? [];
        if (!holds(flag, value)) continue;
        report({ at: `${at}.args.${index}`, problem: `${flag} carries a secret`, limit: "a mounted file or a variable from a Secret", remedy: "put it into a Secret and refer to that" });
      }
    }
  },
});
