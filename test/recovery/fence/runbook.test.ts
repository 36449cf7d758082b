import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import * as path from "node:path";
import { text } from "node:stream/consumers";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { renderLook, renderIntent, verdictOf } from "../../../cli/render/fence";
import { parseEnvironment } from "../../../components/environment";
import type { Look } from "../../../components/recovery/fence/facts";
import { firstFenceStep, silentServerLimits, type Outcome } from "../../../components/recovery/fence/plan";
import { generatedEnvironment } from "../../support/environments";
import { FaultBmc, makeCertificates } from "./fault-bmc";

const runbook = readFileSync(path.resolve(__dirname, "../../../docs/runbooks/fencing.md"), "utf8");
const block = (language: string, holds: string): string => {
  const found = [...runbook.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)].find(([, is, body = ""]) => is === language && body.includes(holds));
  if (found?.[2] === undefined) throw new Error(`the runbook has no ${language} block with ${holds}`);
  return found[2];
};

const look: Look = {
  node: {
    facts: {
      ready: false, tainted: false, volumes: 1, notReady: { since: "2026-11-26T07:39:36Z", reason: "Kubelet stopped posting node status." },
      pods: [
        { namespace: "default", name: "bare", then: "gone" },
        { namespace: "default", name: "state-0", owner: "StatefulSet state", then: "elsewhere" },
        { namespace: "default", name: "train-0", owner: "StatefulSet train", then: "waits", because: "it is bound to gpu-01" },
      ],
    },
  },
  bmc: { system: { identity: { id: "1", manufacturer: "Contoso", model: "3500", serialNumber: "437XR1138R2", uuid: "38947555-7742-3448-3784-823347823834" }, power: "On" } },
  ssh: "silent",
};
const target = { environment: "lab", server: "gpu-01" };

describe("the runbook for fencing", () => {
  it("has a BMC that an environment takes, but for the fingerprint, which is cut short", () => {
    const example = parse(block("yaml", "bmc:")) as { servers: Record<string, { bmc: { tls: { fingerprintSha256: string } } }> };
    const bmc = example.servers["gpu-01"]?.bmc;
    if (bmc === undefined) throw new Error("the example has no gpu-01");
    bmc.tls.fingerprintSha256 = bmc.tls.fingerprintSha256.replace("...", Array.from({ length: 29 }, () => "00").join(":"));
    const input = generatedEnvironment(1);
    Object.assign(Object.values(input.servers)[0] ?? {}, { bmc });
    expect(parseEnvironment(input)).toMatchObject({ ok: true });
  });

  it("reads a fingerprint as the environment takes it", async () => {
    const certificates = makeCertificates();
    const bmc = await FaultBmc.listen(certificates);
    const command = block("text", "openssl s_client").replace("10.9.0.11:443", `127.0.0.1:${bmc.port}`);
    const child = spawn("bash", ["-c", command], { stdio: ["ignore", "pipe", "ignore"] });
    expect(await text(child.stdout)).toMatch(new RegExp(`=${certificates.fingerprint}\\n$`));
    await bmc.close();
  });

  it("shows what a dry run prints", () => {
    const plain = (_style: string, words: string): string => words;
    expect(block("text", "gpu-01 of lab")).toBe(`${renderLook(look, target, plain)}${renderIntent(look, silentServerLimits, target)}Nothing was done: this was a dry run.\n`);
  });

  it("says of every outcome what it leaves and what to do", () => {
    const outcomes: Record<Outcome["kind"], Outcome> = {
      fenced: { kind: "fenced" },
      "pods-remain": { kind: "pods-remain", pods: ["training/a"] },
      "not-tainted": { kind: "not-tainted", reason: "nothing listens there." },
      "on-again": { kind: "on-again" },
      "still-on": { kind: "still-on" },
      "node-alive": { kind: "node-alive" },
      bmc: { kind: "bmc", fault: { kind: "password", message: "The BMC does not take the password." } },
      "taint-stays": { kind: "taint-stays", reason: "nothing listens there.", after: { kind: "on-again" } },
      stopped: { kind: "stopped" },
    };
    const rows = [...runbook.split("### How it can end")[1]?.split("\n## ")[0]?.matchAll(/^\| `([a-z-]+)` \|/gm) ?? []].map(([, kind]) => kind);
    expect(rows.sort()).toEqual(Object.keys(outcomes).sort());
    for (const outcome of Object.values(outcomes)) {
      const { text: words, good } = verdictOf(outcome, firstFenceStep(look, 0).state, target);
      expect(words).toMatch(/gpu-01/);
      if (!good) expect(words).toMatch(/again|Find out|Pull/);
    }
  });
});
