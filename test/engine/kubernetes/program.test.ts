import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { destroy, preview, refresh, up } from "../../../engine";
import type { EngineEvent, EngineOptions } from "../../../engine";
import { journalFile } from "../../../engine/state/store";
import type { PropertyMap } from "../../../engine/values";
import { startControlPlane } from "../../../rehearsal/control-plane/control-plane";
import type { ControlPlane } from "../../../rehearsal/control-plane/control-plane";
import { fixtures, PASSPHRASE, stepsOf } from "../harness";
import type { Outcome, StateResource } from "../harness";
import { Gate } from "./gate";
import { configMap, deployment } from "./objects";

interface Wanted {
  object: PropertyMap;
  provider?: string;
  dependsOn?: string[];
  get?: string;
}

interface Program {
  providers?: Record<string, Record<string, unknown>>;
  objects: Wanted[];
  kubeconfig?: string;
  chart?: boolean;
}

// Each run starts a program of its own, and each test has several.
vi.setConfig({ testTimeout: 120_000 });

let plane: ControlPlane;
const folder = mkdtempSync(join(tmpdir(), "program-"));

beforeAll(async () => {
  plane = await startControlPlane({ workDir: folder });
});
afterAll(async () => {
  await plane.stop();
  rmSync(folder, { recursive: true, force: true });
});

class Stack {
  readonly folder = mkdtempSync(join(folder, "stack-"));
  readonly stateFile = join(this.folder, "state.json");

  options({ providers = {}, objects, kubeconfig = plane.kubeconfig, chart }: Program, more: Partial<EngineOptions> = {}): EngineOptions {
    return {
      project: "objects", stack: "test", programDir: join(fixtures, "kubernetes"), stateFile: this.stateFile, passphrase: PASSPHRASE,
      config: { "objects:providers": JSON.stringify(providers), "objects:objects": JSON.stringify(objects), ...(chart === true ? { "objects:chart": "true" } : {}) },
      secretConfig: { "objects:kubeconfig": kubeconfig }, ...more,
    };
  }

  async run(work: typeof up, program: Program, more: Partial<EngineOptions> = {}): Promise<Outcome> {
    const events: EngineEvent[] = [];
    const result = await work(this.options(program, { onEvent: (event) => { events.push(event); }, ...more }));
    return { ...result, events, steps: stepsOf(events) };
  }

  resources(): StateResource[] {
    return (JSON.parse(readFileSync(this.stateFile, "utf8")) as { deployment: { resources?: StateResource[] } }).deployment.resources ?? [];
  }

  resource(name: string): StateResource {
    const found = this.resources().find(({ urn }) => urn.endsWith(`::${name}`));
    if (found === undefined) throw new Error(`no resource ${name} in state`);
    return found;
  }
}

function errors(outcome: Outcome): string {
  return outcome.diagnostics.filter(({ severity }) => severity === "error").map(({ message }) => message).join("\n");
}

function namespace(name: string, provider?: string): Wanted {
  return { object: { apiVersion: "v1", kind: "Namespace", metadata: { name } }, ...(provider === undefined ? {} : { provider }) };
}

