import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import * as path from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { stringify } from "yaml";
import { formatProblems, listEnvironments, loadStackFile, loadStackText, parseEnvironment, SECRETS, type Problem } from "../../components/environment";
import { generatedEnvironment } from "../support/environments";

const environment = generatedEnvironment(1);
const stackText = (rest: object = {}, config: object = {}): string => stringify({ config: { "rackwright:environment": environment, ...config }, ...rest }, { lineWidth: 0 });

const containing = (text: string): unknown => expect.stringContaining(text);
const anyNumber: unknown = expect.any(Number);

function problems(text: string): Problem[] {
  const loaded = loadStackText("lab", text);
  return loaded.ok ? [] : loaded.problems;
}

describe("a stack file", () => {
  it("gives the environment, and its configuration as Pulumi hands it to the program", () => {
    const loaded = loadStackText("lab", stackText({ encryptionsalt: "v1:abc=:v1:def" }, { [SECRETS.sshPrivateKey]: { secure: "v1:nonce:ciphertext" }, "pulumi:disable-default-providers": ["aws"], "command:parallel": 4, "kubernetes:quiet": true }));
    const parsed = parseEnvironment(environment);
    if (!loaded.ok || !parsed.ok) throw new Error("must be accepted");
    expect(loaded.environment).toEqual(parsed.environment);
    expect(loaded.stack).toBe("lab");
    expect(loaded.encryptionSalt).toBe("v1:abc=:v1:def");
    expect(loaded.secureKeys).toEqual(["rackwright:sshPrivateKey"]);
    const { "rackwright:environment": text, ...others } = loaded.config;
    expect(others).toEqual({ "rackwright:sshPrivateKey": "v1:nonce:ciphertext", "pulumi:disable-default-providers": '["aws"]', "command:parallel": "4", "kubernetes:quiet": "true" });
    expect(JSON.parse(text ?? "")).toEqual(environment);
  });

  it("writes JSON as `pulumi config get` of Pulumi 3.260.0 printed it for the same file", () => {
    const loaded = loadStackText("lab", `${stackText()}  command:a: 1e3\n  command:c: { z: 1.50, a: null, m: [1, 0x1F, 0o17, .5, "x<y"], t: 1e21 }\n  command:d: 3.0\n  command:e: yes\n`);
    if (!loaded.ok) throw new Error("must be accepted");
    const { "rackwright:environment": _environment, ...config } = loaded.config;
    expect(config).toEqual({ "command:a": "1000", "command:c": '{"a":null,"m":[1,31,15,0.5,"x\\u003cy"],"t":1e+21,"z":1.5}', "command:d": "3", "command:e": "yes" });
  });

  it("keeps servers in Pulumi's order, whatever the order in the file", () => {
    const input = generatedEnvironment(3);
    const reversed = { ...input, servers: Object.fromEntries(Object.entries(input.servers).reverse()) };
    const loaded = loadStackText("lab", stringify({ config: { "rackwright:environment": reversed } }, { lineWidth: 0 }));
    expect(loaded.ok && Object.keys(loaded.environment.servers)).toEqual(["gpu-0001", "gpu-0002", "gpu-0003"]);
  });

  it("reads anchors and merge keys, as Pulumi does", () => {
    const loaded = loadStackText("lab", stackText().concat("  command:a: &a { x: 1 }\n  command:b: { <<: *a, y: 2 }\n"));
    expect(loaded).toMatchObject({ ok: true, config: { "command:b": '{"x":1,"y":2}' } });
  });

  it("leaves nothing of the secret in the message when it stands in plain text", () => {
    const found = problems(stackText({}, { [SECRETS.objectStoreSecretAccessKey]: "hunter2" }));
    expect(found).toMatchObject([{ path: "config.rackwright:objectStoreSecretAccessKey", message: "is a secret in plain text" }]);
    expect(formatProblems("f", found)).not.toContain("hunter2");
    expect(formatProblems("f", found)).toContain("pulumi config set --secret rackwright:objectStoreSecretAccessKey");
  });

  it.each([
    ["rackwright:enviroment", "Did you mean rackwright:environment?"],
    ["rackwrite:environment", "Did you mean rackwright:environment?"],
    ["environment", "Did you mean rackwright:environment?"],
    ["rackwright:config:environment", "Write rackwright:environment."],
    ["aws:region", "Remove it."],
  ])("refuses the configuration key %s", (key, fix) => {
    expect(problems(stackText({}, { [key]: "x" }))).toMatchObject([{ fix, line: anyNumber }]);
  });

  it("refuses an encrypted environment, and Pulumi's cloud environments", () => {
    expect(problems(stringify({ config: { "rackwright:environment": { secure: "v1:x" } } }))[0]).toMatchObject({ message: containing("is encrypted") });
    expect(problems(stackText({ environment: ["prod"] }))).toMatchObject([{ path: "environment", message: containing("Pulumi ESC") }]);
  });

  it("refuses keys that a stack file does not have", () => {
    expect(problems(stackText({ confg: {} }))).toMatchObject([{ path: "confg", fix: "Did you mean config?" }]);
    expect(problems(stringify({ "rackwright:environment": environment }))).toEqual(expect.arrayContaining([expect.objectContaining({ fix: "Put it under config." })]));
  });

  it("wants an environment", () => {
    for (const text of ["config: {}", "{}", "encryptionsalt: v1:x"]) expect(problems(text)).toMatchObject([{ message: "is required" }]);
    for (const text of ["", "[]", "text", "null"]) expect(problems(text)).toMatchObject([{ path: "file", message: "must be a mapping with the key config" }]);
  });

  it("names line and column of what is wrong, and the path inside the environment", () => {
    const text = ["config:", "  rackwright:environment:", "    site: { name: lab, curency: CNY }", "    servers:", "      gpu-01:", "        memoryGiB: -1"].join("\n");
    const found = problems(text);
    expect(found).toEqual(expect.arrayContaining([
      expect.objectContaining({ path: "site.curency", line: 3, column: 24 }),
      expect.objectContaining({ path: "servers.gpu-01.memoryGiB", line: 6, column: 9 }),
      // What is missing is shown where it is missing from.
      expect.objectContaining({ path: "servers.gpu-01.address", line: 5, column: 7 }),
    ]));
    expect(formatProblems("stacks/Pulumi.lab.yaml", found)).toContain("stacks/Pulumi.lab.yaml:6:9: servers.gpu-01.memoryGiB is too small, got -1; allowed: a number above 0");
  });
});

