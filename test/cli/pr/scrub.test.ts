import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { scrub, scrubber } from "../../../cli/pr/scrub";
import { projectRoot } from "../../../cli/project";

const own = scrubber({ DEPLOY_TOKEN: "plain-words-that-are-a-token", MY_PASSWORD: "a\nsecond-line-of-it", HOME_CITY: "Vienna", CI_PROJECT_DIR: "/srv/runner/project", SHORT_TOKEN: "abc" }, ["/opt/checkout"]);

describe("what is scrubbed", () => {
  it.each([
    ["-----BEGIN OPENSSH PRIVATE KEY----- b3BlbnNz -----END OPENSSH PRIVATE KEY----- after", "[secret] after"],
    ["-----BEGIN PRIVATE KEY----- b3BlbnNz", "[secret]"],
    ["salt v1:AbCdEfGhIjK=:v1:LmNoPqRsTuVwXyZ0:abcdefghijklmnop= end", "salt [secret] end"],
    ["token ghp_0123456789abcdefghij0123456789abcdefg.", "token [secret]."],
    ["hf_abcdefghijklmnop and glpat-abcdefghijklmnop", "[secret] and [secret]"],
    ["AKIAIOSFODNN7EXAMPLE", "[secret]"],
    ["eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc-def_123", "[secret]"],
    ["Authorization: Bearer abcdefgh12345678", "Authorization: Bearer [secret]"],
    ["https://ops:hunter2@mirror.example.org/apt", "https://[secret]@mirror.example.org/apt"],
    ["password=hunter2 user=ops", "password=[secret] user=ops"],
    ['{"api_key": "abc def", "x": 1}', '{"api_key": [secret], "x": 1}'],
    ["python3 train.py --hub-token hunter2 --lr 1", "python3 train.py --hub-token [secret] --lr 1"],
    ["https://hooks.example.org/services/T0/B0/xyz", "https://hooks.example.org/[secret]"],
    ["https://alerts.example.org/x?key=1&a=b", "https://alerts.example.org/x?[secret]"],
    ["it is plain-words-that-are-a-token here", "it is [secret] here"],
    ["x second-line-of-it y", "x [secret] y"],
  ])("%s", (text, expected) => {
    expect(own(text)).toBe(expected);
  });

  it.each([
    ["cannot read /home/ops/site/stacks/x.yaml: no", "cannot read [path]: no"],
    ["'/root/site/x' failed", "'[path]' failed"],
    ["/tmp/rackwright-pr-abc/stacks", "[path]"],
    ["file:///Users/me/state.json", "[path]"],
    ["~/.ssh/id_ed25519 and ~/root", "~/.ssh/id_ed25519 and ~/root"],
    ["at /opt/checkout/cli/main.ts:3", "at [path]"],
    ["in /srv/runner/project/node_modules/x", "in [path]"],
    ["C:\\Users\\me\\x", "[path]"],
  ])("%s", (text, expected) => {
    expect(own(text)).toBe(expected);
  });

  it.each(["/srv/hot is mounted", "/dev/disk/by-id/nvme-X", "/var/lib/rackwright/metrics", "site.mirror.apt https://mirror.example.org/apt", "tokens/s and 8,192 tokens", "secrets are needed", "urn:pulumi:lab::rackwright::command:remote:Command::gpu-01-root", "abc of Vienna", "key gpu, effect NoSchedule", "--held-package x --step gpu-01"])("keeps %s", (text) => {
    expect(own(text)).toBe(text);
  });

  it("knows this process's own places", () => {
    for (const place of [join(projectRoot, "cli"), join(homedir(), "x"), join(tmpdir(), "y")]) expect(scrub(`at ${place} end`)).toBe("at [path] end");
  });
});
