import { Server, ServerCredentials, status } from "@grpc/grpc-js";
import type { sendUnaryData, ServerUnaryCall, UntypedServiceImplementation } from "@grpc/grpc-js";
import { EngineService } from "@pulumi/pulumi/proto/engine_grpc_pb";
import { GetRootResourceResponse, LogSeverity, RequirePulumiVersionResponse, SetRootResourceResponse } from "@pulumi/pulumi/proto/engine_pb";
import type { LogRequest, SetRootResourceRequest } from "@pulumi/pulumi/proto/engine_pb";
import { ResourceMonitorService } from "@pulumi/pulumi/proto/resource_grpc_pb";
import {
  DeploymentInfo, ReadResourceResponse, RegisterPackageResponse, RegisterResourceResponse, ResourceMonitorFeature, Result,
  SupportsFeatureResponse,
} from "@pulumi/pulumi/proto/resource_pb";
import type {
  ReadResourceRequest, RegisterPackageRequest, RegisterResourceOutputsRequest, RegisterResourceRequest, ResourceCallRequest,
  ResourceInvokeRequest, SupportsFeatureRequest,
} from "@pulumi/pulumi/proto/resource_pb";
import { Empty } from "google-protobuf/google/protobuf/empty_pb";
import type { Severity } from "./events";
import { goalOf } from "./goal";
import type { Goal } from "./model";
import { NotCovered } from "./providers";
import type { PropertyMap } from "./values";
import { marshal, unmarshal } from "./wire";

const MAX_MESSAGE_BYTES = 400 * 1024 * 1024;
// The SDK asks for everything at once; more calls under way only cost memory, in both processes.
const MAX_CALLS = 256;

// What the SDK may use. Everything else it refuses on its side, naming the option.
const FEATURES: [string, ResourceMonitorFeature][] = [
  ["secrets", ResourceMonitorFeature.RESOURCE_MONITOR_FEATURE_SECRETS],
  ["resourceReferences", ResourceMonitorFeature.RESOURCE_MONITOR_FEATURE_RESOURCE_REFERENCES],
  ["outputValues", ResourceMonitorFeature.RESOURCE_MONITOR_FEATURE_OUTPUT_VALUES],
  ["aliasSpecs", ResourceMonitorFeature.RESOURCE_MONITOR_FEATURE_ALIAS_SPECS],
  ["deletedWith", ResourceMonitorFeature.RESOURCE_MONITOR_FEATURE_DELETED_WITH],
];

export interface Registered {
  urn: string;
  /** Empty when it is not known yet. */
  id: string;
  outputs: PropertyMap;
  result: "success" | "fail" | "skip";
}

/** What the program can ask of a run. */
export interface ProgramCalls {
  register(goal: Goal): Promise<Registered>;
  registerOutputs(urn: string, outputs: PropertyMap): void;
  read(goal: Goal, id: string): Promise<Registered>;
  log(severity: Severity, message: string, urn: string): void;
  /** @throws NotCovered for a package that the engine cannot manage */
  requirePackage(name: string): void;
}

/** The run has stopped: the SDK ends the program quietly on this instead of reporting one more error. */
export class Stopped extends Error {}

/** Facts about the run that a program may ask for. */
export interface RunInfo {
  project: string;
  stack: string;
  preview: boolean;
  parallel: number;
  config: Record<string, string>;
  secretKeys: string[];
}

export interface RunningServer {
  /** `host:port` on loopback. */
  address: string;
  close(): void;
}

type Handler<Req, Res> = (call: ServerUnaryCall<Req, Res>, done: sendUnaryData<Res>) => void;

function handler<Req, Res>(answer: (request: Req) => Promise<Res> | Res): Handler<Req, Res> {
  return (call, done) => {
    void (async (): Promise<void> => {
      try {
        done(null, await answer(call.request));
      } catch (error) {
        const message = error instanceof Error ? error.message : String(error);
        done({ code: error instanceof Stopped ? status.UNAVAILABLE : status.UNKNOWN, details: message, message });
      }
    })();
  };
}

function notCovered(what: string): Handler<unknown, Empty> {
  return handler(() => {
    throw new NotCovered(what);
  });
}

const SEVERITY: Record<number, Severity> = {
  [LogSeverity.DEBUG]: "debug",
  [LogSeverity.INFO]: "info",
  [LogSeverity.WARNING]: "warning",
  [LogSeverity.ERROR]: "error",
};

function registerResponse(registered: Registered): RegisterResourceResponse {
  const response = new RegisterResourceResponse();
  response.setUrn(registered.urn);
  response.setId(registered.id);
  response.setObject(marshal(registered.outputs));
  response.setResult(registered.result === "success" ? Result.SUCCESS : Result.FAIL);
  return response;
}