describe("YAML that is not well formed", () => {
  it.each([
    ["a tab", "config:\n\trackwright:environment: {}", 2],
    ["a bracket left open", "config: { a: [1, 2", 1],
    ["a second document", "config: {}\n---\nconfig: {}", 2],
    ["an anchor that is not there", "config: *nowhere", 1],
    ["an unknown tag", "config: !secret x", 1],
  ])("%s", (_name, text, line) => {
    expect(problems(text)).toEqual(expect.arrayContaining([expect.objectContaining({ path: "file", line, column: anyNumber })]));
  });

  it("a key twice in one mapping", () => {
    expect(problems("config:\n  rackwright:environment: {}\n  rackwright:environment: {}\n")).toMatchObject([{ message: "has the same key twice in one mapping", line: 3, column: 3 }]);
  });

  it("aliases that multiply without end", () => {
    const levels = Array.from({ length: 12 }, (_, level) => `a${level}: &a${level} [${Array.from({ length: 12 }, () => (level === 0 ? "x" : `*a${level - 1}`)).join(", ")}]`);
    expect(problems(levels.join("\n"))).toMatchObject([{ path: "file", message: containing("is not valid YAML") }]);
  });

  it.each(["022", "1_000", "2026-11-23", "0b101"])("%s, which Pulumi reads in another way, unless it is in quotes", (scalar) => {
    const withPort = (value: string): string => stackText().replace("user: ops", `user: ops\n      port: ${value}`);
    expect(problems(withPort(scalar))).toMatchObject([{ path: "file", message: "holds a value that YAML parsers read in different ways", value: scalar }]);
    expect(problems(withPort(`"${scalar}"`))).toMatchObject([{ path: "ssh.port", message: "is of the wrong kind" }]);
  });
});

