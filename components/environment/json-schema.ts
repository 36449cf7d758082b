import { mkdirSync, writeFileSync } from "node:fs";
import * as path from "node:path";
import { z } from "zod";
import { ENVIRONMENT_FILE_KEY } from "./environment-file";
import { ENVIRONMENT_KEY, SECRETS } from "./load";
import { environmentSchema } from "./schema";

/** Where the schema for editors is kept. */
export const jsonSchemaFile = path.resolve(__dirname, "../../schemas/environment.schema.json");

const secret = {
  type: "object",
  properties: { secure: { type: "string" } },
  required: ["secure"],
  additionalProperties: false,
};

/** JSON Schema of a whole stack file, for completion and checks in editors. */
export function stackFileJsonSchema(): object {
  const { $schema, ...environment } = z.toJSONSchema(environmentSchema, { io: "input", target: "draft-7" });
  return {
    $schema,
    title: "Rackwright stack file",
    description: "stacks/Pulumi.<environment>.yaml: one environment, which is one site's servers and what runs on them.",
    type: "object",
    properties: {
      config: {
        type: "object",
        properties: {
          [ENVIRONMENT_KEY]: environment,
          [ENVIRONMENT_FILE_KEY]: { type: "string", description: "A YAML file with the environment, below this folder, for sites of more than about a hundred servers: Linux limits what Pulumi can hand over as configuration." },
          ...Object.fromEntries(Object.values(SECRETS).map((key) => [key, { ...secret, description: `Set with \`pulumi config set --secret ${key}\`.` }])),
        },
        patternProperties: { "^(pulumi|command|kubernetes):": {} },
        anyOf: [{ required: [ENVIRONMENT_KEY] }, { required: [ENVIRONMENT_FILE_KEY] }],
        additionalProperties: false,
      },
      encryptionsalt: { type: "string", description: "Written by Pulumi; belongs to the passphrase." },
      encryptedkey: { type: "string", description: "Written by Pulumi." },
      secretsprovider: { type: "string", description: "Written by Pulumi." },
    },
    required: ["config"],
    additionalProperties: false,
  };
}

/** The schema as the file holds it. */
export function jsonSchemaText(): string {
  return `${JSON.stringify(stackFileJsonSchema(), null, 2)}\n`;
}

if (require.main === module) {
  mkdirSync(path.dirname(jsonSchemaFile), { recursive: true });
  writeFileSync(jsonSchemaFile, jsonSchemaText());
}
