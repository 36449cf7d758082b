import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { Group, until } from "./group";

const groups: Group[] = [];
async function group(servers: number, settings: Record<string, string> = {}): Promise<Group> {
  const made = await Group.of(servers, settings);
  groups.push(made);
  return made;
}
afterAll(async () => { await Promise.all(groups.splice(0).map((each) => each.end())); });

/** A checkpoint as the trainer writes it. */
function whole(made: Group, rank: number, step: number, marker = String(step)): void {
  const directory = join(made.checkpoints(rank), `step-${step}`);
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, `rank-${rank}.txt`), String(step));
  writeFileSync(join(directory, ".complete"), marker);
}

const starts = (made: Group): string[] => made.lines().filter((line) => / from /.test(line)).map((line) => line.replace(/ attempt=.*/, ""));
const attempts = (made: Group): Set<string> => new Set(made.lines().flatMap((line) => /attempt=(\w+)/.exec(line)?.[1] ?? []));

describe.concurrent("servers of a training job", () => {
  it("start together from nothing, train to the end, and keep the newest checkpoints only", async () => {
    const made = await group(2);
    made.train(0, 60);
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(made.lines()).toEqual([]);
    made.train(1, 60);
    expect(await made.ended(0)).toEqual({ code: 0, signal: null });
    expect(await made.ended(1)).toEqual({ code: 0, signal: null });
    expect(starts(made).sort()).toEqual(["0 from 0", "1 from 0"]);
    expect(attempts(made).size).toBe(1);
    for (const rank of [0, 1]) {
      expect(made.names(rank)).toContain("step-60");
      expect(made.names(rank)).not.toContain("step-10");
      expect(made.names(rank).length).toBeLessThanOrEqual(4);
    }
  });

  it("go on from the newest checkpoint that all have, when one is killed while it writes", async () => {
    const made = await group(2);
    made.train(0, 40);
    made.train(1, 40, "--break-at", "30");
    await until("the trainer's wrapper is killed", () => existsSync(join(made.folder, "broken-1")));
    expect((await made.ended(1)).signal).toBe("SIGKILL");
    made.train(1, 40, "--break-at", "30");
    expect([(await made.ended(0)).code, (await made.ended(1)).code]).toEqual([0, 0]);
    expect(starts(made).sort()).toEqual(["0 from 0", "0 from 20", "1 from 0", "1 from 20"]);
    expect(attempts(made).size).toBe(2);
    expect(made.said(0)).toContain("starting anew: server 1 is lost");
  });

  it("start anew when the first server is lost", async () => {
    const made = await group(2);
    const first = made.train(0, 60);
    made.train(1, 60);
    await until("a checkpoint on both", () => [0, 1].every((rank) => existsSync(join(made.checkpoints(rank), "step-20", ".complete"))));
    first.kill("SIGKILL");
    await made.ended(0);
    made.train(0, 60);
    expect([(await made.ended(0)).code, (await made.ended(1)).code]).toEqual([0, 0]);
    expect(starts(made).filter((line) => line.startsWith("1"))).toHaveLength(2);
    expect(Number(/from (\d+)/.exec(starts(made).at(-1) ?? "")?.[1])).toBeGreaterThanOrEqual(20);
  });

  it("blame the one whose program fails, with its exit code, and let the others wait", async () => {
    const made = await group(3);
    made.train(0, 40);
    made.train(1, 40);
    made.train(2, 40, "--fail-at", "25");
    expect((await made.ended(2)).code).toBe(3);
    await until("the others start anew", () => made.said(0).includes("server 2 is lost"));
    made.train(2, 40, "--fail-at", "25");
    expect([(await made.ended(0)).code, (await made.ended(1)).code, (await made.ended(2)).code]).toEqual([0, 0, 0]);
    expect(starts(made).filter((line) => line.endsWith("from 20"))).toHaveLength(3);
  });

  it("take the one before where a server lacks the newest, and set aside what the others have of it", async () => {
    const made = await group(2);
    for (const rank of [0, 1]) whole(made, rank, 10);
    whole(made, 0, 20);
    made.train(0, 20);
    made.train(1, 20);
    expect([(await made.ended(0)).code, (await made.ended(1)).code]).toEqual([0, 0]);
    expect(starts(made).sort()).toEqual(["0 from 10", "1 from 10"]);
  });

  it.each([["empty", ""], ["another step's", "999"], ["noise", "\u0000\u0001ÿ"]])("do not trust a marker that is %s", async (_, marker) => {
    const made = await group(1);
    whole(made, 0, 10);
    whole(made, 0, 20, marker);
    made.train(0, 20);
    expect((await made.ended(0)).code).toBe(0);
    expect(starts(made)).toEqual(["0 from 10"]);
    expect(made.said(0)).toContain("step-20 is not whole here");
  });

  it("refuse to begin from nothing where all once had a checkpoint and one has lost its drive", async () => {
    const made = await group(2);
    made.train(0, 20);
    made.train(1, 20);
    await made.ended(0);
    await made.ended(1);
    rmSync(made.checkpoints(1), { recursive: true });
    made.train(0, 40);
    made.train(1, 40);
    expect([(await made.ended(0)).code, (await made.ended(1)).code]).toEqual([78, 78]);
    expect(made.said(0)).toContain("server 0 has step-");
    expect(made.said(0)).toContain("server 1 has none");
    expect(made.names(0)).toContain("step-20");
  });

  it("end their programs and what those started when they are told to end", async () => {
    const made = await group(1);
    const wrapper = made.start(0, ["sh", "-c", `setsid sleep 345678 & echo $! > ${made.folder}/pid; trap "" TERM; wait; sleep 345678`]);
    await until("the orphan runs", () => existsSync(join(made.folder, "pid")));
    await until("its number is written", () => readFileSync(join(made.folder, "pid"), "utf8").trim() !== "");
    const orphan = Number(readFileSync(join(made.folder, "pid"), "utf8"));
    wrapper.kill("SIGTERM");
    expect((await made.ended(0)).code).toBe(143);
    expect(existsSync(`/proc/${orphan}`)).toBe(false);
  });

  it("give up with an exit code that counts when the others do not come", async () => {
    const made = await group(2, { RACKWRIGHT_PATIENCE_SECONDS: "1" });
    made.train(0, 20);
    expect((await made.ended(0)).code).toBe(75);
    expect(made.said(0)).toContain("not all servers came within 1 s");
    made.train(1, 20);
    expect((await made.ended(1)).code).toBe(75);
  });

  it("do not meet a pod of another generation", async () => {
    const made = await group(2, { RACKWRIGHT_PATIENCE_SECONDS: "3" });
    made.train(0, 20);
    made.start(1, ["true"], { RACKWRIGHT_GENERATION: "before" });
    expect((await made.ended(0)).code).toBe(75);
    expect(made.lines()).toEqual([]);
  });

  it("refuse a DeepSpeed configuration of another ZeRO stage, and a folder that is not theirs", async () => {
    const made = await group(1, { RACKWRIGHT_ZERO_STAGE: "3" });
    const file = join(made.folder, "own.json");
    writeFileSync(file, JSON.stringify({ zero_optimization: { stage: 2 } }));
    made.start(0, ["true", "--deepspeed", file]);
    expect((await made.ended(0)).code).toBe(78);
    expect(made.said(0)).toContain("has ZeRO stage 2, but the environment's zeroStage is 3");
    writeFileSync(file, JSON.stringify({ zero_optimization: { stage: 3 } }));
    made.start(0, ["true", `--deepspeed_config=${file}`]);
    expect((await made.ended(0)).code).toBe(0);
    const blocked = await group(1, { RACKWRIGHT_CHECKPOINT_DIRECTORY: "/proc/none/job" });
    blocked.train(0, 20);
    expect((await blocked.ended(0)).code).toBe(78);
    expect(blocked.said(0)).toContain("cannot be written to");
  });
});
