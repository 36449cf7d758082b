import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { rules } from "../../policies/all";
import { ProjectCopy } from "../support/project-copy";

let project: ProjectCopy;
beforeAll(() => {
  project = new ProjectCopy();
});
afterAll(() => project.remove());

/** The example of the folder's README, so that it works as printed. */
const example = /```ts\n(.*?)```/s.exec(readFileSync(join(__dirname, "../../policies/site/README.md"), "utf8"))?.[1] ?? "";

function write(text: string): void {
  const folder = join(project.folder, "policies", "site");
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "own.ts"), text);
}

const plan = async () => {
  const { code, stdout, stderr } = await project.run(["plan", "dev-test"]);
  // Wrapped to the page.
  return { code, said: (stdout + stderr).replace(/\s+/g, " ") };
};

describe("a rule of the site's own", () => {
  it("is loaded from its folder, stops a plan and is counted", async () => {
    write(example);
    const { code, said } = await plan();
    expect(said).toContain("servers.gpu-01.rack: the server has no rack");
    expect(said).toContain(`${rules.length + 1} rules: 1 violated`);
    expect(code).not.toBe(0);
  });

  it.each([
    ["a name that is taken", example.replace("site-servers-in-a-rack", "server-power"), "there is another rule called server-power"],
    ["a file without a rule", "export const nothing = 1;\n", "policies/site/own.ts exports no rule"],
  ])("is refused for %s, with the file's name", async (_fault, text, says) => {
    write(text);
    const { code, said } = await plan();
    expect(said).toContain(says);
    expect(code).not.toBe(0);
  });
});
