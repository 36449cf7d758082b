import { didYouMean, type Finding } from "../problems";
import type { Environment, InferenceServiceSpec } from "../schema";
import type { Checkable } from "./checkable";

function unknownServer(keys: readonly PropertyKey[], name: string, environment: Checkable): Finding | undefined {
  if (environment.serverNames.includes(name)) return undefined;
  return { keys, message: "is not a server of this environment", value: name, fix: didYouMean(name, environment.serverNames, "Describe it under `servers` first.") };
}

function* serverListFindings(keys: readonly PropertyKey[], names: readonly string[], environment: Checkable): Generator<Finding> {
  for (const [index, name] of names.entries()) {
    const place = [...keys, index];
    const unknown = unknownServer(place, name, environment);
    if (unknown !== undefined) yield unknown;
    else if (names.indexOf(name) !== index) yield { keys: place, message: "is named twice", value: name };
  }
}

function* clusterFindings(environment: Checkable): Generator<Finding> {
  const { cluster, servers } = environment;
  if (cluster === undefined) return;
  const keys = ["cluster", "controlPlane"];
  yield* serverListFindings(keys, cluster.controlPlane, environment);
  if (cluster.distribution === "none" && cluster.controlPlane.length > 0) yield { keys, message: "names servers, but cluster.distribution is none", fix: "Write distribution: k3s, or leave the list out." };
  if (cluster.distribution === "none" && Object.keys(environment.services).length > 0) {
    yield { keys: ["cluster", "distribution"], message: "is none, but there are services, which run on a cluster", value: "none", allowed: "existing, k3s" };
  }
  if (cluster.distribution === "k3s" && cluster.controlPlane.length === 0) yield { keys, message: "needs at least one server for k3s" };
  for (const [index, name] of cluster.controlPlane.entries()) {
    const server = Object.hasOwn(servers, name) ? servers[name] : undefined;
    if (server !== undefined && !server.roles.includes("control-plane")) yield { keys: [...keys, index], message: "has no role control-plane", value: name, fix: `Add control-plane to servers.${name}.roles.` };
  }
  if (cluster.distribution !== "k3s") return;
  for (const [name, server] of Object.entries(servers)) {
    if (server.roles.includes("control-plane") && !cluster.controlPlane.includes(name)) {
      yield { keys: ["servers", name, "roles"], message: "says control-plane, but cluster.controlPlane does not name the server", fix: `Add ${name} to cluster.controlPlane.` };
    }
  }
}

/** Whether one entry of `accelerators` is on some server. */
function isPresent(accelerator: string, servers: Environment["servers"]): boolean {
  if (accelerator === "cpu") return true;
  return Object.values(servers).some((server) => server.gpus?.model === accelerator || server.npus?.resourceName === accelerator);
}

function* acceleratorFindings(keys: readonly PropertyKey[], service: InferenceServiceSpec, environment: Checkable): Generator<Finding> {
  if (environment.allServersKnown && service.accelerators.length > 0 && !service.accelerators.some((accelerator) => isPresent(accelerator, environment.servers))) {
    yield { keys: [...keys, "accelerators"], message: "names only accelerators that no server has", value: service.accelerators.join(", "), fix: "Name one that is there, or leave the list out for any that fits." };
  }
}

function* serviceFindings(environment: Checkable): Generator<Finding> {
  for (const [name, service] of Object.entries(environment.services)) {
    const keys = ["services", name];
    const { tensorParallel, pipelineParallel, gpusPerReplica } = service;
    const product = (tensorParallel ?? 1) * (pipelineParallel ?? 1);
    const stated = tensorParallel !== undefined && pipelineParallel !== undefined;
    if (gpusPerReplica !== undefined && (stated ? product !== gpusPerReplica : gpusPerReplica % product !== 0)) {
      yield { keys: [...keys, "gpusPerReplica"], message: `does not agree with tensorParallel x pipelineParallel, ${tensorParallel ?? "any"} x ${pipelineParallel ?? "any"}`, value: gpusPerReplica, fix: stated ? `Write ${product}, or leave it out.` : "Leave two of the three to the planner." };
    }
    yield* acceleratorFindings(keys, service, environment);
    if (service.standbyReplicas > 0 && environment.serverNames.length < 2) {
      yield { keys: [...keys, "standbyReplicas"], message: "needs a second server: a standby on the same one fails with it", value: service.standbyReplicas, fix: "Add a server or write 0." };
    }
  }
}

