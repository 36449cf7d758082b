import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { createInterface } from "node:readline";
import { credentials } from "@grpc/grpc-js";
import type { ServiceError } from "@grpc/grpc-js";
import { AnalyzerClient } from "@pulumi/pulumi/proto/analyzer_grpc_pb";
import {
  AnalyzeRequest, AnalyzerPropertyDependencies, AnalyzerProviderResource, AnalyzerResource, AnalyzerResourceOptions,
  AnalyzerStackConfigureRequest, AnalyzeStackRequest, ConfigureAnalyzerRequest, EnforcementLevel as ProtoLevel, PolicyConfig, PolicyType,
} from "@pulumi/pulumi/proto/analyzer_pb";
import type { AnalyzeDiagnostic, AnalyzerInfo, AnalyzeResponse, AnalyzerStackConfigureResponse, RemediateResponse } from "@pulumi/pulumi/proto/analyzer_pb";
import { Empty } from "google-protobuf/google/protobuf/empty_pb";
import type { EnforcementLevel } from "./events";
import { levelOf, policySettings } from "./policy-config";
import { LOOPBACK_WITHOUT_PROXY, resolveFrom } from "./program";
import type { ResourceState } from "./model";
import { urnName } from "./urn";
import type { PropertyMap } from "./values";
import { jsonToStruct, marshalForPolicies, unmarshal } from "./wire";

const MAX_MESSAGE_BYTES = 400 * 1024 * 1024;
const SEVERITIES = ["", "low", "medium", "high", "critical"];

// A pack is a server that would run on after the engine was killed: its standard input is a pipe that nobody writes to,
// and that closes with the engine.
const END_WITH_PARENT = "data:text/javascript,process.stdin.on('end',()=>process.exit(1)).resume().unref()";
const PROTO_LEVEL: Record<EnforcementLevel, ProtoLevel> = {
  advisory: ProtoLevel.ADVISORY, mandatory: ProtoLevel.MANDATORY, disabled: ProtoLevel.DISABLED, remediate: ProtoLevel.REMEDIATE,
};

/** What the pack says about one resource or about the stack. */
export interface Finding {
  policyName: string;
  policyPackName: string;
  policyPackVersion: string;
  message: string;
  level: EnforcementLevel;
  urn: string;
  severity: string;
}

export interface Remedy {
  policyName: string;
  policyPackName: string;
  policyPackVersion: string;
  /** The inputs after the remedy; absent when it could not run, and `diagnostic` says why. */
  inputs?: PropertyMap;
  diagnostic: string;
}

export interface PolicyPackOptions {
  dir: string;
  config: Record<string, unknown>;
  project: string;
  stack: string;
  preview: boolean;
  nodePath: string;
  nodeArgs: string[];
  engineAddress: string;
  stackConfig: Record<string, string>;
  onOutput: (line: string, stream: "stdout" | "stderr") => void;
}

/** Facts about a resource that policies see beside its properties. */
export interface PolicySubject {
  state: ResourceState;
  properties: PropertyMap;
  deleteBeforeReplace?: boolean;
  ignoreChanges: string[];
  aliases: string[];
  provider?: ResourceState;
}

/** A policy pack running in its own process, as Pulumi's analyzer plugin. */
export class PolicyPack {
  private constructor(
    private readonly client: AnalyzerClient,
    readonly name: string,
    readonly version: string,
    private readonly hasRemedies: boolean,
    private readonly hasResourcePolicies: boolean,
    private readonly hasStackPolicies: boolean,
  ) {}

