import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { stringify } from "yaml";
import { apiVersionOf, isDefinition, kindOf, nameOf, namespaceOf } from "./object";
import type { KubeObject } from "./object";

/** Where an object is written: definitions first, so that files can be applied in the order of their folders. */
export function renderedPath(object: KubeObject, directory: string): string {
  const version = apiVersionOf(object).replace(/[/:]/g, "_");
  const file = `${version}-${kindOf(object).toLowerCase()}-${namespaceOf(object) || "default"}-${nameOf(object)}.yaml`;
  return join(directory, isDefinition(object) ? "0-crd" : "1-manifest", file);
}

/** Writes an object for `kubectl apply`; readable by the owner only, because it may hold secrets. @returns the path */
export function render(object: KubeObject, directory: string): string {
  const path = renderedPath(object, directory);
  for (const folder of ["0-crd", "1-manifest"]) mkdirSync(join(directory, folder), { recursive: true, mode: 0o700 });
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  writeFileSync(path, stringify(object, { sortMapEntries: true, lineWidth: 0, aliasDuplicateObjects: false }), { mode: 0o600 });
  return path;
}

export function removeRendered(object: KubeObject, directory: string): void {
  rmSync(renderedPath(object, directory), { force: true });
}