function* trainingFindings(environment: Checkable): Generator<Finding> {
  for (const [name, job] of Object.entries(environment.training)) {
    const keys = ["training", name];
    yield* serverListFindings([...keys, "servers"], job.servers, environment);
    if (job.zeroStage !== undefined && job.launcher !== "deepspeed") {
      yield { keys: [...keys, "zeroStage"], message: `is DeepSpeed's, but the launcher is ${job.launcher}`, value: job.zeroStage, fix: "Write launcher: deepspeed, or leave zeroStage out." };
    }
  }
}

function* standbyFindings(environment: Checkable, { mode, balancers, units }: Environment["recovery"]["standby"]): Generator<Finding> {
  const keys = ["recovery", "standby"];
  const distribution = environment.cluster?.distribution;
  if (balancers !== undefined) {
    yield* serverListFindings([...keys, "balancers"], balancers, environment);
    if (mode !== "keepalived") yield { keys: [...keys, "balancers"], message: `names servers, but the mode is ${mode}`, fix: "Write mode: keepalived, or leave the list out." };
  }
  for (const [name, { servers, standbyServers }] of Object.entries(units)) {
    yield* serverListFindings([...keys, "units", name, "servers"], servers, environment);
    yield* serverListFindings([...keys, "units", name, "standbyServers"], standbyServers, environment);
    for (const [index, server] of standbyServers.entries()) {
      if (servers.includes(server)) yield { keys: [...keys, "units", name, "standbyServers", index], message: "is among its servers as well: what fails with the active one is no standby", value: server };
    }
  }
  const count = Object.keys(units).length;
  if (count > 0 && mode !== "keepalived") yield { keys: [...keys, "units"], message: `stand by, but the mode is ${mode}`, fix: "Write mode: keepalived, or leave them out." };
  if (count > 0 && distribution !== undefined && distribution !== "none") yield { keys: [...keys, "units"], message: "are for sites without a cluster", fix: "Describe what runs on the cluster under `services`." };
}

function* recoveryFindings(environment: Checkable): Generator<Finding> {
  const { recovery, site, servers, cluster } = environment;
  if (recovery === undefined) return;
  const { standby } = recovery;
  if (standby.mode !== "none" && environment.serverNames.length < 2) yield { keys: ["recovery", "standby", "mode"], message: "needs a second server to switch to", value: standby.mode, fix: "Add a server or write none." };
  if (standby.mode === "kubernetes" && cluster?.distribution === "none") yield { keys: ["recovery", "standby", "mode"], message: "is kubernetes, but cluster.distribution is none", value: standby.mode, allowed: "none, keepalived" };
  if (standby.mode === "keepalived" && standby.virtualAddress === undefined) yield { keys: ["recovery", "standby", "virtualAddress"], message: "is required for keepalived: it is the address that moves" };
  yield* standbyFindings(environment, standby);
  if (!environment.allServersKnown || site === undefined) return;
  const present = (tier: "warm" | "cold"): boolean =>
    (tier === "cold" && site.objectStore !== undefined) || Object.values(servers).some((server) => server.tiers[tier] !== undefined);
  const users = [
    { keys: ["recovery", "checkpoints", "tier"], tier: recovery.checkpoints.tier },
    { keys: ["recovery", "coldStart", "imagesTier"], tier: recovery.coldStart.imagesTier },
  ];
  for (const { keys, tier } of users) {
    if (tier === undefined || present(tier)) continue;
    yield { keys, message: `is ${tier}, but no server has a ${tier} tier${tier === "cold" ? " and the site has no object store" : ""}`, value: tier, fix: tier === "cold" ? "Add a cold tier or site.objectStore, or write warm." : "Add a warm tier to a server." };
  }
}

/** Cluster, services, training and recovery agree with the servers there are. */
export function* workloadFindings(environment: Checkable): Generator<Finding> {
  yield* clusterFindings(environment);
  yield* serviceFindings(environment);
  yield* trainingFindings(environment);
  yield* recoveryFindings(environment);
}
