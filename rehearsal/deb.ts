import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { run } from "./process";

/** A Debian package to build. */
export interface DebSpec {
  name: string;
  version: string;
  /** @default "amd64" */
  architecture?: "amd64" | "all";
  description: string;
  /** As in a control file: `libnvidia-container1 (= 1.20.0-1)`. */
  depends?: readonly string[];
  provides?: readonly string[];
  conflicts?: readonly string[];
  files?: readonly { path: string; text: string | Buffer; executable?: boolean }[];
  /** Maintainer scripts by name: postinst, prerm, ... */
  scripts?: Readonly<Record<string, string>>;
}

/** The control file of a package. */
export function controlFile(spec: DebSpec): string {
  const relations = [["Depends", spec.depends], ["Provides", spec.provides], ["Conflicts", spec.conflicts]] as const;
  return [
    `Package: ${spec.name}`,
    `Version: ${spec.version}`,
    `Architecture: ${spec.architecture ?? "amd64"}`,
    "Maintainer: Rackwright rehearsal <rehearsal@localhost>",
    ...relations.flatMap(([field, values]) => (values === undefined || values.length === 0 ? [] : [`${field}: ${values.join(", ")}`])),
    `Description: ${spec.description}`,
    "",
  ].join("\n");
}

/** Builds a package with dpkg's own tool and returns the file's name inside `folder`. */
export async function buildDeb(spec: DebSpec, folder: string): Promise<string> {
  const tree = mkdtempSync(join(tmpdir(), "rackwright-deb-"));
  try {
    chmodSync(tree, 0o755);
    const put = (path: string, text: string | Buffer, mode: number): void => {
      const file = join(tree, path);
      mkdirSync(dirname(file), { recursive: true, mode: 0o755 });
      writeFileSync(file, text);
      chmodSync(file, mode);
    };
    put("DEBIAN/control", controlFile(spec), 0o644);
    for (const [name, text] of Object.entries(spec.scripts ?? {})) put(`DEBIAN/${name}`, text, 0o755);
    for (const file of spec.files ?? []) put(file.path, file.text, file.executable === true ? 0o755 : 0o644);
    // The colon of an epoch is left out of file names, as Debian does.
    const name = `${spec.name}_${spec.version.replace(/^\d+:/, "")}_${spec.architecture ?? "amd64"}.deb`;
    await run("dpkg-deb", ["--root-owner-group", "-Zgzip", "-z1", "--build", tree, join(folder, name)]);
    return name;
  } finally {
    rmSync(tree, { recursive: true, force: true });
  }
}
