/**
 * Records what the real provider does with every case: `tsx test/engine/command-provider/record.ts PATH`, where PATH is
 * a pulumi-resource-command 1.2.1. It is spoken to as Pulumi's engine does, over gRPC.
 */
import { spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { Server, ServerCredentials, credentials } from "@grpc/grpc-js";
import type { ServiceError, UntypedServiceImplementation } from "@grpc/grpc-js";
import { EngineService } from "@pulumi/pulumi/proto/engine_grpc_pb";
import { LogSeverity } from "@pulumi/pulumi/proto/engine_pb";
import type { LogRequest } from "@pulumi/pulumi/proto/engine_pb";
import { ResourceProviderClient } from "@pulumi/pulumi/proto/provider_grpc_pb";
import * as messages from "@pulumi/pulumi/proto/provider_pb";
import { Empty } from "google-protobuf/google/protobuf/empty_pb";
import { Struct } from "google-protobuf/google/protobuf/struct_pb";
import { CASES, setStage } from "./cases";
import type { Call, Case, Outcome, Wire, WireMap } from "./cases";

const KINDS = ["add", "add", "delete", "delete", "update", "update"];

function struct(map: WireMap): Struct {
  return Struct.fromJavaScript(map);
}
/** Assets and archives lose their empty fields on the way into the engine. */
function withoutEmptyFields(value: Wire): Wire {
  if (Array.isArray(value)) return value.map(withoutEmptyFields);
  if (typeof value !== "object" || value === null) return value;
  const source = "hash" in value && "path" in value && "uri" in value;
  const kept = Object.entries(value).filter(([name, item]) => {
    if (!source) return true;
    return !(item === "" && name !== "text") && !(name === "assets" && value["path"] !== "");
  });
  return Object.fromEntries(kept.map(([name, item]) => [name, withoutEmptyFields(item)]));
}
function map(value: Struct | undefined): WireMap {
  return withoutEmptyFields(value?.toJavaScript() ?? {}) as WireMap;
}

class RealProvider {
  constructor(private readonly client: ResourceProviderClient) {}

  private ask<T>(start: (done: (error: ServiceError | null, reply: T) => void) => unknown): Promise<T> {
    return new Promise((resolve, reject) => {
      start((error, reply) => (error === null ? resolve(reply) : reject(new Error(error.details))));
    });
  }

  async configure(): Promise<void> {
    const request = new messages.ConfigureRequest();
    request.setAcceptsecrets(true);
    request.setAcceptresources(true);
    request.setSendsOldInputs(true);
    request.setSendsOldInputsToDelete(true);
    request.setArgs(struct({}));
    await this.ask<messages.ConfigureResponse>((done) => this.client.configure(request, done));
  }

  async run(urn: string, call: Call): Promise<Outcome> {
    switch (call.call) {
      case "check": {
        const request = new messages.CheckRequest();
        request.setUrn(urn);
        request.setNews(struct(call.news));
        const reply = await this.ask<messages.CheckResponse>((done) => this.client.check(request, done));
        const failures = reply.getFailuresList().map((failure) => failure.toObject());
        return { inputs: map(reply.getInputs()), failures };
      }
      case "diff": {
        const request = new messages.DiffRequest();
        request.setUrn(urn);
        request.setId("id");
        request.setOlds(struct(call.oldOutputs));
        request.setOldInputs(struct(call.oldInputs));
        request.setNews(struct(call.newInputs));
        request.setIgnorechangesList(call.ignoreChanges ?? []);
        const reply = await this.ask<messages.DiffResponse>((done) => this.client.diff(request, done));
        const detailed: [string, string][] = [];
        reply.getDetaileddiffMap().forEach((entry: messages.PropertyDiff, path: string) => {
          detailed.push([path, KINDS[entry.getKind()] ?? "?"]);
        });
        const changed = [...reply.getDiffsList()].sort();
        return { diff: { changed, replace: reply.getReplacesList(), detailed: Object.fromEntries(detailed.sort()) } };
      }
      case "create": {
        const request = new messages.CreateRequest();
        request.setUrn(urn);
        request.setProperties(struct(call.inputs));
        request.setPreview(call.preview === true);
        const reply = await this.ask<messages.CreateResponse>((done) => this.client.create(request, done));
        return { id: reply.getId().replace(/[0-9a-f]{8}$/, "<RANDOM>"), outputs: map(reply.getProperties()) };
      }
      case "update": {
        const request = new messages.UpdateRequest();
        request.setUrn(urn);
        request.setId("id");
        request.setOlds(struct(call.oldOutputs));
        request.setOldInputs(struct(call.oldInputs));
        request.setNews(struct(call.newInputs));
        request.setPreview(call.preview === true);
        const reply = await this.ask<messages.UpdateResponse>((done) => this.client.update(request, done));
        return { outputs: map(reply.getProperties()) };
      }
      case "delete": {
        const request = new messages.DeleteRequest();
        request.setUrn(urn);
        request.setId("id");
        request.setProperties(struct(call.outputs));
        request.setOldInputs(struct(call.inputs));
        await this.ask<Empty>((done) => this.client.delete(request, done));
        return {};
      }
    }
  }
}

async function record(plugin: string): Promise<void> {
  const stage = await setStage();
  let lines: string[] = [];
  const engine = new Server();
  const service: UntypedServiceImplementation = {
    log: (call: { request: LogRequest }, done: (error: null, reply: Empty) => void) => {
      if (call.request.getSeverity() !== LogSeverity.DEBUG) lines.push(call.request.getMessage());
      done(null, new Empty());
    },
    getRootResource: () => undefined,
    setRootResource: () => undefined,
    startDebugging: () => undefined,
    requirePulumiVersion: () => undefined,
  };
  engine.addService(EngineService, service);
  const port = await new Promise<number>((resolve, reject) => {
    engine.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) => (error === null ? resolve(bound) : reject(error)));
  });
  const environment = { ...process.env, SSH_AUTH_SOCK: "" };
  const child = spawn(plugin, [`127.0.0.1:${String(port)}`], { cwd: stage.program, env: environment, stdio: ["ignore", "pipe", "inherit"] });
  const address = await new Promise<string>((resolve) => child.stdout.once("data", (bytes: Buffer) => resolve(bytes.toString().trim())));
  const client = new ResourceProviderClient(`127.0.0.1:${address}`, credentials.createInsecure());
  const provider = new RealProvider(client);
  await provider.configure();

  const outcomes: { case: Case; outcome: Outcome }[] = [];
  for (const item of CASES) {
    stage.clear();
    lines = [];
    const urn = `urn:pulumi:dev::rack::${item.type}::gpu-01`;
    let outcome: Outcome;
    try {
      outcome = await provider.run(urn, stage.fill(item.call));
    } catch (error) {
      outcome = { error: error instanceof Error ? error.message : String(error) };
    }
    const ran = (item.call.call === "create" || item.call.call === "update") && item.call.preview !== true;
    if (ran || item.call.call === "delete") outcome = { ...outcome, log: [...lines].sort(), files: stage.files() };
    outcomes.push({ case: item, outcome: stage.strip(outcome) });
  }
  const made =
    "Made by record.ts: every case was sent over gRPC to pulumi-resource-command 1.2.1, built from its tagged source, " +
    "with two OpenSSH servers on loopback as host and bastion.";
  writeFileSync(join(__dirname, "recorded.json"), `${JSON.stringify({ made, outcomes }, null, 1)}\n`);
  client.close();
  child.kill();
  engine.forceShutdown();
  await stage.stop();
}

const plugin = process.argv[2];
if (plugin === undefined) throw new Error("name the plugin: record.ts PATH");
void record(plugin);
