import { existsSync, lstatSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { CliError } from "../../../cli/exit";
import { replaceFile, writableFile } from "../../../cli/replace-file";
import type { ReportData } from "../../../cli/report/data/report-data";
import { ProjectCopy } from "../../support/project-copy";

let project: ProjectCopy;
let folder: string;
beforeAll(() => {
  project = new ProjectCopy();
});
afterAll(() => project.remove());
beforeEach(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), "rackwright-report-")));
  return () => rmSync(folder, { recursive: true, force: true });
});

describe("rackwright report", () => {
  test("writes one page and nothing beside it, says what to open, and replaces what was there", { timeout: 180_000 }, async () => {
    const file = join(folder, "report.html");
    writeFileSync(file, "an older report");
    const result = await project.run(["report", "dev-test", "--out", file]);
    expect(result.code).toBe(0);
    expect(result.stdout).toMatch(/report\.html: \d+ KiB, .*Open it in a browser/);
    expect(result.stdout.split("\n")).toHaveLength(2);
    expect(readdirSync(folder)).toEqual(["report.html"]);
    const page = readFileSync(file, "utf8");
    expect([page.startsWith("<!doctype html>\n"), page.endsWith("</html>\n"), page.includes("gpu-with-ecc")]).toEqual([true, true, true]);
  });

  test("writes the page of an environment that breaks a rule, which says so, exits 1, and knows no secret", { timeout: 180_000 }, async () => {
    const file = join(folder, "slow.html");
    const secret = "v1:AAAAAAAAAAAAAAAA:c2VjcmV0c2VjcmV0";
    const broken = readFileSync(join(project.folder, "stacks", "Pulumi.dev-test.yaml"), "utf8").replace("name: dev-test", "name: slow").replace("maxPowerWatts: 1600", "maxPowerWatts: 900");
    project.writeStack("slow", `${broken}  rackwright:sshPrivateKey:\n    secure: ${secret}\n`);
    const result = await project.run(["report", "slow", "--out", file, "--json"]);
    expect(result.code).toBe(1);
    const told = JSON.parse(result.stdout) as { file: string; bytes: number; ok: boolean; report: ReportData };
    const page = readFileSync(file, "utf8");
    expect({ ...told, report: told.report.rules.violated.rows[0] }).toEqual({ file, bytes: Buffer.byteLength(page), ok: false, report: ["server-power", { mark: "bad", text: "violated" }, expect.stringContaining("maxPowerWatts") as string] });
    expect([page.includes("A mandatory rule is violated"), page.includes(secret), page.includes("[secret]"), result.stdout.includes(secret)]).toEqual([true, false, false, false]);
  });

  test("writes the page to the standard output, and nothing else there", { timeout: 180_000 }, async () => {
    const result = await project.run(["report", "edge", "--out", "-"]);
    expect([result.code, result.stdout.startsWith("<!doctype html>\n"), result.stdout.endsWith("</html>\n")]).toEqual([0, true, true]);
  });

  test.each<[string[], RegExp]>([
    [["report", "dev-test"], /required option '--out <file>'/],
    [["report", "dev-tset", "--out", "-"], /Did you mean dev-test\?/],
    [["report", "dev-test", "--out", tmpdir()], /is a folder\. Name a file in it/],
    [["report", "dev-test", "--out", "/dev/null"], /is no ordinary file and is not replaced/],
    [["report", "dev-test", "--out", "/nowhere/at/all.html"], /there is no folder \/nowhere\/at/],
    [["report", "dev-test", "--out", "-", "--json"], /the standard output gets the page/],
  ])("%j is bad input, and nothing is planned or written", async (parameters, says) => {
    const result = await project.run(parameters);
    expect(result.stderr).toMatch(says);
    expect(result.stderr).not.toMatch(/^\s+at /m);
    expect([result.code, result.stdout]).toEqual([2, ""]);
  });
});

describe("a file that is replaced as a whole", () => {
  test("has the new text, and the folder nothing else", () => {
    const file = join(folder, "page.html");
    replaceFile("--out", writableFile("--out", file), "one");
    replaceFile("--out", writableFile("--out", file), "two");
    expect([readFileSync(file, "utf8"), readdirSync(folder)]).toEqual(["two", ["page.html"]]);
  });

  test("is the one that a link leads to; the link stays", () => {
    const file = join(folder, "page.html");
    writeFileSync(file, "one");
    symlinkSync(file, join(folder, "link.html"));
    replaceFile("--out", writableFile("--out", join(folder, "link.html")), "two");
    expect([readFileSync(file, "utf8"), lstatSync(join(folder, "link.html")).isSymbolicLink()]).toEqual(["two", true]);
  });

  test("stays as it was where the new one cannot be put in its place, and leaves nothing beside it", () => {
    const file = join(folder, "page.html");
    mkdirSync(file);
    writeFileSync(join(file, "inside"), "one");
    expect(() => replaceFile("--out", file, "two")).toThrow(CliError);
    expect([readFileSync(join(file, "inside"), "utf8"), readdirSync(folder)]).toEqual(["one", ["page.html"]]);
    rmSync(folder, { recursive: true });
    expect(() => replaceFile("--out", file, "two")).toThrow(/--out: .*page\.html cannot be written \(ENOENT\)/);
    expect(existsSync(folder)).toBe(false);
  });
});
