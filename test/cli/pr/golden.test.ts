import { readFileSync, writeFileSync } from "node:fs";
import * as path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { renderComment } from "../../../cli/pr/comment";
import { Repository } from "../../../cli/pr/git";
import { reviewPullRequest, type PullRequest } from "../../../cli/pr/pull-request";
import { blocks } from "../../../cli/pr/review";
import { gpuServer, labEnvironment, plansOnce, StackRepository, stackText } from "./fixture";
import { faults } from "./inert";

const file = "stacks/Pulumi.lab.yaml";
const salt = "v1:AAAAAAAAAAA=:v1:BBBBBBBBBBBBBBBB:CCCCCCCCCCCCCCCCCCCCCCCCCCCC";
const secrets = { sshPrivateKey: "v1:1111111111111111:plantedciphertextone", inferenceApiKey: "v1:2222222222222222:plantedciphertexttwo" };
const text = (environment: ReturnType<typeof labEnvironment>, own = secrets): string => stackText(environment, { secrets: own, salt });

function changed(change: (environment: ReturnType<typeof labEnvironment>) => void): string {
  const environment = structuredClone(labEnvironment());
  change(environment);
  return text(environment);
}

function withDrive(old: string, now: string): string {
  return text(labEnvironment()).replaceAll(old, now);
}

const cases: Record<string, { files: Record<string, string | undefined>; blocks: boolean }> = {
  "drive-replaced": { files: { [file]: withDrive("nvme-FAST_SN102", "nvme-FAST_SN902") }, blocks: false },
  "server-added": { files: { [file]: changed((lab) => { lab.servers["gpu-03"] = gpuServer(3); }) }, blocks: false },
  "server-renamed": { files: { [file]: text(labEnvironment()).replaceAll("gpu-02", "gpu-20") }, blocks: false },
  "model-changed": { files: { [file]: text(labEnvironment()).replaceAll("qwen2.5-7b", "llama-3.1-8b") }, blocks: false },
  "tier-moved": {
    files: {
      [file]: changed((lab) => {
        const { "gpu-01": first, "gpu-02": second } = lab.servers;
        if (first?.tiers === undefined || second?.tiers === undefined) return;
        lab.servers["store-01"] = { ...gpuServer(4), roles: ["storage"], gpus: undefined, tiers: { cold: gpuServer(4).tiers?.cold } };
        delete first.tiers.cold;
        lab.site.modelStore = { kind: "directory", path: "/srv/warm/models" };
      }),
    },
    blocks: false,
  },
  "secret-changed": { files: { [file]: text(labEnvironment(), { ...secrets, inferenceApiKey: "v1:3333333333333333:plantedciphertextthree" }) }, blocks: false },
  "rule-broken": {
    files: {
      [file]: changed((lab) => {
        const tiers = lab.servers["gpu-02"]?.tiers;
        if (tiers?.warm !== undefined) tiers.warm.level = "raid0";
      }),
    },
    blocks: true,
  },
  "nothing-changed": { files: { [file]: `# Looked at again.\n${text(labEnvironment())}` }, blocks: false },
};

const repository = new StackRepository();
const { plan, planned } = plansOnce();
const found = new Map<string, PullRequest>();
beforeAll(async () => {
  repository.write(file, text(labEnvironment()));
  repository.write("stacks/Pulumi.other.yaml", text(labEnvironment()));
  repository.commit("base");
  for (const [name, { files }] of Object.entries(cases)) repository.branch(name, files);
  await Promise.all(Object.keys(cases).map(async (name) => {
    found.set(name, await reviewPullRequest(new Repository(repository.folder), { base: "main", head: name, logs: [], plan }));
  }));
}, 300_000);
afterAll(() => repository.remove());

describe("the comment of a pull request", () => {
  it.each(Object.keys(cases))("%s reads as recorded", (name) => {
    const result = found.get(name);
    if (result === undefined) throw new Error(`no review of ${name}`);
    const comment = renderComment({ ...result, base: "main", head: name });
    const golden = path.join(__dirname, "golden", `${name}.md`);
    if (process.env["RACKWRIGHT_RECORD"] === "1") writeFileSync(golden, comment);
    expect(comment).toBe(readFileSync(golden, "utf8"));
    expect(faults(comment)).toEqual([]);
    for (const planted of ["plantedciphertext", "AAAAAAAAAAA=", repository.folder]) expect(comment).not.toContain(planted);
    expect(result.reviews.some(blocks)).toBe(cases[name]?.blocks);
  });

  it("is what the README shows", () => {
    const golden = readFileSync(path.join(__dirname, "golden", "drive-replaced.md"), "utf8");
    const beginning = golden.slice(golden.indexOf("### Destroys"), golden.indexOf("#### Sizing")).trim();
    expect(readFileSync(path.resolve(__dirname, "../../..", "README.md"), "utf8")).toContain(beginning);
  });

  it("plans what differs once, and nothing else", () => {
    // One base and eight heads, whatever is compared how often; the other environment is the same in all of them.
    expect(new Set(planned).size).toBe(planned.length);
    expect(planned).toHaveLength(1 + Object.keys(cases).length);
    expect(planned.every((key) => key.startsWith("lab "))).toBe(true);
    expect([...found.values()].map(({ unchanged }) => unchanged)).toEqual(Object.keys(cases).map(() => 1));
  });
});
