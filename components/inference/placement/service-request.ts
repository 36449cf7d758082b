import { model as modelFact, type ModelFact } from "../../catalog";
import type { Finding } from "../../environment/problems";
import type { Environment, InferenceServiceSpec } from "../../environment/schema";
import type { ServicePlan } from "../plan-types";
import { gigabyte, weightsBytes, type ReplicaRequest } from "../sizing";
import { modelFromConfig } from "../sizing/model-config";
import { chooseEngine, engineFault, type EngineChoice } from "./engine-choice";

/** A service with its model, engine and replica settled, before it has a place. */
export interface ServiceRequest {
  name: string;
  spec: InferenceServiceSpec;
  model: ModelFact;
  engine: EngineChoice;
  request: ReplicaRequest;
  moreModels: NonNullable<ServicePlan["moreModels"]>;
  /** Folders that its pods need on the hot tier, with their decimal gigabytes. */
  folders: ReadonlyMap<string, number>;
  notes: string[];
}

/** Folder of a model below the model store: the id, or the path without what makes it a path. */
export function modelFolder(model: string): string {
  return model.replace(/^(\.?\/)+/, "").replace(/\/+$/, "");
}

function modelOf(id: string, config: Record<string, unknown> | undefined, parametersBillion: number | undefined, keys: readonly PropertyKey[]): { model?: ModelFact; findings: Finding[] } {
  const known = modelFact(id);
  if (known !== undefined) return { model: known, findings: [] };
  if (config === undefined) {
    return { findings: [{ keys: [...keys, "modelConfig"], message: "is needed to size a model that is not in the catalog", value: undefined, fix: `Paste the config.json of ${id} below modelConfig: YAML takes JSON as it is.` }] };
  }
  const read = modelFromConfig(config, parametersBillion);
  if (read.ok) return { model: { ...read.model, name: modelFolder(id) }, findings: [] };
  return { findings: read.findings.map((finding) => ({ ...finding, keys: [...keys, "modelConfig", ...finding.keys] })) };
}

/** Weights that a publisher quantised are loaded as they are, whatever precision is written. */
function formatNotes({ model, precision, checkpointBytes }: ReplicaRequest): string[] {
  const published = model.publishedPrecision;
  if (precision === "fp8" && published !== "fp8" && published !== "mxfp4" && checkpointBytes === undefined) {
    return ["weights are counted with every linear layer in FP8; publishers that keep some in 16 bits need up to a fifth more: state weights.sizeGB for such a checkpoint"];
  }
  if (published !== "mxfp4" && published !== "fp8") return [];
  if (precision === "bf16" || precision === "fp16" || precision === "fp32" || (published === "mxfp4" && precision !== "int4")) return [`weights stay in ${published}, as published; ${precision} is what the rest computes in`];
  return [];
}

/** Reads a service: which model and engine, and what one replica must do. */
export function serviceRequest(name: string, spec: InferenceServiceSpec): { service?: ServiceRequest; findings: Finding[] } {
  const keys = ["services", name];
  const findings: Finding[] = [];
  const main = modelOf(spec.model, spec.modelConfig, spec.parametersBillion, keys);
  findings.push(...main.findings);
  const others: { id: string; folder: string; precision: InferenceServiceSpec["precision"]; model: ModelFact }[] = [];
  for (const [id, more] of Object.entries(spec.moreModels)) {
    const read = modelOf(more.model, more.modelConfig, undefined, [...keys, "moreModels", id]);
    findings.push(...read.findings);
    if (read.model !== undefined) others.push({ id, folder: modelFolder(more.model), precision: more.precision, model: read.model });
  }
  const { model } = main;
  if (model === undefined) return { findings };
  const engine = chooseEngine(spec, model);
  const fault = engineFault(engine.engine, model, Object.keys(spec.moreModels).length);
  if (fault !== undefined) findings.push({ keys: [...keys, "engine"], value: engine.engine, ...fault });
  if (spec.contextTokens !== undefined && spec.contextTokens > model.contextTokens) {
    findings.push({ keys: [...keys, "contextTokens"], message: `is more than ${model.name} takes`, value: spec.contextTokens, allowed: `at most ${model.contextTokens}` });
  }
  if (findings.length > 0) return { findings };
  const request: ReplicaRequest = {
    model,
    precision: spec.precision,
    keyValuePrecision: spec.kvCachePrecision,
    contextTokens: spec.contextTokens ?? model.contextTokens,
    concurrency: spec.concurrency,
    engine: engine.engine,
    ...(spec.weights.sizeGB === undefined ? {} : { checkpointBytes: spec.weights.sizeGB * gigabyte }),
    ...(spec.memoryUtilization === undefined ? {} : { memoryUtilization: spec.memoryUtilization }),
    ...(spec.tensorParallel === undefined ? {} : { tensorParallel: spec.tensorParallel }),
    ...(spec.pipelineParallel === undefined ? {} : { pipelineParallel: spec.pipelineParallel }),
    ...(spec.gpusPerReplica === undefined ? {} : { gpus: spec.gpusPerReplica }),
    ...(others.length === 0 ? {} : { moreModels: others.map(({ model: each, precision }) => ({ model: each, precision })) }),
  };
  const moreModels = Object.fromEntries(others.map(({ id, model: each, precision }) => [id, { model: each, weightsGB: weightsBytes(each, precision) / gigabyte }]));
  const folders = new Map([[spec.weights.folder ?? modelFolder(spec.model), spec.weights.sizeGB ?? weightsBytes(model, spec.precision) / gigabyte]]);
  for (const { id, folder } of others) folders.set(folder, Math.max(folders.get(folder) ?? 0, moreModels[id]?.weightsGB ?? 0));
  return { service: { name, spec, model, engine, request, moreModels, folders, notes: formatNotes(request) }, findings };
}

/** All services in the order in which they are placed: interactive before batch, large before small, then by name. */
export function serviceRequests(environment: Pick<Environment, "services">): { services: ServiceRequest[]; findings: Finding[] } {
  const read = Object.entries(environment.services).sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, spec]) => serviceRequest(name, spec));
  const urgency = ({ spec }: ServiceRequest): number => (spec.priority === "interactive" ? 0 : 1);
  const size = ({ request }: ServiceRequest): number => weightsBytes(request.model, request.precision) + request.concurrency * request.contextTokens;
  const stated = ({ spec }: ServiceRequest): number => spec.gpusPerReplica ?? (spec.tensorParallel ?? 1) * (spec.pipelineParallel ?? 1);
  const services = read.map(({ service }) => service).filter((service) => service !== undefined);
  return { services: services.sort((a, b) => urgency(a) - urgency(b) || stated(b) - stated(a) || size(b) - size(a) || (a.name < b.name ? -1 : 1)), findings: read.flatMap(({ findings }) => findings) };
}