  /** Starts the pack; `ready` rejects when it does not start or its configuration is wrong. `close` ends it at any time. */
  static start(options: PolicyPackOptions): { ready: Promise<PolicyPack>; close: () => void } {
    const program = resolveFrom(options.dir, "@pulumi/pulumi/cmd/run-policy-pack");
    const args = ["--import", END_WITH_PARENT, ...options.nodeArgs, program, options.engineAddress, options.dir];
    const child = spawn(options.nodePath, args, {
      cwd: options.dir,
      env: environment(options),
      stdio: ["pipe", "pipe", "pipe"],
      detached: true,
    });
    let client: AnalyzerClient | undefined;
    const connect = (port: string): AnalyzerClient => {
      client = new AnalyzerClient(`127.0.0.1:${port}`, credentials.createInsecure(), {
        "grpc.max_receive_message_length": MAX_MESSAGE_BYTES,
        "grpc.max_send_message_length": MAX_MESSAGE_BYTES,
        "grpc.enable_http_proxy": 0,
      });
      return client;
    };
    const close = (): void => {
      client?.close();
      child.kill("SIGKILL");
    };
    const ready = readPort(child, options).then((port) => PolicyPack.configure(connect(port), options));
    // A pack that is ended before it has started fails with nobody waiting for it any more.
    ready.catch(() => undefined);
    return { ready, close };
  }

  private static async configure(client: AnalyzerClient, options: PolicyPackOptions): Promise<PolicyPack> {
    const info = await call<AnalyzerInfo>((done) => client.getAnalyzerInfo(new Empty(), done));
    const settings = policySettings(info, options.config);
    const request = new ConfigureAnalyzerRequest();
    for (const [name, { level, properties }] of settings) {
      const config = new PolicyConfig();
      config.setEnforcementlevel(PROTO_LEVEL[level]);
      config.setProperties(jsonToStruct(properties));
      request.getPolicyconfigMap().set(name, config);
    }
    await call<Empty>((done) => client.configure(request, done));
    const stack = new AnalyzerStackConfigureRequest();
    stack.setStack(options.stack);
    stack.setProject(options.project);
    stack.setOrganization("organization");
    stack.setDryRun(options.preview);
    for (const [key, value] of Object.entries(options.stackConfig)) stack.getConfigMap().set(key, value);
    await call<AnalyzerStackConfigureResponse>((done) => client.configureStack(stack, done));
    const levels = [...settings.values()].map(({ level }) => level);
    const hasOtherThan = (type: PolicyType): boolean => info.getPoliciesList().some((policy, i) => policy.getPolicyType() !== type && levels[i] !== "disabled");
    return new PolicyPack(
      client, info.getName(), info.getVersion(), levels.includes("remediate"),
      hasOtherThan(PolicyType.POLICY_TYPE_STACK), hasOtherThan(PolicyType.POLICY_TYPE_RESOURCE),
    );
  }

  async remediate(subject: PolicySubject): Promise<Remedy[]> {
    if (!this.hasRemedies) return [];
    const response = await call<RemediateResponse>((done) => this.client.remediate(request(subject), done));
    return response.getRemediationsList().map((remedy) => ({
      policyName: remedy.getPolicyname(),
      policyPackName: remedy.getPolicypackname(),
      policyPackVersion: remedy.getPolicypackversion(),
      diagnostic: remedy.getDiagnostic(),
      ...(remedy.hasProperties() ? { inputs: unmarshal(remedy.getProperties()) } : {}),
    }));
  }

  async analyze(subject: PolicySubject): Promise<Finding[]> {
    if (!this.hasResourcePolicies) return [];
    const response = await call<AnalyzeResponse>((done) => this.client.analyze(request(subject), done));
    return response.getDiagnosticsList().map(finding);
  }

  async analyzeStack(subjects: PolicySubject[]): Promise<Finding[]> {
    // The request holds the whole stack: for a thousand servers it takes half a gigabyte, here and in the pack.
    if (!this.hasStackPolicies) return [];
    const message = new AnalyzeStackRequest();
    message.setResourcesList(subjects.map(stackResource));
    const response = await call<AnalyzeResponse>((done) => this.client.analyzeStack(message, done));
    return response.getDiagnosticsList().map(finding);
  }
}

function environment(options: PolicyPackOptions): NodeJS.ProcessEnv {
  const result: NodeJS.ProcessEnv = {
    ...process.env,
    ...LOOPBACK_WITHOUT_PROXY,
    PULUMI_NODEJS_PROJECT: options.project,
    PULUMI_NODEJS_STACK: options.stack,
    PULUMI_NODEJS_DRY_RUN: String(options.preview),
    // The start script always registers ts-node, which would type-check for seconds what tsx has compiled already.
    TS_NODE_IGNORE: ".*",
  };
  delete result["PULUMI_CONFIG_PASSPHRASE"];
  return result;
}