describe("explicit providers", () => {
  it("manage objects each under its own settings, keep them as the plugin does, and never show their kubeconfig", async () => {
    const stack = new Stack();
    const program: Program = {
      providers: { first: { namespace: "one" }, second: { namespace: "two", deleteUnreachable: true } },
      objects: [
        namespace("one", "first"), namespace("two", "second"),
        { object: { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "settings" }, data: { a: "1" } }, provider: "first", dependsOn: ["first-namespace-one"] },
        { object: { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "settings" }, data: { a: "2" } }, provider: "second", dependsOn: ["second-namespace-two"] },
      ],
    };
    const planned = await stack.run(preview, program);
    expect(errors(planned)).toBe("");
    expect(planned.changes).toMatchObject({ create: 7 });
    const made = await stack.run(up, program);
    expect(errors(made)).toBe("");
    expect(stack.resource("first-configmap-settings").id).toBe("one/settings");
    expect(stack.resource("second-configmap-settings").id).toBe("two/settings");
    const second = stack.resource("second");
    expect(second.type).toBe("pulumi:providers:kubernetes");
    expect(Object.keys(second.inputs ?? {}).sort()).toEqual(["__internal", "deleteUnreachable", "kubeconfig", "namespace", "version"]);
    expect(second.inputs).toMatchObject({ deleteUnreachable: "true", version: "4.32.0", namespace: "two" });
    expect(Object.keys(second.outputs ?? {}).sort()).toEqual(["deleteUnreachable", "kubeconfig", "namespace", "version"]);
    expect(stack.resource("second-configmap-settings")["provider"]).toBe(`${second.urn}::${second.id ?? ""}`);
    const token = /"token": "([^"]+)"/.exec(plane.kubeconfig)?.[1] ?? "";
    expect(token).not.toBe("");
    for (const text of [readFileSync(stack.stateFile, "utf8"), JSON.stringify(planned.events), JSON.stringify(made.events)]) expect(text).not.toContain(token);
    const again = await stack.run(preview, program);
    expect(Object.keys(again.changes)).toEqual(["same"]);
    const { passphrase: _, ...withoutPassphrase } = stack.options(program);
    expect(Object.keys((await preview(withoutPassphrase)).changes)).toEqual(["same"]);
    const gone = await stack.run(destroy, program);
    expect(errors(gone)).toBe("");
    expect(gone.changes).toMatchObject({ delete: 7 });
    expect(await plane.call("GET", "/api/v1/namespaces/one")).toBeUndefined();
  });

  it("with other credentials for the same cluster are changed in place, and for another cluster replaced with all that is in it", async () => {
    const stack = new Stack();
    const gate = await Gate.before(plane.kubeconfig);
    try {
      const program: Program = { providers: { main: {} }, objects: [namespace("moved", "main")] };
      expect(errors(await stack.run(up, program))).toBe("");
      const renamed = plane.kubeconfig.replaceAll('"rehearsal"', '"renamed"');
      const changed = await stack.run(up, { ...program, kubeconfig: renamed });
      expect(changed.changes).toMatchObject({ update: 1, same: 2 });
      const elsewhere = await stack.run(preview, { ...program, kubeconfig: gate.through(renamed) });
      expect(elsewhere.changes).toMatchObject({ replace: 2 });
      const unknown = await stack.run(preview, { providers: { main: { fromCommand: true } }, objects: program.objects });
      expect(unknown.changes).toMatchObject({ replace: 2, create: 1 });
      const identified = { providers: { main: { clusterIdentifier: "rack-1" } }, objects: program.objects };
      await stack.run(up, { ...identified, kubeconfig: renamed });
      const stays = await stack.run(preview, { ...identified, kubeconfig: gate.through(renamed) });
      expect(stays.changes).toMatchObject({ update: 1, same: 2 });
    } finally {
      gate.close();
    }
  });

  it("whose kubeconfig another step makes are previewed from the program and used once it is known", async () => {
    const stack = new Stack();
    const program: Program = {
      providers: { later: { fromCommand: true } },
      objects: [namespace("later", "later"), { object: configMap("later", "settings", { a: "1" }), provider: "later", dependsOn: ["later-namespace-later"] }],
    };
    const planned = await stack.run(preview, program);
    expect(errors(planned)).toBe("");
    expect(planned.changes).toMatchObject({ create: 5 });
    expect(errors(await stack.run(up, program))).toBe("");
    expect(stack.resource("later-configmap-settings").id).toBe("later/settings");
    expect(Object.keys((await stack.run(preview, program)).changes)).toEqual(["same"]);
    const fewer = await stack.run(up, { ...program, objects: [] });
    expect(fewer.changes).toMatchObject({ delete: 2 });
  });

  it("that are wrong keep everything under them from being made", async () => {
    const stack = new Stack();
    const failed = await stack.run(up, { providers: { bad: { alwaysRender: true } }, objects: [namespace("never", "bad")] });
    expect(failed.ok).toBe(false);
    expect(errors(failed)).toContain('alwaysRender: "alwaysRender" needs "renderYamlToDirectory" to be set');
    expect(await plane.call("GET", "/api/v1/namespaces/never")).toBeUndefined();
  });
});

