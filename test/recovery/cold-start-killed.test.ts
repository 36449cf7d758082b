import { mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { stringify } from "yaml";
import { afterAll, expect, it } from "vitest";
import { verifySet } from "../../components/recovery/cold-start/verify";
import { ProjectCopy, type CommandResult } from "../support/project-copy";
import { passphrase } from "./cold-start-site";

const coldTier = mkdtempSync(join(tmpdir(), "rackwright-killed-"));
const project = new ProjectCopy();
afterAll(() => {
  project.remove();
  rmSync(coldTier, { recursive: true, force: true });
});

// A sample, of a site without servers: cold-start-cli.test.ts kills at every moment, with a server, and rebuilds as well.
it("--save that is killed leaves whole sets and no half of one under a name, and is started again", async () => {
  project.writeStack("empty", stringify({ config: { "rackwright:environment": { site: { name: "empty" }, servers: {}, cluster: { distribution: "none", controlPlane: [] }, monitoring: { enabled: false } } } }));
  mkdirSync(join(coldTier, "empty"));
  const save = (killOn?: string): Promise<CommandResult> => project.run(["cold-start", "empty", "--save", coldTier], { env: { PULUMI_CONFIG_PASSPHRASE: passphrase, ...(killOn === undefined ? {} : { NODE_OPTIONS: `--require ${join(__dirname, "kill-at.cjs")}`, KILL_BELOW: coldTier, KILL_AT: "1", KILL_ON: killOn }) } });
  const sets = (): string[] => readdirSync(join(coldTier, "empty")).filter((name) => !name.startsWith("."));
  for (const moment of ["^half of .*environment.yaml", "^rename .*unfinished"]) {
    expect((await save(moment)).signal).toBe("SIGKILL");
    expect(sets()).toEqual([]);
  }
  const { code, stderr } = await save();
  expect(code, stderr).toBe(1);
  expect(readdirSync(join(coldTier, "empty"))).toEqual(sets());
  await verifySet(join(coldTier, "empty", sets()[0] ?? ""), "empty", passphrase);
}, 120_000);
