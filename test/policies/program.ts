import type { Environment } from "../../components/environment";
import { rules } from "../../policies/all";
import type { Rule } from "../../policies/rule";
import { registered, type Registered } from "../support/registered";
import { analyze } from "./analyze";

/** Every violation that the rules find in an environment. */
export async function violations(name: string, environment: Environment): Promise<{ rule: Rule; resource: Registered; message: string }[]> {
  const resources = await registered(name, environment);
  return resources.flatMap((resource) =>
    rules
      .filter(({ types }) => types.includes(resource.type))
      .flatMap((rule) => analyze(rule, resource.spec, resource).map((message) => ({ rule, resource, message }))),
  );
}
