import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage } from "node:http";
import { createRequire } from "node:module";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import * as path from "node:path";
import { text } from "node:stream/consumers";
import { runInThisContext } from "node:vm";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { parse } from "yaml";
import { marker } from "../../../cli/pr/comment";

const root = path.resolve(__dirname, "../../..");

interface Job {
  permissions?: Record<string, string>;
  steps: { uses?: string; run?: string; if?: string; env?: Record<string, string>; with?: Record<string, unknown> }[];
}
interface Workflow {
  on: Record<string, { workflows?: string[] } | null>;
  name: string;
  permissions: Record<string, string>;
  jobs: Record<string, Job>;
}

const source = (file: string): string => readFileSync(path.join(root, file), "utf8");
const plans = parse(source(".github/workflows/pull-request.yml")) as Workflow;
const posts = parse(source(".github/workflows/pull-request-comment.yml")) as Workflow;

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), "pr-workflow-"));
  mkdirSync(path.join(folder, "preview"));
  writeFileSync(path.join(folder, "preview", "comment.md"), `${marker}\n## Rackwright\n`);
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe("GitHub: the workflow that plans", () => {
  it("runs for forks with a token that reads, and with no secret", () => {
    expect(Object.keys(plans.on)).toEqual(["pull_request"]);
    expect(plans.permissions).toEqual({ contents: "read" });
    expect(Object.values(plans.jobs).every(({ permissions }) => permissions === undefined)).toBe(true);
    expect(source(".github/workflows/pull-request.yml")).not.toMatch(/secrets\.|github\.token/);
  });

  it("puts nothing of the pull request into a script, and reads a fork with the base's program", () => {
    const steps = plans.jobs["preview"]?.steps ?? [];
    for (const { run } of steps) expect(run ?? "").not.toContain("${{");
    const [checkout, fork, preview] = steps;
    expect(checkout?.with).toMatchObject({ "persist-credentials": false, "fetch-depth": 0 });
    expect(fork).toEqual({ if: "github.event.pull_request.head.repo.full_name != github.repository", run: 'git checkout --quiet --detach "$BASE"' });
    expect(preview?.run).toContain("./rackwright pr");
  });

  it.each([["0", 0], ["1", 1], ["2", 1], ["", 1]])("ends with code %j as it should", async (code, expected) => {
    const last = plans.jobs["preview"]?.steps.at(-1);
    const child = spawn("bash", ["-e", "-c", last?.run ?? ""], { env: { ...process.env, CODE: code } });
    expect(((await once(child, "close")) as [number])[0]).toBe(expected);
  });

  it.each([0, 1, 2])("keeps the comment and the code %i", async (code) => {
    writeFileSync(path.join(folder, "rackwright"), `#!/bin/sh\necho "comment of $*"\nexit ${code}\n`, { mode: 0o755 });
    const step = plans.jobs["preview"]?.steps.find(({ run }) => run?.includes("./rackwright pr"));
    const env = { ...process.env, BASE: "aaa", HEAD: "bbb", PREVIEW: path.join(folder, "out"), GITHUB_OUTPUT: path.join(folder, "output"), GITHUB_STEP_SUMMARY: path.join(folder, "summary") };
    const child = spawn("bash", ["-e", "-o", "pipefail", "-c", step?.run ?? ""], { cwd: folder, env });
    expect(((await once(child, "close")) as [number])[0]).toBe(0);
    expect(readFileSync(path.join(folder, "output"), "utf8")).toBe(`code=${code}\n`);
    expect(readFileSync(path.join(folder, "summary"), "utf8")).toContain("comment of pr --base aaa --head bbb --sarif");
  });
});

interface Comment {
  id: number;
  user: { login: string };
  body: string;
}

