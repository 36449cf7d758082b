import { appendFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { stringify } from "yaml";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { verifySet, type VerifiedSet } from "../../components/recovery/cold-start/verify";
import { full } from "../support/full";
import { ProjectCopy, type CommandResult } from "../support/project-copy";
import { ColdStartSite, passphrase, type Moment, type Started } from "./cold-start-site";

const env = { PULUMI_CONFIG_PASSPHRASE: passphrase };
let project: ProjectCopy;
let cold: string;
let set: string;

beforeAll(async () => {
  project = new ProjectCopy();
  // A site of no servers yet: what is saved is the project and the environment, which takes no SSH.
  project.writeStack("empty", stringify({ config: { "rackwright:environment": { site: { name: "empty" }, servers: {}, cluster: { distribution: "none", controlPlane: [] }, monitoring: { enabled: false } } } }));
  cold = mkdtempSync(join(tmpdir(), "rackwright-cold-"));
  const saved = await project.run(["cold-start", "empty", "--save", cold, "--json"], { env });
  expect(saved.code, saved.stderr).toBe(1);
  set = (JSON.parse(saved.stdout) as { folder: string }).folder;
}, 120_000);
afterAll(() => {
  project.remove();
  rmSync(cold, { recursive: true, force: true });
});

describe("rackwright cold-start", { timeout: 120_000 }, () => {
  it("saves into a folder that is there, says what is missing and why, and verifies what it saved", async () => {
    expect(readdirSync(join(cold, "empty")).filter((name) => !name.startsWith("."))).toHaveLength(1);
    expect(existsSync(join(set, "project.tar.gz"))).toBe(true);
    const verified = await project.run(["cold-start", "empty", "--verify", cold], { env });
    expect(verified.code, verified.stderr).toBe(1);
    expect(verified.stdout).toMatch(/is what was saved at .*, signed by SHA256:/);
    // The copy of the project that tests use shares its packages by a link.
    expect(verified.stdout).toMatch(/project +node_modules +it is a link/);
    expect(verified.stdout).toMatch(/state +state +the environment is not up/);
  });

  it.each([
    [["cold-start", "empty"], "say one of --save PLACE, --verify PLACE and --from PLACE"],
    [["cold-start", "empty", "--save", "/tmp", "--verify", "/tmp"], "say one of --save PLACE"],
    [["cold-start", "empty", "--save", "/no/such/tier"], "there is no such folder. It is not made: where the cold tier is not mounted"],
    [["cold-start", "empty", "--verify", "/proc/self/fd"], "there is no set of empty"],
    [["cold-start", "empty", "--from", "COLD", "--without", "gpus"], "--without gpus: must be one of project, state, package, host-key, k3s, image, manifest, data"],
    [["cold-start", "empty", "--from", "COLD", "--host-key", "gpu-01"], "--host-key gpu-01: must be NAME=KEY"],
    [["cold-start", "empty", "--from", "COLD", "--server", "gpu-01"], "empty has no server gpu-01"],
    [["cold-start", "emty", "--save", "/tmp"], "Did you mean empty?"],
  ])("%j ends with 2 and says what to do", async (words, message) => {
    const ran = await project.run(words.map((word) => (word === "COLD" ? cold : word)), { env });
    expect([ran.code, ran.stdout]).toEqual([2, ""]);
    expect(ran.stderr).toContain(message);
    expect(ran.stderr).not.toMatch(/^ +at /m);
  });

  it("asks for the passphrase, and refuses a wrong one", async () => {
    const without = await project.run(["cold-start", "empty", "--verify", cold]);
    expect([without.code, without.stderr]).toEqual([2, expect.stringContaining("so a passphrase is needed")]);
    const wrong = await project.run(["cold-start", "empty", "--verify", cold], { env: { PULUMI_CONFIG_PASSPHRASE: "wrong" } });
    expect([wrong.code, wrong.stderr]).toEqual([2, expect.stringContaining("give the one that the set was saved under")]);
  });

  it("puts the environment's file back where there is none, and goes by the one that is there", async () => {
    const file = join(project.folder, "stacks/Pulumi.empty.yaml");
    const saved = readFileSync(file);
    rmSync(file);
    const back = await project.run(["cold-start", "empty", "--from", cold, "--without", "state"], { env });
    expect(back.stderr).toContain("stacks/Pulumi.empty.yaml was put back from the set.");
    expect(readFileSync(file)).toEqual(saved);
    appendFileSync(file, "# changed since\n");
    const other = await project.run(["cold-start", "empty", "--from", cold, "--without", "state"], { env });
    expect(other.stderr).toContain("the one here is gone by");
    expect(readFileSync(file, "utf8")).toContain("# changed since");
  });

  it("refuses a set that was changed, with exit code 1 and every file", async () => {
    appendFileSync(join(set, "environment.yaml"), "#");
    rmSync(join(set, "start.sh"));
    mkdirSync(join(set, "more"));
    const ran = await project.run(["cold-start", "empty", "--from", cold], { env });
    expect(ran.code).toBe(1);
    expect(ran.stderr).toMatch(/environment\.yaml has \d+ bytes, \d+ were saved[\s\S]*start\.sh is missing[\s\S]*Nothing was changed/);
  });
});

describe("killed at any moment and started again", { timeout: full ? 5_400_000 : 600_000 }, () => {
  let site: ColdStartSite;
  let before: ReturnType<ColdStartSite["whatIsThere"]>;
  beforeAll(async () => {
    site = await ColdStartSite.start();
    const { code, stderr } = await site.run(["up", "here", "--yes"]);
    expect(code, stderr).toBe(0);
    before = site.whatIsThere();
  }, 300_000);
  afterAll(() => site.stop());

  const sets = (): string[] => readdirSync(join(site.coldTier, "here")).sort();
  const verified = (name: string): Promise<VerifiedSet> => verifySet(join(site.coldTier, "here", name), "here", passphrase);
  /** Each moment in its turn, until a start has none left; in the short form a few, and then a start that is left alone. */
  async function killEverywhere(few: readonly string[], start: (moment?: Moment) => Promise<Started>, wanted: number, after: () => Promise<void>): Promise<number> {
    for (let index = 0; ; index++) {
      const of = few[index];
      const ran = await start(full ? { nth: index + 1 } : of === undefined ? undefined : { nth: 1, of });
      if (!ran.killed) {
        expect([ran.code, full ? index : few.length], `moment ${index + 1}: ${ran.stderr}`).toEqual([wanted, index]);
        return index;
      }
      await after();
    }
  }

  it("--save leaves the earlier set as it was, no half of one under a name, and ends in a whole set", async () => {
    expect((await site.save()).code).toBe(1);
    const first = sets().at(-1) ?? "";
    const earlier = await verified(first);
    const kills = await killEverywhere(["^half of .*host-keys", "^piece", "^rename .*unfinished"], (moment) => site.save(moment), 1, async () => {
      const named = sets().filter((name) => !name.startsWith("."));
      // A start that is killed when its set is whole leaves one more; three are kept.
      expect(named.includes(first) || named.length >= 3, sets().join(", ")).toBe(true);
      for (const name of named) await verified(name);
    });
    process.stderr.write(`--save was killed ${kills} times\n`);
    const names = sets();
    expect(names.filter((name) => name.startsWith("."))).toEqual([]);
    const parts = ({ inventory }: VerifiedSet): unknown => [inventory.files.map(({ path, bytes, sha256 }) => (/sealed|tar\.gz$|state\.json$/.test(path) ? path : [path, bytes, sha256])), inventory.gaps, inventory.servers];
    expect(parts(await verified(names.at(-1) ?? ""))).toEqual(parts(earlier));
    expect(site.whatIsThere()).toEqual(before);
  });

  it("--from ends in the same server, the same state and nothing beside them", async () => {
    await site.destroy();
    const kills = await killEverywhere(["^ssh sftp", "storage-tier.sh apply .*-warm", "^renameSync .*state/here.json.new"], (moment) => site.rebuild(moment), 0, () => Promise.resolve());
    process.stderr.write(`--from was killed ${kills} times\n`);
    // On the old server one package was there before its steps asked for it; on a blank one it has to come from the set.
    expect(site.whatIsThere()).toEqual({ ...before, packages: before["packages"]?.replace("mdadm_", "linux-headers-test_1.0-1_all.deb mdadm_") });
  });
});

describe("sets on a tier of another server", { timeout: 600_000 }, () => {
  const place = "store-01:warm";
  let site: ColdStartSite;
  let home: string;
  beforeAll(async () => {
    site = await ColdStartSite.start({ store: true });
    home = join(site.store?.folder ?? "", "tiers/rackwright/here");
    const { code, stderr } = await site.run(["up", "here", "--yes"]);
    expect(code, stderr).toBe(0);
  }, 300_000);
  afterAll(() => site.stop());

  /** What of sets lies in the project. */
  const broughtHere = (): string[] => ["outgoing", "brought"].flatMap((name) => (existsSync(join(site.project.folder, ".rackwright/cold-start", name)) ? readdirSync(join(site.project.folder, ".rackwright/cold-start", name)) : []));

  it.each([
    ["store-02:warm", "here has no server store-02. Did you mean store-01?"],
    ["store-01:hot", "a hot tier is lost with any one drive"],
    ["store-01:cold", "store-01 has no tier cold. It has: hot, warm."],
    ["store-01:warm/newest", "newest is no name of a set"],
  ])("refuse %s", async (word, message) => {
    const ran = await site.run(["cold-start", "here", "--save", word]);
    expect([ran.code, ran.stderr]).toEqual([2, expect.stringContaining(message) as string]);
  });

  it("are not put where the tier is not mounted", async () => {
    writeFileSync(site.store?.path("not-mounted") ?? "", "");
    const ran = await site.save(undefined, place);
    rmSync(site.store?.path("not-mounted") ?? "");
    expect([ran.code, ran.stderr]).toEqual([1, expect.stringContaining("is not mounted: a set would land on the system's drive") as string]);
    expect(existsSync(home)).toBe(false);
  });

  it("come there whole by SSH, killed or not, signed by one key; they are verified and rebuilt from, and none of it stays here", async () => {
    const fingerprintOf = (saved: CommandResult): string | undefined => /Signed by (\S+)\./.exec(saved.stdout)?.[1];
    const first = await site.save(undefined, place);
    expect(first.code, first.stderr).toBe(1);
    const whole = readdirSync(home);
    expect(whole).toHaveLength(1);
    // In the middle of what is sent.
    expect((await site.save({ nth: 8, of: "^64 KiB sent" }, place)).killed).toBe(true);
    expect(readdirSync(home).filter((name) => !name.startsWith("."))).toEqual(whole);
    const second = await site.save(undefined, place);
    expect(second.code, second.stderr).toBe(1);
    expect([readdirSync(home).length, fingerprintOf(second)]).toEqual([2, fingerprintOf(first)]);
    for (const name of readdirSync(home)) await verifySet(join(home, name), "here", passphrase);
    expect(broughtHere()).toEqual([]);

    const verified = await site.run(["cold-start", "here", "--verify", `${place}/${whole[0] ?? ""}`]);
    expect([verified.code, verified.stdout], verified.stderr).toEqual([1, expect.stringContaining("is what was saved at") as string]);
    expect(broughtHere()).toEqual([]);
    const none = await site.run(["cold-start", "here", "--verify", `${place}/2020-01-01T00-00-00Z`]);
    expect([none.code, none.stderr]).toEqual([2, expect.stringMatching(/store-01 has no set 2020-01-01T00-00-00Z in .*It has: 20/) as string]);

    await site.destroy();
    // In the middle of what is brought here.
    expect((await site.rebuild({ nth: 20, of: "^64 KiB sent" }, place)).killed).toBe(true);
    const rebuilt = await site.rebuild(undefined, place);
    expect(rebuilt.code, rebuilt.stderr).toBe(0);
    expect(readFileSync(site.machine.path("tiers/kept/weights.bin"))).toEqual(Buffer.alloc(300_000, 3));
    expect(broughtHere()).toEqual([]);
  });
});
