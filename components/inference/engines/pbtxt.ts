/** A value of a protocol buffer message in text form. Enumerations are written without quotes. */
export type PbValue = string | number | boolean | { enum: string } | PbMessage | readonly PbValue[];
export interface PbMessage {
  fields: Readonly<Record<string, PbValue | undefined>>;
}

/** A message: fields without a value are left out, lists are written as repeated fields. */
export function message(fields: PbMessage["fields"]): PbMessage {
  return { fields };
}

/** A map in the form that protocol buffers give it: entries of key and value. */
export function entries(map: Readonly<Record<string, PbValue>>): PbMessage[] {
  return Object.entries(map).map(([key, value]) => message({ key, value }));
}

const escapes: Readonly<Record<string, string>> = { "\\": "\\\\", "\"": "\\\"", "\n": "\\n" };

function quoted(text: string): string {
  return `"${text.replace(/[\\"\n]/g, (character) => escapes[character] ?? character)}"`;
}

function isList(value: PbValue): value is readonly PbValue[] {
  return Array.isArray(value);
}

function lines(name: string, value: PbValue, indent: string): string[] {
  if (isList(value)) {
    return value.every((entry) => typeof entry === "number") ? [`${indent}${name}: [ ${value.join(", ")} ]`] : value.flatMap((entry) => lines(name, entry, indent));
  }
  if (typeof value === "string") return [`${indent}${name}: ${quoted(value)}`];
  if (typeof value !== "object") return [`${indent}${name}: ${String(value)}`];
  if ("enum" in value) return [`${indent}${name}: ${value.enum}`];
  return [`${indent}${name} {`, ...fieldLines(value, `${indent}  `), `${indent}}`];
}

function fieldLines({ fields }: PbMessage, indent: string): string[] {
  return Object.entries(fields).flatMap(([name, value]) => (value === undefined ? [] : lines(name, value, indent)));
}

/** The message in protocol buffers' text form. */
export function pbtxt(root: PbMessage): string {
  return `${fieldLines(root, "").join("\n")}\n`;
}
