import { join } from "node:path";
import { listEnvironments, loadStackFile, parseEnvironment, type Environment, type EnvironmentInput } from "../../components/environment";
import { planWorkloads } from "../../components/inference";
import type { RuleGroup } from "../../components/monitoring/alert";
import { everyAlertEnvironment } from "../../components/monitoring/docs";
import { ruleGroups } from "../../components/monitoring/rules";
import { generatedServer } from "../support/environments";

const stacks = join(__dirname, "../../stacks");

export function stack(name: string): Environment {
  const loaded = loadStackFile(join(stacks, `Pulumi.${name}.yaml`));
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.problems));
  return loaded.environment;
}

function parsed(input: EnvironmentInput): Environment {
  const result = parseEnvironment(input);
  if (!result.ok) throw new Error(JSON.stringify(result.problems));
  return result.environment;
}

/** Servers with GPUs, and nothing that runs containers. */
export const bare = (servers = 2): Environment => parsed({
  site: { name: "bare", mirror: { apt: "https://mirror.example.org/apt", images: "registry.example.org/mirror" } },
  ssh: { user: "ops" },
  servers: Object.fromEntries(Array.from({ length: servers }, (_, index) => [`gpu-${index + 1}`, generatedServer(index + 1)])),
});

/** Every environment that comes with the project, one with everything, and some that lack much. */
export const environments: readonly (readonly [string, Environment])[] = [
  ...listEnvironments(stacks).map((name) => [name, stack(name)] as const),
  ["everything", everyAlertEnvironment()],
  ["bare hosts", bare()],
  ["one bare host", bare(1)],
  ["an operator's Prometheus", { ...stack("sme-production"), monitoring: { ...stack("sme-production").monitoring, mode: "operator" } }],
  ["200 servers", bare(200)],
];

export const groupsOf = (environment: Environment): RuleGroup[] => ruleGroups(environment, planWorkloads(environment));
