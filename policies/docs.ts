import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { areas, rules } from "./all";
import type { Rule, Setting } from "./rule";

const headings: Record<keyof typeof areas, string> = {
  hardware: "Hardware",
  storage: "Storage",
  inference: "Inference",
  operations: "Operations",
  recovery: "Recovery",
  security: "Security",
};

interface Earned {
  rule: string;
  resource: string;
  /** @default 1 */
  times?: number;
  why: string;
}

/** What the environments that come with the project earn, all of it advisory, and why they keep it. The tests hold it to what is found. */
export const earned: Readonly<Record<string, readonly Earned[]>> = {
  "dev-test": [{ rule: "gpu-with-ecc", resource: "gpu-01", why: "The guide's development machine has GeForce cards (guide 2.1)." }],
  "edge": [],
  "large-cluster": [{ rule: "liquid-cooling-pue", resource: "large-cluster", why: "Liquid cooling at a PUE of 1.3, where the guide has 1.1 (guide 7)." }],
  "medical-imaging": [{ rule: "encryption-at-rest", resource: "medical-imaging", why: "Whether drives encrypt is for the hospital to declare; the example does not claim it." }],
  "quality-inspection": [],
  "sme-production": [{ rule: "encryption-at-rest", resource: "sme-production", times: 3, why: "As medical-imaging, once for each server." }],
};

const value = (setting: Setting): string => `\`${JSON.stringify(setting.default)}\``;

function settingsTable(rule: Rule): string[] {
  const settings = Object.entries(rule.settings);
  if (settings.length === 0) return [];
  return ["| setting | default | meaning |", "|---|---|---|", ...settings.map(([key, setting]) => `| \`${key}\` | ${value(setting)} | ${setting.description} |`), ""];
}

function entry(rule: Rule): string[] {
  return [
    `### ${rule.name}`,
    "",
    `**${rule.displayName}.** ${rule.description}`,
    "",
    `${rule.enforcementLevel === "mandatory" ? "Mandatory" : "Advisory"}, severity ${rule.severity}. Source: ${rule.section}. Checked on ${rule.types.map((type) => `\`${type}\``).join(" and ")}.`,
    "",
    ...settingsTable(rule),
    `What to do: ${rule.remediationSteps}`,
    "",
  ];
}

/** The text of docs/rules.md. */
export function rulesPage(): string {
  const mandatory = rules.filter(({ enforcementLevel }) => enforcementLevel === "mandatory").length;
  return [
    "# Rules",
    "",
    "<!-- Made by `npm run rules` from the rules under policies/. Edit them there. -->",
    "",
    `The policy pack under \`policies/\` has ${rules.length} rules: ${mandatory} are mandatory and stop a plan, ${rules.length - mandatory} are advisory.`,
    "`./rackwright plan` and `pulumi preview --policy-pack policies` report the same violations, each with its place in the environment file, the value found, what is allowed and what to do.",
    "What a rule cannot check, for a value is unknown or the catalog lacks the hardware, is reported as a violation.",
    "",
    "A site turns levels and settings with Pulumi's own configuration of policy packs, a JSON file:",
    "",
    "```json",
    JSON.stringify({ "gpu-with-ecc": "disabled", "driver-branch-supported": { enforcementLevel: "mandatory" }, "server-power": { overheadPercent: 25 } }, null, 2),
    "```",
    "",
    "```",
    "pulumi preview --policy-pack policies --policy-pack-config rules.json",
    "```",
    "",
    "The key `all` gives a level to every rule that has no entry of its own; a level is `advisory`, `mandatory` or `disabled`.",
    "",
    "A site's own rules are files under [policies/site/](../policies/site/README.md), which are loaded with the pack.",
    "",
    "Rules report and do not mend (no remediation in Pulumi's sense): most read a component's description of itself, from which nothing is made, so that a changed description would silence the rule and change no server; and for objects that are made, the right digest, key or Secret is not known to the rule.",
    "",
    "What the environments that come with the project earn, all of it advisory:",
    "",
    "| environment | rule | why |",
    "|---|---|---|",
    ...Object.entries(earned).flatMap(([environment, found]) => (found.length === 0 ? [`| ${environment} | none | |`] : found.map(({ rule, why }) => `| ${environment} | [${rule}](#${rule}) | ${why} |`))),
    "",
    "What no rule can say: when a cold start was last rehearsed, whether an image is the one that its digest in the registry says, and whether drives that are declared to encrypt do, for an environment states none of these. Images and engines whose makers announce no end of support are not judged by age.",
    "",
    "Sources: \"guide\" is [the deployment guide](guide.md), \"facts\" are [the figures checked for it](facts.md).",
    "",
    ...Object.entries(areas).flatMap(([area, members]) => [`## ${headings[area as keyof typeof areas]}`, "", ...members.flatMap(entry)]),
  ].join("\n");
}

if (require.main === module) writeFileSync(join(__dirname, "../docs/rules.md"), rulesPage());