describe("GitHub: the workflow that posts", () => {
  it("may write what it needs, checks out nothing, and follows the one that plans", () => {
    expect(posts.on["workflow_run"]?.workflows).toEqual([plans.name]);
    expect(posts.permissions).toEqual({});
    expect(posts.jobs["comment"]?.permissions).toEqual({ "actions": "read", "pull-requests": "write" });
    expect(posts.jobs["scan"]?.permissions).toEqual({ "actions": "read", "contents": "read", "security-events": "write" });
    const steps = Object.values(posts.jobs).flatMap(({ steps: all }) => all);
    expect(steps.every(({ run }) => run === undefined)).toBe(true);
    expect(steps.some(({ uses }) => uses?.startsWith("actions/checkout"))).toBe(false);
  });

  const script = String(posts.jobs["comment"]?.steps.find(({ uses }) => uses?.startsWith("actions/github-script"))?.with?.["script"]);

  /** Runs the script as actions/github-script does, with what GitHub would answer. */
  async function post({ comments = [] as Comment[], files = ["stacks/Pulumi.lab.yaml"], fork = false, sha = "abc" } = {}) {
    const calls: string[] = [];
    const told: string[] = [];
    const answers = { list: [{ number: 7, head: { sha } }], listFiles: files.map((filename) => ({ filename })), listComments: comments };
    const github = {
      paginate: (method: keyof typeof answers, parameters: unknown) => { calls.push(`${method} ${JSON.stringify(parameters)}`); return Promise.resolve(answers[method]); },
      rest: {
        pulls: { list: "list", listFiles: "listFiles" },
        issues: {
          listComments: "listComments",
          createComment: (parameters: unknown) => { calls.push(`create ${JSON.stringify(parameters)}`); return Promise.resolve(); },
          updateComment: (parameters: unknown) => { calls.push(`update ${JSON.stringify(parameters)}`); return Promise.resolve(); },
        },
      },
    };
    const context = { repo: { owner: "site", repo: "infra" }, payload: { workflow_run: { head_sha: "abc", head_branch: "change", head_repository: { full_name: fork ? "guest/infra" : "site/infra", owner: { login: fork ? "guest" : "site" } } } } };
    const core = { notice: (message: string) => { told.push(`notice ${message}`); }, setFailed: (message: string) => { told.push(`failed ${message}`); }, setOutput: (name: string, value: string) => { told.push(`${name}=${value}`); } };
    const before = process.cwd();
    const require = createRequire(__filename);
    const inFolder = (id: string): unknown => {
      const fs = require(id) as { lstatSync: (file: string) => unknown; readFileSync: (file: string, encoding: string) => unknown };
      return { lstatSync: (file: string) => fs.lstatSync(path.join(folder, file)), readFileSync: (file: string, encoding: string) => fs.readFileSync(path.join(folder, file), encoding) };
    };
    const run = runInThisContext(`(async (github, context, core, require) => {${script}})`) as (...parameters: unknown[]) => Promise<void>;
    await run(github, context, core, inFolder);
    expect(process.cwd()).toBe(before);
    return { calls, told, written: calls.filter((call) => /^(create|update) /.test(call)) };
  }

  const body = `${marker}\n## Rackwright\n`;

  it("posts once, and writes over its own comment afterwards", async () => {
    const first = await post();
    expect(first.written).toEqual([`create ${JSON.stringify({ owner: "site", repo: "infra", issue_number: 7, body })}`]);
    expect(first.told).toEqual(["number=7"]);
    const again = await post({ comments: [{ id: 1, user: { login: "octocat" }, body }, { id: 2, user: { login: "github-actions[bot]" }, body: "other" }, { id: 3, user: { login: "github-actions[bot]" }, body }] });
    expect(again.written).toEqual([`update ${JSON.stringify({ owner: "site", repo: "infra", comment_id: 3, body })}`]);
  });

  it("posts for a fork, unless it changes the workflows", async () => {
    expect((await post({ fork: true })).written).toHaveLength(1);
    const refused = await post({ fork: true, files: ["stacks/x", ".github/workflows/pull-request.yml"] });
    expect(refused.written).toEqual([]);
    expect(refused.told).toEqual([expect.stringContaining("changes .github/")]);
    expect((await post({ files: [".github/workflows/pull-request.yml"] })).written).toHaveLength(1);
  });

  it("posts nothing for a head that has moved on", async () => {
    const { written, told } = await post({ sha: "def" });
    expect(written).toEqual([]);
    expect(told).toEqual([expect.stringContaining("No open pull request")]);
  });

  it.each([
    ["another text", () => writeFileSync(path.join(folder, "preview", "comment.md"), "@everyone hello")],
    ["a long one", () => writeFileSync(path.join(folder, "preview", "comment.md"), `${marker}\n${"x".repeat(60_000)}`)],
    ["a link", () => { rmSync(path.join(folder, "preview", "comment.md")); symlinkSync("/etc/passwd", path.join(folder, "preview", "comment.md")); }],
  ])("posts nothing where the artifact holds %s", async (_what, write) => {
    write();
    const { written, told } = await post();
    expect(written).toEqual([]);
    expect(told).toEqual([expect.stringContaining("failed")]);
  });
});

