import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { parseEnvironment, type Environment, type EnvironmentInput } from "../../../components/environment";
import { planWorkloads } from "../../../components/inference";
import { planStandby, type BalancerPlan, type StandbyPlan } from "../../../components/recovery/standby/plan";
import { generatedEnvironment } from "../../support/environments";

export function environmentOf(input: EnvironmentInput): Environment {
  const parsed = parseEnvironment(input);
  if (!parsed.ok) throw new Error(`the environment is wrong: ${JSON.stringify(parsed.problems)}`);
  return parsed.environment;
}

/** The shipped environment, with a change. */
export function shipped(name: string, change: (input: EnvironmentInput) => void = () => undefined): Environment {
  const content = parse(readFileSync(join(__dirname, `../../../stacks/Pulumi.${name}.yaml`), "utf8")) as { config: Record<string, EnvironmentInput> };
  const input = content.config["rackwright:environment"];
  if (input === undefined) throw new Error(`${name} has no environment`);
  change(input);
  return environmentOf(input);
}

/** Servers without a cluster, whose systemd unit `answers` runs on the first two. */
export function bare(servers: number, change: (input: EnvironmentInput) => void = () => undefined): Environment {
  const input = generatedEnvironment(servers);
  input.recovery = { standby: { mode: "keepalived", virtualAddress: "10.100.0.250", units: { answers: { port: 8000, servers: ["gpu-0001"], standbyServers: ["gpu-0002"] } } } };
  change(input);
  return environmentOf(input);
}

export function planOf(environment: Environment): StandbyPlan {
  const plan = planStandby(environment, planWorkloads(environment));
  if (plan === undefined) throw new Error("nothing stands by");
  return plan;
}

export function balancersOf(environment: Environment): BalancerPlan {
  const { balancer } = planOf(environment);
  if (balancer === undefined) throw new Error("there is no balancer");
  return balancer;
}
