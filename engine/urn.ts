/** Parts of a URN: `urn:pulumi:<stack>::<project>::<parent type>$<type>::<name>`. */
export interface UrnParts {
  stack: string;
  project: string;
  /** Types of all parents below the stack and of the resource itself, joined by `$`. */
  qualifiedType: string;
  type: string;
  name: string;
}

export const STACK_TYPE = "pulumi:pulumi:Stack";
const PREFIX = "urn:pulumi:";

export function parseUrn(urn: string): UrnParts {
  const [stack, project, qualifiedType, ...name] = urn.slice(PREFIX.length).split("::");
  if (!urn.startsWith(PREFIX) || !stack || !project || !qualifiedType || name.length === 0) {
    throw new Error(`"${urn}" is no URN; it is expected to look like urn:pulumi:<stack>::<project>::<type>::<name>`);
  }
  const type = qualifiedType.slice(qualifiedType.lastIndexOf("$") + 1);
  return { stack, project, qualifiedType, type, name: name.join("::") };
}

export function makeUrn(stack: string, project: string, parent: string, type: string, name: string): string {
  const parentType = parent === "" ? "" : parseUrn(parent).qualifiedType;
  const qualified = parentType === "" || parentType === STACK_TYPE ? type : `${parentType}$${type}`;
  return `${PREFIX}${stack}::${project}::${qualified}::${name}`;
}

export function urnName(urn: string): string {
  return parseUrn(urn).name;
}

export function stackUrn(stack: string, project: string): string {
  return makeUrn(stack, project, "", STACK_TYPE, `${project}-${stack}`);
}

/** "command" of "command:local:Command", and of "pulumi:providers:command". */
export function packageOf(type: string): string {
  const parts = type.split(":");
  return (isProviderType(type) ? parts[2] : parts[0]) ?? "";
}

export function isProviderType(type: string): boolean {
  return type.startsWith("pulumi:providers:");
}