function readPort(child: ChildProcess, options: PolicyPackOptions): Promise<string> {
  return new Promise((resolve, reject) => {
    const failed = (why: string): void => { reject(new Error(`the policy pack ${options.dir} did not start: ${why}`)); };
    child.on("error", (error) => { failed(error.message); });
    child.on("close", (code, signal) => { failed(`it exited with ${signal ?? `code ${String(code)}`}`); });
    if (child.stdout === null || child.stderr === null) return;
    createInterface({ input: child.stdout }).on("line", (line) => {
      if (/^\d+$/.test(line)) resolve(line);
      else options.onOutput(line, "stdout");
    });
    createInterface({ input: child.stderr }).on("line", (line) => { options.onOutput(line, "stderr"); });
  });
}

function call<T>(start: (done: (error: ServiceError | null, response: T) => void) => unknown): Promise<T> {
  return new Promise((resolve, reject) => {
    start((error, response) => {
      if (error === null) resolve(response);
      else reject(new Error(`the policy pack failed: ${error.details}`));
    });
  });
}

function finding(diagnostic: AnalyzeDiagnostic): Finding {
  const level = levelOf(diagnostic.getEnforcementlevel());
  return {
    policyName: diagnostic.getPolicyname(),
    policyPackName: diagnostic.getPolicypackname(),
    policyPackVersion: diagnostic.getPolicypackversion(),
    message: diagnostic.getMessage(),
    // A remedy that left a violation has not remedied it.
    level: level === "remediate" ? "mandatory" : level,
    urn: diagnostic.getUrn(),
    severity: SEVERITIES[diagnostic.getSeverity()] ?? "",
  };
}

function optionsOf(subject: PolicySubject): AnalyzerResourceOptions {
  const { state } = subject;
  const options = new AnalyzerResourceOptions();
  options.setProtect(state.protect === true);
  options.setIgnorechangesList(subject.ignoreChanges);
  options.setAliasesList(subject.aliases);
  options.setAdditionalsecretoutputsList(state.additionalSecretOutputs ?? []);
  options.setParent(state.parent ?? "");
  if (subject.deleteBeforeReplace !== undefined) {
    options.setDeletebeforereplace(subject.deleteBeforeReplace);
    options.setDeletebeforereplacedefined(true);
  }
  const timeouts = new AnalyzerResourceOptions.CustomTimeouts();
  timeouts.setCreate(state.customTimeouts?.create ?? 0);
  timeouts.setUpdate(state.customTimeouts?.update ?? 0);
  timeouts.setDelete(state.customTimeouts?.delete ?? 0);
  options.setCustomtimeouts(timeouts);
  return options;
}

function fill<T extends AnalyzeRequest | AnalyzerResource>(message: T, subject: PolicySubject): T {
  const { state, provider } = subject;
  message.setType(state.type);
  message.setUrn(state.urn);
  message.setName(urnName(state.urn));
  message.setProperties(marshalForPolicies(subject.properties));
  message.setOptions(optionsOf(subject));
  if (provider !== undefined) {
    const resource = new AnalyzerProviderResource();
    resource.setType(provider.type);
    resource.setUrn(provider.urn);
    resource.setName(urnName(provider.urn));
    resource.setProperties(marshalForPolicies(provider.inputs));
    message.setProvider(resource);
  }
  return message;
}

function request(subject: PolicySubject): AnalyzeRequest {
  return fill(new AnalyzeRequest(), subject);
}

function stackResource(subject: PolicySubject): AnalyzerResource {
  const resource = fill(new AnalyzerResource(), subject);
  resource.setParent(subject.state.parent ?? "");
  resource.setDependenciesList(subject.state.dependencies);
  for (const [key, urns] of Object.entries(subject.state.propertyDependencies)) {
    const dependencies = new AnalyzerPropertyDependencies();
    dependencies.setUrnsList(urns);
    resource.getPropertydependenciesMap().set(key, dependencies);
  }
  return resource;
}
