import { z } from "zod";

/** The schema inside defaults and optional wrappers. */
function unwrapped(schema: z.core.$ZodType): z.core.$ZodType {
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodDefault || schema instanceof z.ZodPrefault) return unwrapped(schema.unwrap());
  return schema;
}

/** The schema of the value at a path; undefined where the model ends before it. */
export function schemaAt(root: z.core.$ZodType, keys: readonly PropertyKey[]): z.core.$ZodType | undefined {
  let schema: z.core.$ZodType | undefined = unwrapped(root);
  for (const key of keys) {
    let next: z.core.$ZodType | undefined;
    if (schema instanceof z.ZodObject) {
      const shape: Readonly<Record<string, z.core.$ZodType>> = schema.shape;
      next = Object.hasOwn(shape, key) ? shape[String(key)] : undefined;
    } else if (schema instanceof z.ZodRecord) next = schema.valueType;
    else if (schema instanceof z.ZodArray) next = schema.element;
    if (next === undefined) return undefined;
    schema = unwrapped(next);
  }
  return schema;
}

/** Keys that a mapping may have at a path; for a discriminated union those of all its options. */
export function knownKeys(schema: z.core.$ZodType | undefined): string[] {
  if (schema instanceof z.ZodObject) return Object.keys(schema.shape);
  if (schema instanceof z.ZodDiscriminatedUnion) return [...new Set(schema.options.flatMap((option) => knownKeys(option)))];
  return [];
}

function numbers(schema: z.ZodNumber): string {
  const { minValue, maxValue, format } = schema;
  const kind = format === "safeint" ? "a whole number" : "a number";
  const exclusive = schema.def.checks?.some((check) => check._zod.def.check === "greater_than" && (check._zod.def as { inclusive?: boolean }).inclusive === false);
  const least = minValue === null || minValue <= Number.MIN_SAFE_INTEGER || minValue === -Infinity ? undefined : minValue;
  const most = maxValue === null || maxValue >= Number.MAX_SAFE_INTEGER ? undefined : maxValue;
  if (least !== undefined && most !== undefined) return `${kind} from ${least} to ${most}`;
  if (least !== undefined) return exclusive === true ? `${kind} above ${least}` : `${kind} of at least ${least}`;
  return most === undefined ? kind : `${kind} of at most ${most}`;
}

/** What a value of this schema looks like, in words. */
export function allowedText(schema: z.core.$ZodType | undefined): string | undefined {
  if (schema instanceof z.ZodNumber) return numbers(schema);
  if (schema instanceof z.ZodString) return "text";
  if (schema instanceof z.ZodBoolean) return "true or false";
  if (schema instanceof z.ZodEnum) return schema.options.join(", ");
  if (schema instanceof z.ZodLiteral) return [...schema.values].map(String).join(", ");
  if (schema instanceof z.ZodArray) return "a list";
  if (schema instanceof z.ZodRecord) return "a mapping from names to entries";
  if (schema instanceof z.ZodObject || schema instanceof z.ZodDiscriminatedUnion) return `a mapping with the keys ${knownKeys(schema).join(", ")}`;
  return undefined;
}
