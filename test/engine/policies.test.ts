import { cpSync, readdirSync, readFileSync, symlinkSync } from "node:fs";
import { dirname, join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { describe, expect, it, vi } from "vitest";
import { fixtures, temporaryFolder, TestStack } from "./harness";
import type { Wanted } from "./harness";

const policyPackDir = join(fixtures, "policy");
const forbidden: Wanted[] = [
  { name: "good", args: { create: "true" } },
  { name: "bad", args: { create: "echo forbidden" }, options: { dependsOn: ["good"] } },
];

describe("the policy pack", () => {
  it("a mandatory violation fails the preview and stops up before the step", async () => {
    const stack = new TestStack({ policyPackDir });
    const preview = await stack.preview(forbidden);
    expect(preview.ok).toBe(false);
    expect(preview.violations).toMatchObject([
      { policyName: "no-word", enforcementLevel: "mandatory", policyPackName: "fixture", policyPackVersion: "0.0.1" },
    ]);
    expect(preview.violations[0]?.message).toBe('A command must not hold the forbidden word.\nbad holds "forbidden"\n');
    const up = await stack.up(forbidden);
    expect(up.ok).toBe(false);
    expect(stack.names()).toEqual(["good"]);
  });

  it("is reached behind a proxy for everything, as are the program and the engine: they talk on loopback", async () => {
    // The discard port: whoever asks a proxy there gets no answer.
    const variables = ["http_proxy", "https_proxy", "grpc_proxy"];
    for (const variable of variables) vi.stubEnv(variable, "http://127.0.0.1:9");
    vi.stubEnv("no_proxy", "");
    try {
      const outcome = await new TestStack({ policyPackDir }).preview(forbidden);
      expect(outcome.violations.map(({ policyName }) => policyName)).toEqual(["no-word"]);
    } finally {
      vi.unstubAllEnvs();
    }
  });

  it("its levels and settings can be changed, for one policy or for all", async () => {
    const stack = new TestStack({ policyPackDir });
    const advisory = await stack.preview(forbidden, { policyConfig: { "no-word": "advisory" } });
    expect([advisory.ok, advisory.violations.length]).toEqual([true, 1]);
    const disabled = await stack.preview(forbidden, { policyConfig: { all: "disabled", "few-resources": { enforcementLevel: "mandatory", max: 1 } } });
    expect(disabled.ok).toBe(false);
    expect(disabled.violations.map(({ policyName }) => policyName)).toEqual(["few-resources"]);
    expect(disabled.violations[0]?.resourceUrn).toBe("urn:pulumi:test::options::pulumi:pulumi:Stack::options-test");
    const otherWord = await stack.preview(forbidden, { policyConfig: { "no-word": { word: "elsewhere" } } });
    expect([otherWord.ok, otherWord.violations]).toEqual([true, []]);
  });

  it("a remedy changes the inputs before they are used, and is reported", async () => {
    const stack = new TestStack({ policyPackDir });
    const outcome = await stack.up([{ name: "first", args: { create: "echo $LABEL", environment: { LABEL: "wrong" } } }]);
    expect(stack.resource("first").outputs?.["stdout"]).toBe("mended");
    expect(outcome.events.some(({ policyRemediationEvent }) => policyRemediationEvent?.policyName === "adds-label")).toBe(true);
  });

  it("a mandatory stack policy fails up before anything is deleted", async () => {
    const stack = new TestStack({ policyPackDir });
    await stack.up([{ name: "old", args: stack.logging("old") }]);
    const policyConfig = { "few-resources": { enforcementLevel: "mandatory", max: 1 } };
    expect((await stack.up([], { policyConfig })).ok).toBe(true);
    await stack.up([{ name: "old", args: stack.logging("old") }]);
    const stopped = await stack.up([{ name: "new", args: stack.logging("new") }], { policyConfig });
    expect(stopped.ok).toBe(false);
    expect(stack.names().sort()).toEqual(["new", "old"]);
  });

  it("wrong settings are all named, and a pack that does not start stops the run", async () => {
    const stack = new TestStack({ policyPackDir });
    const wrong = await stack.preview(forbidden, { policyConfig: { "no-such": "mandatory", "no-word": "sometimes" } });
    expect(wrong.ok).toBe(false);
    const text = wrong.diagnostics.map(({ message }) => message).join("\n");
    expect(text).toContain("no-such: there is no such policy; the pack has adds-label, few-resources");
    expect(text).toContain('no-word: expected one of advisory, mandatory');
    const missing = await stack.preview(forbidden, { policyPackDir: join(fixtures, "options", "nowhere") });
    expect(missing.ok).toBe(false);
    expect(missing.diagnostics.map(({ message }) => message).join("\n")).toContain("did not start");
  });

  it("ends with the run, also where the run was over before the pack had started", async () => {
    const packDir = join(temporaryFolder(), "pack");
    cpSync(policyPackDir, packDir, { recursive: true });
    symlinkSync(join(process.cwd(), "node_modules"), join(dirname(packDir), "node_modules"));
    const running = (): string[] => readdirSync("/proc").filter((pid) => /^\d+$/.test(pid) && commandLine(pid).includes(packDir));
    const stack = new TestStack({ policyPackDir: packDir });
    await expect(stack.preview([], { programDir: dirname(dirname(packDir)) })).rejects.toThrow("npm ci");
    expect((await stack.preview([{ name: "first", args: { create: "true" } }])).ok).toBe(true);
    await setTimeout(200);
    expect(running()).toEqual([]);
  });
});

function commandLine(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8");
  } catch {
    return "";
  }
}
