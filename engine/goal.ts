import { Alias } from "@pulumi/pulumi/proto/alias_pb";
import type { RegisterResourceRequest } from "@pulumi/pulumi/proto/resource_pb";
import type { AliasSpec, CustomTimeouts, Goal } from "./model";
import { NotCovered } from "./providers";
import { unmarshal } from "./wire";

const UNIT_SECONDS: Record<string, number> = { ns: 1e-9, us: 1e-6, µs: 1e-6, ms: 1e-3, s: 1, m: 60, h: 3600 };

/** Seconds of a duration in Go's form, such as "1h30m" or "90s". */
export function parseDuration(text: string): number | undefined {
  if (text === "") return undefined;
  const parts = [...text.matchAll(/(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)/g)];
  if (parts.length === 0 || parts.map(([part]) => part).join("") !== text) {
    throw new Error(`customTimeouts: "${text}" is no duration; expected a form like "90s", "5m" or "1h30m"`);
  }
  return parts.reduce((sum, [, number, unit]) => sum + Number(number) * (UNIT_SECONDS[unit ?? ""] ?? 0), 0);
}

/**
 * What a registration asks for.
 * @throws NotCovered naming an option that only the Pulumi CLI has
 */
export function goalOf(request: RegisterResourceRequest): Goal {
  const name = request.getName();
  refuse(request);
  return {
    type: request.getType(),
    name,
    custom: request.getCustom(),
    parent: request.getParent(),
    inputs: unmarshal(request.getObject()),
    provider: request.getProvider(),
    version: request.getVersion(),
    protect: request.getProtect() === true,
    retainOnDelete: request.getRetainondelete() === true,
    ...(request.getDeletebeforereplacedefined() ? { deleteBeforeReplace: request.getDeletebeforereplace() } : {}),
    dependencies: request.getDependenciesList(),
    propertyDependencies: propertyDependencies(request),
    ignoreChanges: request.getIgnorechangesList(),
    replaceOnChanges: request.getReplaceonchangesList(),
    additionalSecretOutputs: request.getAdditionalsecretoutputsList(),
    aliases: [...request.getAliasurnsList(), ...request.getAliasesList().map(aliasOf)],
    customTimeouts: timeoutsOf(request),
    deletedWith: request.getDeletedwith(),
  };
}

function refuse(request: RegisterResourceRequest): void {
  const uses: [boolean, string][] = [
    [request.getRemote(), `the remote component ${request.getType()}`],
    [request.getImportid() !== "", "the option import"],
    [request.getTransformsList().length > 0, "the option transforms"],
    [request.getReplaceWithList().length > 0, "the option replaceWith"],
    [request.hasReplacementTrigger(), "the option replacementTrigger"],
  ];
  const used = uses.find(([uses]) => uses);
  if (used !== undefined) throw new NotCovered(`${used[1]} of ${request.getType()} "${request.getName()}"`);
}

function propertyDependencies(request: RegisterResourceRequest): Record<string, string[]> {
  const result: Record<string, string[]> = {};
  request.getPropertydependenciesMap().forEach((dependencies, key) => {
    result[key] = dependencies.getUrnsList();
  });
  return result;
}

function timeoutsOf(request: RegisterResourceRequest): CustomTimeouts {
  const given = request.getCustomtimeouts();
  const result: CustomTimeouts = {};
  for (const [key, text] of [
    ["create", given?.getCreate()], ["update", given?.getUpdate()], ["delete", given?.getDelete()],
  ] as const) {
    const seconds = parseDuration(text ?? "");
    if (seconds !== undefined) result[key] = seconds;
  }
  return result;
}

function aliasOf(alias: Alias): string | AliasSpec {
  if (alias.getAliasCase() === Alias.AliasCase.URN) return alias.getUrn();
  const spec = alias.getSpec();
  const result: AliasSpec = {};
  if (spec === undefined) return result;
  if (spec.getName() !== "") result.name = spec.getName();
  if (spec.getType() !== "") result.type = spec.getType();
  if (spec.getStack() !== "") result.stack = spec.getStack();
  if (spec.getProject() !== "") result.project = spec.getProject();
  if (spec.hasParenturn() && spec.getParenturn() !== "") result.parentUrn = spec.getParenturn();
  if (spec.hasNoparent() && spec.getNoparent()) result.noParent = true;
  return result;
}
