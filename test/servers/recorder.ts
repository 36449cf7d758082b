import * as pulumi from "@pulumi/pulumi";

/** A resource as the program registered it. */
export interface Recorded {
  type: string;
  name: string;
  custom: boolean;
  inputs: Record<string, unknown>;
}

/** A value that the program marked as secret. */
export class Secret {
  constructor(readonly value: unknown) {}
}

/** How a secret travels between a program and its engine. */
const signatureKey = "4dabf18193072939515e22adb298388d";

function unwrapped(inputs: object): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(inputs).map(([key, value]) => [key, typeof value === "object" && value !== null && signatureKey in value ? new Secret((value as { value?: unknown }).value) : value]),
  );
}

export interface Recording {
  /** In the order of registration. */
  resources: Recorded[];
  /** `parent type$type::name`, for each resource. */
  urns: string[];
  named(type: string, name: string): Recorded;
}

export interface RecordOptions {
  /** @default true */
  preview?: boolean;
  /** What resources put out beside their inputs, by name. */
  outputs?: Readonly<Record<string, object>>;
}

/** Runs a program against mocks and records what it registers. */
export async function record(program: () => unknown, { preview = true, outputs = {} }: RecordOptions = {}): Promise<Recording> {
  const resources: Recorded[] = [];
  await pulumi.runtime.setMocks(
    {
      newResource: ({ type, name, custom, inputs }) => {
        resources.push({ type, name, custom: custom === true, inputs: unwrapped(inputs as object) });
        return { id: `${name}-id`, state: { ...(inputs as object), ...outputs[name] } };
      },
      call: () => ({}),
    },
    "rackwright",
    "reference",
    preview,
  );
  await program();
  await pulumi.runtime.disconnect();
  // Not part of the declared type: the mock monitor keeps what was registered by URN.
  const monitor = pulumi.runtime.getMonitor() as unknown as { getRegisteredResources(): Map<string, unknown> };
  return {
    resources,
    urns: [...monitor.getRegisteredResources().keys()].map((urn) => urn.split("::").slice(2).join("::")),
    named: (type, name) => {
      const found = resources.filter((resource) => resource.type === type && resource.name === name);
      const [only] = found;
      if (only === undefined || found.length > 1) throw new Error(`${found.length} resources ${type} ${name}`);
      return only;
    },
  };
}
