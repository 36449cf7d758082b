import { containsSecret, isMap, Secret } from "../../values";
import type { PropertyMap, Value } from "../../values";

function secret(value: Value): Value {
  return value instanceof Secret ? value : new Secret(value);
}

/**
 * `outputs` with what is secret in `inputs` marked as secret: in maps field by field, in lists as a whole, because
 * servers reorder lists. The data of a Secret is always secret.
 */
export function withSecrecy(outputs: PropertyMap, inputs: PropertyMap): PropertyMap {
  if (outputs["kind"] === "Secret") {
    const result = { ...outputs };
    for (const key of ["data", "stringData"]) {
      const value = result[key];
      if (value !== undefined) result[key] = secret(value);
    }
    return result;
  }
  if (!containsSecret(inputs)) return outputs;
  const result = { ...outputs };
  for (const [key, input] of Object.entries(inputs)) {
    const output = Object.hasOwn(result, key) ? result[key] : undefined;
    if (output === undefined) continue;
    if (isMap(output) && isMap(input)) result[key] = withSecrecy(output, input);
    else if (containsSecret(input)) result[key] = secret(output);
  }
  return result;
}
