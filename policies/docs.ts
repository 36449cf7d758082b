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
    "A site's own rules are files under [policies/site/](../policies/site/README.md), which are loaded with the pack.",
    "",
    "Rules report and do not mend (no remediation in Pulumi's sense): most read a component's description of itself, from which nothing is made, so that a changed description would silence the rule and change no server; and for objects that are made, the right digest, key or Secret is not known to the rule.",
    "",
    "What the environments that come with the project earn, all advisory: `dev-test` gpu-with-ecc (GeForce cards, guide 2.1), `large-cluster` liquid-cooling-pue (1.3 where the guide has 1.1).",
    "",
    "What no rule can say: when a cold start was last rehearsed, whether an image is the one that its digest in the registry says, whether drives are encrypted and whether an image is past its end of life, for an environment states none of these.",
    "",
    "Sources: \"guide\" is [the deployment guide](guide.md), \"facts\" are [the figures checked for it](facts.md).",
    "",
    ...Object.entries(areas).flatMap(([area, members]) => [`## ${headings[area as keyof typeof areas]}`, "", ...members.flatMap(entry)]),
  ].join("\n");
}

if (require.main === module) writeFileSync(join(__dirname, "../docs/rules.md"), rulesPage());
