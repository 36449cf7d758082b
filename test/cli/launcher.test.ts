import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import * as path from "node:path";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ProjectCopy } from "../support/project-copy";

let project: ProjectCopy;

beforeAll(() => {
  project = new ProjectCopy();
});

afterAll(() => project.remove());

/** A server on loopback at a port where nothing listens. */
function labOnClosedPort(): string {
  return readFileSync(path.join(project.folder, "stacks", "Pulumi.dev-test.yaml"), "utf8")
    .replace("name: dev-test", "name: lab")
    .replace("address: 192.0.2.11", "address: 127.0.0.1\n        port: 9");
}

describe("rackwright", () => {
  it("shows help with examples and exit codes, and is well", async () => {
    const main = await project.run(["--help"]);
    expect(main.code).toBe(0);
    expect(main.stdout).toContain("Exit codes:");
    for (const command of ["plan", "up", "drift", "rehearse", "destroy", "export", "secret", "size", "report"]) {
      expect(main.stdout).toContain(`  ${command} `);
      const help = await project.run([command, "--help"]);
      expect(help.code).toBe(0);
      expect(help.stdout).toMatch(/Examples?:\n {2}rackwright /);
      expect(help.stdout).toContain("--json");
    }
  });

  it.each([
    [["plna"], "plan"],
    [["plan", "--jsno"], "--json"],
    [["plan", "dev-tset"], "Did you mean dev-test?"],
    [["up"], "environment"],
    [["up", "dev-test", "--engine", "terraform"], "must be pulumi or embedded"],
    [["size", "llama-3.1-70", "--gpus", "4xA100-80GB"], "Did you mean llama-3.1-70b?"],
    [["destroy", "dev-test"], "is not up"],
    [["export", "dev-test"], "is not up"],
    [["secret", "dev-test", "sshPrivatKey"], "Did you mean sshPrivateKey?"],
    [["secret", "dev-test", "sshPrivateKey"], "nothing came on stdin"],
  ])("%j is bad input: exit code 2, says %j, no stack trace, nothing on stdout", async (parameters, says) => {
    const result = await project.run(parameters);
    expect(result.stderr).toContain(says);
    expect(result.stderr).not.toMatch(/^\s+at /m);
    expect(result.stdout).toBe("");
    expect(result.code).toBe(2);
  });

  it("leaves a pipe whose reader has seen enough without a complaint", async () => {
    const shell = spawn("sh", ["-c", "./rackwright size llama-3.1-70b --gpus 4xa100-80gb-sxm4 | head -c 1"], { cwd: project.folder });
    const [stdout, stderr] = await Promise.all([text(shell.stdout), text(shell.stderr)]);
    expect(stdout).toBe("L");
    expect(stderr).toBe("");
  });

  it("lists every problem of an environment file at once and creates nothing", async () => {
    project.writeStack("broken", "config:\n  rackwright:environment:\n    site: { name: Broken }\n    servers:\n      gpu-01: { adress: 192.0.2.1, memoryGiB: lots }\n");
    for (const command of ["plan", "up", "drift"]) {
      const result = await project.run([command, "broken"]);
      expect(result.code).toBe(2);
      expect(result.stderr).toContain("stacks/Pulumi.broken.yaml");
      expect(result.stderr).toContain("Did you mean address?");
      expect(result.stderr).toContain("servers.gpu-01.memoryGiB");
      expect(result.stderr).toContain("site.name");
      expect(result.stderr).not.toMatch(/^\s+at /m);
    }
  });

  it("plans to a pipe without colour and as one JSON document", async () => {
    const text = await project.run(["plan", "dev-test"], { env: { FORCE_COLOR: "1" } });
    expect(text.code).toBe(0);
    expect(text.stdout).not.toContain("\u001b");
    expect(text.stdout).toMatch(/^dev-test {2}1 server, 2 GPUs: 103 to create\n/);
    expect(text.stdout).toMatch(/hot +\/srv\/hot +raid0 of 2 nvme +4 TB +lost with any one drive/);

    const json = await project.run(["plan", "dev-test", "--json"]);
    const document = JSON.parse(json.stdout) as { environments: { environment: string; ok: boolean; changes: object; resources: { urn: string }[]; checks: unknown[] }[] };
    expect(document.environments.map(({ environment, ok, changes }) => ({ environment, ok, changes }))).toEqual([{ environment: "dev-test", ok: true, changes: { create: 103 } }]);
    expect(document.environments[0]?.resources.map(({ urn }) => urn)).toContain(
      "urn:pulumi:dev-test::rackwright::rackwright:site:Site$rackwright:servers:Server$rackwright:servers:StorageTier$command:remote:Command::gpu-01-hot",
    );
    expect(json.code).toBe(0);
  });

  it("finds what cannot work: a violated mandatory rule is exit code 1 and named", async () => {
    const yaml = readFileSync(path.join(project.folder, "stacks", "Pulumi.dev-test.yaml"), "utf8");
    project.writeStack("risky", yaml.replace("name: dev-test", "name: risky").replace(/warm:\n( +)level: raid1/, "warm:\n$1level: raid0"));
    const result = await project.run(["plan", "risky"]);
    expect(result.code).toBe(1);
    expect(result.stdout).toMatch(/violation +raid0-hot-tier-nvme-only: servers\.gpu-01\.tiers\.warm/);
  });

  it("says that a passphrase is needed before anything is done", async () => {
    const result = await project.run(["up", "dev-test", "--yes", "--engine", "embedded"]);
    expect(result.code).toBe(2);
    expect(result.stderr).toContain("PULUMI_CONFIG_PASSPHRASE_FILE");
  });

  it("does not change anything where there is nobody to ask", async () => {
    const result = await project.run(["up", "dev-test", "--engine", "embedded"], { env: { PULUMI_CONFIG_PASSPHRASE: "lab" } });
    expect(result.code).toBe(2);
    expect(result.stderr).toContain("--yes");
  });

  it("reports servers that do not answer with exit code 3", async () => {
    project.writeStack("lab", labOnClosedPort());
    const text = await project.run(["drift", "lab"]);
    expect(text.code).toBe(3);
    expect(text.stdout).toMatch(/unreachable {2}gpu-01 \(127\.0\.0\.1:9\)/);
    const json = await project.run(["drift", "lab", "--json"]);
    expect(json.code).toBe(3);
    expect(JSON.parse(json.stdout)).toMatchObject({ environment: "lab", checks: [], unreachable: [{ server: "gpu-01" }] });
  });

  it("names the servers that do not answer before a first up creates anything", async () => {
    project.writeStack("first", labOnClosedPort().replace("name: lab", "name: first"));
    const env = { PULUMI_CONFIG_PASSPHRASE: "lab" };
    const result = await project.run(["up", "first", "--yes", "--engine", "embedded"], { env });
    expect(result.code).toBe(3);
    expect(result.stderr).toContain("nothing was changed:\n  gpu-01 (127.0.0.1:9)");
    expect((await project.run(["export", "first"], { env })).stderr).toContain("is not up");
  });

  it("encrypts a secret into the file, which then asks for the passphrase", async () => {
    project.writeStack("keys", labOnClosedPort().replace("name: lab", "name: keys"));
    const env = { PULUMI_CONFIG_PASSPHRASE: "correct" };
    expect((await project.run(["secret", "keys", "sshPrivateKey"], { env, stdin: "-----BEGIN KEY-----\nnot base64!\n" })).code).toBe(0);
    const file = readFileSync(path.join(project.folder, "stacks", "Pulumi.keys.yaml"), "utf8");
    expect(file).not.toContain("not base64!");
    expect(file).toContain("encryptionsalt: v1:");
    const without = await project.run(["drift", "keys"]);
    expect([without.code, without.stderr]).toEqual([2, expect.stringContaining("PULUMI_CONFIG_PASSPHRASE")]);
    const wrong = await project.run(["drift", "keys"], { env: { PULUMI_CONFIG_PASSPHRASE: "wrong" } });
    expect([wrong.code, wrong.stderr]).toEqual([2, expect.stringContaining("passphrase")]);
    expect((await project.run(["plan", "keys"])).code).toBe(0);
  });
});