describe("GitLab: the jobs to include", () => {
  interface GitLabJob { rules: { if: string }[]; variables: Record<string, string>; script: string[]; image: string }
  const jobs = parse(source("ci/gitlab/merge-request.yml")) as Record<"rackwright-preview" | "rackwright-note", GitLabJob>;

  it("gives the token to a job that has none of the repository's files, and to no fork", () => {
    expect(JSON.stringify(jobs["rackwright-preview"])).not.toContain("TOKEN");
    expect(jobs["rackwright-note"].variables).toEqual({ GIT_STRATEGY: "none" });
    expect(jobs["rackwright-note"].rules[0]?.if).toContain("$CI_MERGE_REQUEST_SOURCE_PROJECT_ID == $CI_PROJECT_ID");
  });

  async function note(pages: unknown[][]): Promise<{ code: number; calls: string[]; stderr: string }> {
    const calls: string[] = [];
    const answer = async (request: IncomingMessage): Promise<{ value: unknown; next: string }> => {
      const sent = await text(request);
      calls.push(`${request.method ?? ""} ${request.url ?? ""} ${String(request.headers["private-token"])} ${sent}`.trim());
      if (request.url === "/api/user") return { value: { id: 5 }, next: "" };
      const page = Number(/page=(\d+)$/.exec(request.url ?? "")?.[1] ?? 0);
      return page === 0 ? { value: {}, next: "" } : { value: pages[page - 1] ?? [], next: page < pages.length ? String(page + 1) : "" };
    };
    const server = createServer((request, response) => {
      void answer(request).then(({ value, next }) => { response.setHeader("x-next-page", next); response.end(JSON.stringify(value)); });
    });
    await once(server.listen(0, "127.0.0.1"), "listening");
    const { port } = server.address() as AddressInfo;
    const env = { PATH: `${path.dirname(process.execPath)}:${process.env["PATH"] ?? ""}`, CI_API_V4_URL: `http://127.0.0.1:${port}/api`, CI_PROJECT_ID: "3", CI_MERGE_REQUEST_IID: "9", RACKWRIGHT_NOTE_TOKEN: "planted-token" };
    try {
      const child = spawn("bash", ["-e", "-c", jobs["rackwright-note"].script.join("\n")], { cwd: folder, env });
      const [stderr, [code]] = await Promise.all([text(child.stderr), once(child, "close") as Promise<[number]>]);
      return { code, calls, stderr };
    } finally {
      server.close();
    }
  }

  const body = JSON.stringify({ body: `${marker}\n## Rackwright\n` });
  const notes = "/api/projects/3/merge_requests/9/notes";

  it("posts once, and writes over its own note afterwards", async () => {
    const first = await note([[{ id: 1, author: { id: 4 }, body: marker }]]);
    expect([first.code, first.calls.at(-1)]).toEqual([0, `POST ${notes} planted-token ${body}`]);
    const again = await note([[{ id: 1, author: { id: 4 }, body: marker }], [{ id: 2, author: { id: 5 }, body: `${marker}\nold` }]]);
    expect([again.code, again.calls.at(-1)]).toEqual([0, `PUT ${notes}/2 planted-token ${body}`]);
  });

  it("posts nothing that is no comment of ours, and tells no token", async () => {
    writeFileSync(path.join(folder, "preview", "comment.md"), "/merge");
    const { code, calls, stderr } = await note([]);
    expect([code === 0, calls]).toEqual([false, []]);
    expect(stderr).not.toContain("planted-token");
  });
});
