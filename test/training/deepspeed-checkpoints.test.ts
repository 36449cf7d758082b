import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { Group } from "./group";

const groups: Group[] = [];
afterAll(async () => { await Promise.all(groups.splice(0).map((each) => each.end())); });

/** DeepSpeed's files of one step on one server with two GPUs: zip archives, as PyTorch writes them. */
function written(group: Group, server: number, step: number, { shards = 2, cut = false } = {}): void {
  const folder = join(group.checkpoints(server), `global_step${step}`);
  mkdirSync(folder, { recursive: true });
  const names = Array.from({ length: shards }, (_, shard) => `bf16_zero_pp_rank_${server * 2 + shard}_mp_rank_00_optim_states.pt`);
  execFileSync("python3", ["-c", "import sys, zipfile\nfor path in sys.argv[1:]:\n    with zipfile.ZipFile(path, 'w') as file: file.writestr('data', 'x' * 1000)", ...names.map((name) => join(folder, name))]);
  const last = join(folder, names.at(-1) ?? "");
  if (cut) writeFileSync(last, readFileSync(last).subarray(0, 500));
}

const latest = (group: Group, server: number): string | undefined => {
  const file = join(group.checkpoints(server), "latest");
  return existsSync(file) ? readFileSync(file, "utf8").trim() : undefined;
};

async function startsFrom(prepare: (group: Group) => void): Promise<{ group: Group; from: (string | undefined)[]; codes: (number | null)[] }> {
  const group = await Group.of(2, { RACKWRIGHT_PROCESSES: "2" });
  groups.push(group);
  prepare(group);
  for (const server of [0, 1]) group.start(server, ["sh", "-c", 'printf %s "$RACKWRIGHT_CHECKPOINT_RESUME_FROM" > "$0"', join(group.folder, `from-${server}`)]);
  const codes = [(await group.ended(0)).code, (await group.ended(1)).code];
  return { group, codes, from: [0, 1].map((server) => readFileSync(join(group.folder, `from-${server}`), "utf8").split("/").at(-1)) };
}

describe.concurrent("checkpoints that DeepSpeed wrote", () => {
  const both = (group: Group, step: number): void => { for (const server of [0, 1]) written(group, server, step); };

  it("are gone on from where `latest` on the first server has come to, which all servers are told", async () => {
    const { from, group, codes } = await startsFrom((made) => {
      both(made, 10);
      both(made, 20);
      writeFileSync(join(made.checkpoints(0), "latest"), "global_step20");
    });
    expect(codes).toEqual([0, 0]);
    expect(from).toEqual(["global_step20", "global_step20"]);
    expect([latest(group, 0), latest(group, 1)]).toEqual(["global_step20", "global_step20"]);
  });

  it.each([["lacks a shard", { shards: 1 }], ["has a file that is cut off", { cut: true }]])("are passed over where a server %s, though `latest` names them", async (_, fault) => {
    const { from, group } = await startsFrom((made) => {
      both(made, 10);
      written(made, 0, 20);
      written(made, 1, 20, fault);
      writeFileSync(join(made.checkpoints(0), "latest"), "global_step20");
    });
    expect(from).toEqual(["global_step10", "global_step10"]);
    expect([latest(group, 0), latest(group, 1)]).toEqual(["global_step10", "global_step10"]);
    expect(group.said(1)).toContain("global_step20 is not whole here");
    expect(existsSync(join(group.checkpoints(0), ".aside", "global_step20"))).toBe(true);
  });

  it("are not taken before `latest` names them", async () => {
    const { from } = await startsFrom((made) => {
      both(made, 10);
      both(made, 20);
      writeFileSync(join(made.checkpoints(0), "latest"), "global_step10");
    });
    expect(from).toEqual(["global_step10", "global_step10"]);
  });

  it("are of no use without a `latest`", async () => {
    const { from, group } = await startsFrom((made) => { both(made, 10); });
    expect(from).toEqual(["", ""]);
    expect(group.said(0)).toContain("starting from nothing");
  });
});