describe("a program", () => {
  it("that names no provider uses the kubeconfig of the environment, and may look objects up", async () => {
    const stack = new Stack();
    process.env["KUBECONFIG"] = plane.kubeconfigFile;
    try {
      await plane.call("POST", "/api/v1/namespaces/default/configmaps", configMap("default", "theirs", { a: "looked up" }));
      const program: Program = { objects: [namespace("ambient"), { object: { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "found" } }, get: "default/theirs" }] };
      const made = await stack.run(up, program);
      expect(errors(made)).toBe("");
      expect(JSON.stringify(made.outputs)).toContain("looked up");
      expect(stack.resource("default-configmap-found")).toMatchObject({ external: true, id: "default/theirs" });
      expect(stack.resources().map(({ urn }) => urn)).toContain("urn:pulumi:test::objects::pulumi:providers:kubernetes::default_4_32_0");
      expect(errors(await stack.run(destroy, program))).toBe("");
      expect(await plane.call("GET", "/api/v1/namespaces/default/configmaps/theirs")).toBeDefined();
    } finally {
      delete process.env["KUBECONFIG"];
    }
  });

  it("that uses a chart is refused by name, before anything is made", async () => {
    const stack = new Stack();
    const refused = await stack.run(up, { providers: { main: {} }, objects: [], chart: true });
    expect(errors(refused)).toContain("kubernetes:helm.sh/v3:Release is not covered by the embedded engine");
  });

  it("is told about a refresh only where a field that it sets has changed", async () => {
    const stack = new Stack();
    const program: Program = { providers: { main: {} }, objects: [namespace("fresh", "main"), { object: configMap("fresh", "settings", { a: "1" }), provider: "main", dependsOn: ["main-namespace-fresh"] }] };
    await stack.run(up, program);
    const patch = (data: unknown): Promise<unknown> => plane.call("PATCH", "/api/v1/namespaces/fresh/configmaps/settings", data, "application/merge-patch+json");
    await patch({ metadata: { labels: { other: "yes" } } });
    expect((await stack.run(refresh, program)).changes).not.toHaveProperty("update");
    await patch({ data: { a: "2" } });
    expect((await stack.run(refresh, program)).changes).toMatchObject({ update: 1 });
    const mended = await stack.run(up, program);
    expect(mended.steps).toContain("replace main-configmap-settings");
  });

  it("makes an object that somebody deleted only after a refresh", async () => {
    const stack = new Stack();
    const program: Program = { providers: { main: {} }, objects: [namespace("lacking", "main"), { object: configMap("lacking", "settings", { a: "1" }), provider: "main", dependsOn: ["main-namespace-lacking"] }] };
    await stack.run(up, program);
    await plane.call("DELETE", "/api/v1/namespaces/lacking/configmaps/settings");
    expect((await stack.run(up, program)).changes.create ?? 0).toBe(0);
    expect((await stack.run(refresh, program)).changes).toMatchObject({ delete: 1 });
    expect((await stack.run(up, program)).changes).toMatchObject({ create: 1 });
    expect(await plane.call("GET", "/api/v1/namespaces/lacking/configmaps/settings")).toMatchObject({ data: { a: "1" } });
  });
});

describe("a run that is cut off", () => {
  const program = (name: string): Program => ({
    providers: { main: {} },
    objects: [namespace(name, "main"), { object: deployment(name, "stuck", 1, { nodeSelector: { none: "here" } }), provider: "main", dependsOn: [`main-namespace-${name}`] }],
  });

  it("while it waits keeps the object in state, and the next run goes on waiting for it", async () => {
    const stack = new Stack();
    const [stop, cancel] = [new AbortController(), new AbortController()];
    const running = stack.run(up, program("waits"), { signal: stop.signal, cancelSignal: cancel.signal });
    while (await plane.call("GET", "/apis/apps/v1/namespaces/waits/deployments/stuck") === undefined) await sleep(50);
    await sleep(300);
    stop.abort();
    cancel.abort();
    expect(errors(await running)).toContain("cancelled while it was not ready");
    expect(stack.resource("main-deployment-stuck")["initErrors"]).toHaveLength(1);
    const planned = await stack.run(preview, program("waits"));
    expect(planned.changes).toMatchObject({ update: 1 });
  });

  it("by a kill while it makes an object takes that object over in the next run", async () => {
    const stack = new Stack();
    const optionsFile = join(stack.folder, "options.json");
    writeFileSync(optionsFile, JSON.stringify(stack.options(program("killed"))));
    const child = spawn(process.execPath, ["--require", "tsx/cjs", join(fixtures, "kill", "up.ts"), optionsFile], { cwd: process.cwd(), stdio: "ignore" });
    const ended = new Promise((resolve) => child.on("close", resolve));
    while (child.exitCode === null && await plane.call("GET", "/apis/apps/v1/namespaces/killed/deployments/stuck") === undefined) await sleep(50);
    child.kill("SIGKILL");
    await ended;
    expect(existsSync(journalFile(stack.stateFile))).toBe(true);
    const { objects: [space, stuck], ...rest } = program("killed");
    if (space === undefined || stuck === undefined) throw new Error("the program has two objects");
    const relaxed = { ...stuck, object: { ...stuck.object, metadata: { name: "stuck", namespace: "killed", annotations: { "pulumi.com/skipAwait": "true" } } } };
    const next = await stack.run(up, { ...rest, objects: [space, relaxed] });
    expect(errors(next)).toBe("");
    expect(stack.resource("main-deployment-stuck").id).toBe("killed/stuck");
    expect(errors(await stack.run(destroy, program("killed")))).toBe("");
  });
});
