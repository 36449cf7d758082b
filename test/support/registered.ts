import * as pulumi from "@pulumi/pulumi";
import type { Environment } from "../../components/environment";
import { planSite, Site } from "../../components/site";

const secretSignature = "4dabf18193072939515e22adb298388d";

/** Mocks hand secrets over in their wire form; policies see what is in them. */
function revealed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(revealed);
  if (typeof value !== "object" || value === null) return value;
  if (secretSignature in value && "value" in value) return revealed(value.value);
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, revealed(inner)]));
}

/** A resource as resource policies see it. */
export interface Registered {
  type: string;
  name: string;
  spec: object;
}

/** What the program registers for an environment. */
export async function registered(name: string, environment: Environment): Promise<Registered[]> {
  const resources: Registered[] = [];
  await pulumi.runtime.setMocks(
    {
      newResource: ({ type, name, inputs }) => {
        resources.push({ type, name, spec: revealed(inputs) as object });
        return { id: `${name}-id`, state: inputs as Record<string, unknown> };
      },
      call: () => ({}),
    },
    "rackwright",
    name,
    true,
  );
  await new Site(name, { environment, plan: planSite(environment) }).add();
  await pulumi.runtime.disconnect();
  return resources;
}
