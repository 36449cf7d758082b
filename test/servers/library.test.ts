import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { withLibrary } from "./host-script";

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "rackwright-library-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** JSON strings that the scripts make of these texts. */
function encoded(texts: readonly (string | Buffer)[]): unknown[] {
  const run = withLibrary('printf "["; first=yes; for text in "$@"; do [[ $first == yes ]] || printf ,; first=no; json_string "$text"; done; printf "]"', texts);
  expect(run.stderr).toBe("");
  return JSON.parse(run.stdout) as unknown[];
}

describe("JSON of the host scripts", () => {
  it("says exactly what was said", () => {
    const texts = ["", "plain", 'a "quoted" word', "back\\slash \\n", "tab\tline\nreturn\r", "\u0001\u001b[31m\u007f", "漢字 é 🙂", "trailing newline\n", "$(id) `id` ${HOME} %s %n"];
    expect(encoded(texts)).toEqual(texts);
  });

  it("says exactly what was said, for any text", () => {
    const text = fc.string({ unit: "binary", maxLength: 30 }).map((value) => Buffer.from(value.replaceAll("\0", "")).toString("utf8"));
    fc.assert(
      fc.property(fc.array(text, { minLength: 1, maxLength: 40 }), (texts) => {
        expect(encoded(texts)).toEqual(texts);
      }),
      { numRuns: 10 },
    );
  });

  it("drops bytes that are no text, as labels of drives may hold", () => {
    expect(encoded([Buffer.from([0x61, 0xff, 0xfe, 0x62]), Buffer.from([0xc3, 0x28])])).toEqual(["ab", "("]);
  });

  it("makes one document of findings and of changes", () => {
    const check = withLibrary('STEP=s; finding one "a \\"b\\"" true; finding two "c" false; report_check');
    expect(check.code).toBe(1);
    expect(JSON.parse(check.stdout)).toEqual({ step: "s", ok: false, findings: [{ id: "one", message: 'a "b"', mendable: true }, { id: "two", message: "c", mendable: false }] });
    const well = withLibrary("STEP=s; report_check");
    expect([well.code, well.stdout]).toEqual([0, '{"step":"s","ok":true,"findings":[]}\n']);
    const applied = withLibrary('STEP=s; changed "made a"; changed "made b"; REBOOT_REQUIRED=true; report_apply');
    expect([applied.code, applied.stdout]).toEqual([0, '{"step":"s","changed":["made a","made b"],"rebootRequired":true}\n']);
  });

  it("keeps what a command prints out of the document", () => {
    const run = withLibrary("run echo chatter; report_apply");
    expect(JSON.parse(run.stdout)).toMatchObject({ changed: [] });
    expect(run.stderr).toContain("chatter");
  });

  it("reports a command that fails unexpectedly, with its line, and ends with 4", () => {
    const run = withLibrary("step() { false; }; step; echo not reached");
    expect([run.code, run.stdout]).toEqual([4, ""]);
    expect(run.stderr).toMatch(/failed: line \d+: `false` ended with status 1; running apply again is safe/);
  });
});

describe("a line of ours in a file of others", () => {
  const before = "# <file system>\nUUID=root / ext4 defaults 0 1\n";
  const set = (file: string, line: string): number | null => withLibrary(`set_marked_line ${file} "rackwright: tier hot" " xfs " "${line}" || exit 9`).code;

  function prepared(name: string, content: string): string {
    const file = join(folder, name);
    writeFileSync(file, content, { mode: 0o640 });
    return file;
  }

  it("is appended once, and everything else stays as it was", () => {
    const file = prepared("append", before);
    expect(set(file, "UUID=1 /srv/hot xfs x 0 0")).toBe(0);
    expect(readFileSync(file, "utf8")).toBe(`${before}# rackwright: tier hot\nUUID=1 /srv/hot xfs x 0 0\n`);
    expect(set(file, "UUID=1 /srv/hot xfs x 0 0")).toBe(9);
    expect(readFileSync(file, "utf8")).toBe(`${before}# rackwright: tier hot\nUUID=1 /srv/hot xfs x 0 0\n`);
    expect(statSync(file).mode & 0o777).toBe(0o640);
  });

  it("is replaced, wherever it stands", () => {
    const file = prepared("replace", `# rackwright: tier hot\nUUID=1 /srv/hot xfs x 0 0\n${before}`);
    expect(set(file, "UUID=2 /srv/hot xfs x 0 0")).toBe(0);
    expect(readFileSync(file, "utf8")).toBe(`${before}# rackwright: tier hot\nUUID=2 /srv/hot xfs x 0 0\n`);
  });

  it("does not take a neighbour with it when somebody removed our line and left the comment", () => {
    const file = prepared("neighbour", `# rackwright: tier hot\n${before}`);
    expect(set(file, "UUID=2 /srv/hot xfs x 0 0")).toBe(0);
    expect(readFileSync(file, "utf8")).toBe(`${before}# rackwright: tier hot\nUUID=2 /srv/hot xfs x 0 0\n`);
  });

  it("does not touch lines of another tier", () => {
    const other = "# rackwright: tier cold\nUUID=9 /srv/cold xfs x 0 0\n";
    const file = prepared("other", before + other);
    expect(set(file, "UUID=2 /srv/hot xfs x 0 0")).toBe(0);
    expect(readFileSync(file, "utf8")).toContain(before + other);
  });

  it("makes the file where there was none", () => {
    const file = join(folder, "new");
    expect(set(file, "UUID=1 /srv/hot xfs x 0 0")).toBe(0);
    expect(readFileSync(file, "utf8")).toBe("# rackwright: tier hot\nUUID=1 /srv/hot xfs x 0 0\n");
  });
});