/** Serves Pulumi's ResourceMonitor and Engine services to one program, on loopback only. */
export async function serveProgram(program: () => ProgramCalls, info: RunInfo): Promise<RunningServer> {
  const server = new Server({
    "grpc.max_receive_message_length": MAX_MESSAGE_BYTES,
    "grpc.max_send_message_length": MAX_MESSAGE_BYTES,
    "grpc.max_concurrent_streams": MAX_CALLS,
  });
  server.addService(ResourceMonitorService, monitorHandlers(program, info));
  server.addService(EngineService, engineHandlers(program));
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) => {
      if (error === null) resolve(bound);
      else reject(error);
    });
  });
  return { address: `127.0.0.1:${String(port)}`, close: () => { server.forceShutdown(); } };
}

function monitorHandlers(program: () => ProgramCalls, info: RunInfo): UntypedServiceImplementation {
  const handlers = {
    getDeploymentInfo: handler(() => deploymentInfo(info)),
    supportsFeature: handler((request: SupportsFeatureRequest) => {
      const response = new SupportsFeatureResponse();
      response.setHassupport(FEATURES.some(([name]) => name === request.getId()));
      return response;
    }),
    registerResource: handler(async (request: RegisterResourceRequest) => registerResponse(await program().register(goalOf(request)))),
    registerResourceOutputs: handler((request: RegisterResourceOutputsRequest) => {
      program().registerOutputs(request.getUrn(), unmarshal(request.getOutputs()));
      return new Empty();
    }),
    readResource: handler(async (request: ReadResourceRequest) => {
      const read = await program().read(readGoal(request), request.getId());
      const response = new ReadResourceResponse();
      response.setUrn(read.urn);
      response.setProperties(marshal(read.outputs));
      return response;
    }),
    registerPackage: handler((request: RegisterPackageRequest) => {
      program().requirePackage(request.getName());
      const response = new RegisterPackageResponse();
      response.setRef(request.getName());
      return response;
    }),
    invoke: handler((request: ResourceInvokeRequest) => {
      throw new NotCovered(`the function ${request.getTok()}`);
    }),
    call: handler((request: ResourceCallRequest) => {
      throw new NotCovered(`the method ${request.getTok()}`);
    }),
    registerStackTransform: notCovered("a stack transform"),
    registerStackInvokeTransform: notCovered("an invoke transform"),
    registerResourceHook: notCovered("a resource hook"),
    registerErrorHook: notCovered("an error hook"),
    signalAndWaitForShutdown: handler(() => new Empty()),
  };
  return handlers;
}

function engineHandlers(program: () => ProgramCalls): UntypedServiceImplementation {
  let root = "";
  const handlers = {
    log: handler((request: LogRequest) => {
      const severity = SEVERITY[request.getSeverity()] ?? "info";
      if (severity !== "debug") program().log(severity, request.getMessage(), request.getUrn());
      return new Empty();
    }),
    getRootResource: handler(() => {
      const response = new GetRootResourceResponse();
      response.setUrn(root);
      return response;
    }),
    setRootResource: handler((request: SetRootResourceRequest) => {
      root = request.getUrn();
      return new SetRootResourceResponse();
    }),
    startDebugging: notCovered("the debugger"),
    requirePulumiVersion: handler(() => new RequirePulumiVersionResponse()),
  };
  return handlers;
}

function deploymentInfo(info: RunInfo): DeploymentInfo {
  const response = new DeploymentInfo();
  response.setProject(info.project);
  response.setStack(info.stack);
  response.setOrganization("organization");
  response.setDryrun(info.preview);
  response.setParallel(info.parallel);
  response.setConfigsecretkeysList(info.secretKeys);
  for (const [key, value] of Object.entries(info.config)) response.getConfigMap().set(key, value);
  response.setSupportedfeaturesList(FEATURES.map(([, feature]) => feature));
  return response;
}

function readGoal(request: ReadResourceRequest): Goal {
  return {
    type: request.getType(),
    name: request.getName(),
    custom: true,
    parent: request.getParent(),
    inputs: unmarshal(request.getProperties()),
    provider: request.getProvider(),
    version: request.getVersion(),
    protect: false,
    retainOnDelete: false,
    dependencies: request.getDependenciesList(),
    propertyDependencies: {},
    ignoreChanges: [],
    replaceOnChanges: [],
    additionalSecretOutputs: request.getAdditionalsecretoutputsList(),
    aliases: [],
    customTimeouts: {},
    deletedWith: "",
  };
}