describe("files", () => {
  let folder = "";
  beforeAll(() => {
    folder = mkdtempSync(path.join(tmpdir(), "rackwright-load-"));
    writeFileSync(path.join(folder, "Pulumi.lab.yaml"), stackText());
    writeFileSync(path.join(folder, "Pulumi.latin.yaml"), Buffer.from([0x63, 0xe9]));
    writeFileSync(path.join(folder, "notes.yaml"), "");
    mkdirSync(path.join(folder, "Pulumi.folder.yaml"));
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  it("are read by name", () => {
    expect(loadStackFile(path.join(folder, "Pulumi.lab.yaml"))).toMatchObject({ ok: true, stack: "lab" });
  });

  it.each([
    ["Pulumi.gone.yaml", "does not exist"], ["Pulumi.folder.yaml", "is a folder"], ["Pulumi.latin.yaml", "is not UTF-8 text"], ["notes.yaml", "must be named Pulumi.<environment>.yaml"],
  ])("%s: %s", (file, message) => {
    expect(loadStackFile(path.join(folder, file))).toMatchObject({ ok: false, problems: [{ path: "file", message }] });
  });

  it("are listed in order, without others and without a folder", () => {
    expect(listEnvironments(folder)).toEqual(["folder", "lab", "latin"]);
    expect(listEnvironments(path.join(folder, "nowhere"))).toEqual([]);
  });
});

describe("an environment in a file of its own", () => {
  const fileText = "site: { name: lab }\nservers: {}\n";
  const namesFile = "config:\n  rackwright:environmentFile: lab.environment.yaml\n";
  let folder: string;

  beforeEach(() => {
    folder = mkdtempSync(path.join(tmpdir(), "rackwright-stacks-"));
    writeFileSync(path.join(folder, "lab.environment.yaml"), fileText);
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  it("is read from beside the stack file, and its name is what Pulumi hands over", () => {
    const loaded = loadStackText("lab", namesFile, folder);
    expect(loaded.ok ? [loaded.environment.site.name, loaded.config] : loaded.problems).toEqual(["lab", { "rackwright:environmentFile": "lab.environment.yaml" }]);
  });

  it("reports problems with that file's name and place", () => {
    writeFileSync(path.join(folder, "lab.environment.yaml"), "site: { name: lab }\nservers: {}\nserivces: {}\n");
    const loaded = loadStackText("lab", namesFile, folder);
    const text = loaded.ok ? "" : formatProblems("stacks/Pulumi.lab.yaml", loaded.problems);
    expect(text).toMatch(/^rackwright-stacks-\w+\/lab\.environment\.yaml:3:1: serivces .*Did you mean services\?/);
  });

  it.each([
    ["a file that is not there", "config:\n  rackwright:environmentFile: other.yaml\n", "does not exist"],
    ["a file outside the folder", "config:\n  rackwright:environmentFile: ../lab.environment.yaml\n", "must be a file below"],
    ["an absolute path", "config:\n  rackwright:environmentFile: /etc/lab.yaml\n", "must be a file below"],
    ["both at once", `${namesFile}  rackwright:environment: { site: { name: lab }, servers: {} }\n`, "cannot stand beside rackwright:environment"],
  ])("refuses %s", (_what, text, says) => {
    const loaded = loadStackText("lab", text, folder);
    expect(loaded.ok ? "" : formatProblems("stacks/Pulumi.lab.yaml", loaded.problems)).toContain(says);
  });

  it("is asked for when configuration would be larger than Linux lets through", () => {
    const config = { config: { "rackwright:environment": generatedEnvironment(200) } };
    const loaded = loadStackText("lab", JSON.stringify(config), folder);
    const text = loaded.ok ? "" : formatProblems("stacks/Pulumi.lab.yaml", loaded.problems);
    expect(text).toMatch(/config takes \d+ KiB.*allowed: 120 KiB\. Move what is under rackwright:environment to a file.*rackwright:environmentFile/);
  });
});
