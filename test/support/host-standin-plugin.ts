import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { Server, ServerCredentials, status } from "@grpc/grpc-js";
import type { sendUnaryData, ServerUnaryCall, UntypedServiceImplementation } from "@grpc/grpc-js";
import { PluginInfo } from "@pulumi/pulumi/proto/plugin_pb";
import { ResourceProviderService } from "@pulumi/pulumi/proto/provider_grpc_pb";
import {
  CheckResponse, ConfigureResponse, CreateResponse, DiffResponse, ReadResponse, UpdateResponse,
} from "@pulumi/pulumi/proto/provider_pb";
import type { CheckRequest, CreateRequest, DiffRequest, ReadRequest, UpdateRequest } from "@pulumi/pulumi/proto/provider_pb";
import { Empty } from "google-protobuf/google/protobuf/empty_pb";
import type { Struct } from "google-protobuf/google/protobuf/struct_pb";
import { jsonToStruct, structToJson } from "../../engine/wire";
import { answerOf, comparable, providerInputs } from "./host-standin";

// A plugin for the Pulumi CLI, started by it: the same answers as the stand-in of the embedded engine.
const kubeconfig = readFileSync(process.env["STANDIN_KUBECONFIG"] ?? "", "utf8");

/** What Pulumi writes for a value that only the step itself can tell. */
const unknown = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";

const answered = (inputs: Struct | undefined, preview: boolean): Struct =>
  jsonToStruct(answerOf(structToJson(inputs), preview ? unknown : kubeconfig) as ReturnType<typeof structToJson>);

function unary<Request, Response>(answer: (request: Request) => Response) {
  return (call: ServerUnaryCall<Request, Response>, done: sendUnaryData<Response>): void => { done(null, answer(call.request)); };
}

function checked(request: CheckRequest): CheckResponse {
  const response = new CheckResponse();
  response.setInputs(request.getNews());
  return response;
}

const methods: UntypedServiceImplementation = {
  handshake: (_call: unknown, done: sendUnaryData<Empty>) => { done({ code: status.UNIMPLEMENTED }); },
  checkConfig: unary((request: CheckRequest) => {
    const response = new CheckResponse();
    response.setInputs(jsonToStruct({ ...structToJson(request.getNews()), ...providerInputs }));
    return response;
  }),
  check: unary(checked),
  diffConfig: unary(() => new DiffResponse()),
  configure: unary(() => {
    const response = new ConfigureResponse();
    response.setAcceptsecrets(true);
    response.setSupportspreview(true);
    return response;
  }),
  diff: unary((request: DiffRequest) => {
    const response = new DiffResponse();
    const same = comparable(structToJson(request.getOldInputs())) === comparable(structToJson(request.getNews()));
    response.setChanges(same ? DiffResponse.DiffChanges.DIFF_NONE : DiffResponse.DiffChanges.DIFF_SOME);
    return response;
  }),
  create: unary((request: CreateRequest) => {
    const response = new CreateResponse();
    response.setId(randomUUID());
    response.setProperties(answered(request.getProperties(), request.getPreview()));
    return response;
  }),
  update: unary((request: UpdateRequest) => {
    const response = new UpdateResponse();
    response.setProperties(answered(request.getNews(), request.getPreview()));
    return response;
  }),
  read: unary((request: ReadRequest) => {
    const response = new ReadResponse();
    response.setId(request.getId());
    response.setProperties(request.getProperties());
    response.setInputs(request.getInputs());
    return response;
  }),
  delete: unary(() => new Empty()),
  cancel: unary(() => new Empty()),
  attach: unary(() => new Empty()),
  getPluginInfo: unary(() => {
    const info = new PluginInfo();
    info.setVersion("1.2.1");
    return info;
  }),
};

const server = new Server({ "grpc.max_receive_message_length": -1 });
server.addService(ResourceProviderService, methods);
server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, port) => {
  if (error !== null) throw error;
  // The CLI reads the port from the first line.
  process.stdout.write(`${port}\n`);
});
