import { readFileSync, readdirSync } from "node:fs";
import * as path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { listEnvironments } from "../../components/environment";
import { ProjectCopy } from "../support/project-copy";

const root = path.resolve(__dirname, "../..");

interface Example {
  file: string;
  command: string;
  /** What the page shows below the command; undefined where it shows nothing. */
  output: string | undefined;
}

function markdownFiles(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(".md"))
    .map((entry) => path.join(entry.parentPath, entry.name));
}

/** Commands in fenced `console` and `sh` blocks. In `console` blocks a line with `$ ` is a command, the rest its output. */
function examples(file: string): Example[] {
  const found: Example[] = [];
  for (const [, language, body = ""] of readFileSync(file, "utf8").matchAll(/^```(console|sh)\n([\s\S]*?)^```$/gm)) {
    for (const part of language === "console" ? body.split(/^\$ /m).slice(1) : body.split("\n")) {
      const [command = "", ...rest] = part.split("\n");
      const output = rest.join("\n");
      if (command.trim() !== "") found.push({ file: path.relative(root, file), command: command.replace(/\s+#.*$/, "").trim(), output: output.trim() === "" ? undefined : output });
    }
  }
  return found;
}

const all = [path.join(root, "README.md"), path.join(root, "CONTRIBUTING.md"), ...markdownFiles(path.join(root, "docs"))].flatMap(examples);
const ours = all.filter(({ command }) => /^(\.\/)?rackwright /.test(command));
/** Their output depends on nothing but the project and the locale, so the page must show exactly it. */
const reproducible = ours.filter(({ command, output }) => output !== undefined && /^\.\/rackwright (plan|size|cost)\b/.test(command));

let project: ProjectCopy;
beforeAll(() => {
  project = new ProjectCopy();
});
afterAll(() => project.remove());

describe("commands in the documentation", () => {
  it("are there", () => {
    expect(ours.length).toBeGreaterThan(5);
    expect(reproducible.length).toBeGreaterThan(0);
  });

  it.each(ours)("$file: $command exists, with these options and this environment", async ({ command }) => {
    const words = command.split("|")[0]?.split("<")[0]?.trim().split(/\s+/).slice(1) ?? [];
    const [name = "", ...parameters] = words;
    const help = await project.run([name, "--help"]);
    expect(help.code, help.stderr).toBe(0);
    for (const option of parameters.filter((word) => word.startsWith("--"))) expect(help.stdout).toContain(option);
    const environment = parameters.find((word) => !word.startsWith("-"));
    if (environment !== undefined && !["size", "pr"].includes(name)) expect(listEnvironments(path.join(root, "stacks"))).toContain(environment);
  });

  it.each(reproducible)("$file: $command prints what the page shows", async ({ command, output }) => {
    const result = await project.run(command.split(/\s+/).slice(1), { env: { LC_ALL: "C.UTF-8", TERM: "xterm" } });
    expect(result.stdout.trimEnd()).toBe(output?.trimEnd());
  });

  it.each(all.filter(({ command }) => /^npm (run|test)/.test(command)))("$file: $command is a script of package.json", ({ command }) => {
    const scripts = (JSON.parse(readFileSync(path.join(root, "package.json"), "utf8")) as { scripts: Record<string, string> }).scripts;
    const name = /^npm run (\S+)/.exec(command)?.[1] ?? "test";
    expect(Object.keys(scripts)).toContain(name);
  });
});
