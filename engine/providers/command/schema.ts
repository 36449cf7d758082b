/** The shape of one input: what `check` accepts, in Pulumi's words for the messages. */
export type Shape =
  | { kind: "string" | "number" | "integer" | "boolean" | "strings" | "stringMap" | "any[]" | "asset" }
  | { kind: "object"; object: ObjectShape };

export interface ObjectShape {
  /** The provider's name of the type, which its messages carry. */
  name: string;
  fields: Record<string, Field>;
}

export type Field = Shape & {
  required?: true;
  /** Wrapped in a secret by `check` wherever it is given. */
  secret?: true;
  /** Filled in by `check` where it is absent, and from then on part of the state. */
  default?: string | number;
};

const endpointFields: Record<string, Field> = {
  user: { kind: "string", default: "root" },
  password: { kind: "string", secret: true },
  host: { kind: "string", required: true },
  port: { kind: "number", default: 22 },
  privateKey: { kind: "string", secret: true },
  privateKeyPassword: { kind: "string", secret: true },
  agentSocketPath: { kind: "string" },
  dialErrorLimit: { kind: "integer", default: 10 },
  perDialTimeout: { kind: "integer", default: 15 },
  hostKey: { kind: "string" },
};

const connection: Field = {
  kind: "object",
  required: true,
  secret: true,
  object: {
    name: "remote.Connection",
    fields: {
      ...endpointFields,
      proxy: { kind: "object", object: { name: "remote.ProxyConnection", fields: endpointFields } },
    },
  },
};

const lifecycle: Record<string, Field> = {
  triggers: { kind: "any[]" },
  create: { kind: "string" },
  update: { kind: "string" },
  delete: { kind: "string" },
};

export const RESOURCES = {
  "command:local:Command": {
    name: "local.CommandInputs",
    fields: {
      ...lifecycle,
      stdin: { kind: "string" },
      logging: { kind: "string" },
      interpreter: { kind: "strings" },
      dir: { kind: "string" },
      environment: { kind: "stringMap" },
      assetPaths: { kind: "strings" },
      archivePaths: { kind: "strings" },
      addPreviousOutputInEnv: { kind: "boolean" },
    },
  },
  "command:remote:Command": {
    name: "remote.CommandInputs",
    fields: {
      ...lifecycle,
      stdin: { kind: "string" },
      logging: { kind: "string" },
      connection,
      environment: { kind: "stringMap" },
      addPreviousOutputInEnv: { kind: "boolean" },
    },
  },
  "command:remote:CopyToRemote": {
    name: "remote.CopyToRemoteInputs",
    fields: {
      connection,
      triggers: { kind: "any[]" },
      source: { kind: "asset", required: true },
      remotePath: { kind: "string", required: true },
    },
  },
} satisfies Record<string, ObjectShape>;

export type ResourceType = keyof typeof RESOURCES;

export function isResourceType(type: string): type is ResourceType {
  return Object.hasOwn(RESOURCES, type);
}
