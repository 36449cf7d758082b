import { remote } from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import type { Drive, Environment, Server as ServerFacts } from "../environment/schema";
import { BaseEnvironment } from "./base-environment";
import { remoteConnection, type Credentials } from "./credentials";
import { GpuDriver } from "./gpu-driver";
import { HostMonitoring } from "./host-monitoring";
import type { HostStepArgs } from "./host-command";
import { MigLayout } from "./mig-layout";
import { StandbyBalancer } from "../recovery/standby/standby-balancer";
import { ObjectStore } from "./object-store";
import { planServer, type ServerPlan } from "./plan";
import { REMOTE_FOLDER, SCRIPTS_FOLDER } from "./scripts";
import { StorageTier } from "./storage-tier";

export interface ServerArgs {
  environment: Environment;
  /** @default - the SSH agent, and no object store */
  credentials?: Credentials;
}

/** One bare server made into a GPU host: tools, base environment, storage tiers, driver. */
export class Server extends pulumi.ComponentResource {
  readonly plan: ServerPlan;
  /** The host scripts and every step of the server. What joins it to a cluster depends on them. */
  readonly commands: readonly pulumi.CustomResource[];
  /** Resolves when the engine has answered for every resource of the server, well or not; what failed it reports itself. */
  readonly registered: Promise<void>;

  constructor(name: string, args: ServerArgs, options?: pulumi.ComponentResourceOptions) {
    const { environment, credentials = {} } = args;
    const plan = planServer(environment, name);
    const facts = environment.servers[name] as ServerFacts;
    const spec = { name, ...facts };
    super("rackwright:servers:Server", name, spec, options);
    this.plan = plan;

    const connection = remoteConnection(plan.connection, credentials);
    const tools = new remote.CopyToRemote(
      `${name}-tools`,
      { connection, source: new pulumi.asset.FileArchive(SCRIPTS_FOLDER), remotePath: REMOTE_FOLDER },
      { parent: this },
    );
    const done = new Map<string, remote.Command>();
    for (const step of plan.steps) {
      const before = step.dependsOn.flatMap((other) => done.get(other) ?? []);
      const { command } = this.register(facts, args, { step, user: plan.connection.user, connection, dependsOn: [tools, ...before] });
      done.set(step.name, command);
    }
    this.registerOutputs(spec);
    this.commands = [tools, ...done.values()];
    this.registered = settled(this.commands);
  }

  private register(facts: ServerFacts, { environment, credentials = {} }: ServerArgs, common: Omit<HostStepArgs<unknown>, "spec">): { readonly command: remote.Command } {
    const { step } = common;
    const { software, tiers, mig, balancer, monitoring, name: server } = this.plan;
    const { os, cudaToolkit } = environment.software;
    const options = { parent: this };
    switch (step.kind) {
      case "base-environment":
        return new BaseEnvironment(step.name, { ...common, spec: { server, os, cudaToolkit, packages: software.base, repositories: software.repositories, rdma: software.rdma } }, options);
      case "storage-tier": {
        const tier = tiers.find((candidate) => `${server}-${candidate.tier}` === step.name);
        if (tier === undefined) throw new Error(`no tier is planned for the step ${step.name}`);
        const drives = tier.drives.map((id) => ({ id, ...(facts.drives[id] as Drive) }));
        return new StorageTier(step.name, { ...common, spec: { ...tier, server, drives } }, options);
      }
      case "object-store": {
        if (environment.site.objectStore === undefined) throw new Error(`no object store is in the environment of the step ${step.name}`);
        const { objectStoreAccessKeyId: accessKeyId, objectStoreSecretAccessKey: secretAccessKey } = credentials;
        return new ObjectStore(step.name, { ...common, spec: { server, ...environment.site.objectStore }, ...(accessKeyId === undefined || secretAccessKey === undefined ? {} : { accessKeyId, secretAccessKey }) }, options);
      }
      case "gpu-driver": {
        if (facts.gpus === undefined || software.driver === undefined) throw new Error(`no GPUs are on the server of the step ${step.name}`);
        const { gpuCount: _count, gpuName: _name, ...driver } = software.driver;
        return new GpuDriver(step.name, { ...common, spec: { ...driver, server, gpus: facts.gpus, cudaToolkit } }, options);
      }
      case "mig":
        if (mig === undefined) throw new Error(`no MIG layout is planned for the step ${step.name}`);
        return new MigLayout(step.name, { ...common, spec: { ...mig, server } }, options);
      case "standby": {
        if (balancer === undefined) throw new Error(`no balancer is planned for the step ${step.name}`);
        const { virtualAddress, port, services } = balancer.plan;
        return new StandbyBalancer(step.name, { ...common, spec: { server, virtualAddress, port, priority: balancer.own.priority, services: services.map(({ name }) => name) } }, options);
      }
      case "monitoring":
        if (monitoring === undefined) throw new Error(`no monitoring is planned for the step ${step.name}`);
        return new HostMonitoring(step.name, { ...common, server, plan: monitoring, credentials }, options);
      case "backup":
      case "backup-store":
        throw new Error(`the site's backup registers the step ${step.name}`);
      case "k3s":
        throw new Error(`the cluster registers the step ${step.name}`);
    }
  }
}

async function settled(resources: readonly pulumi.CustomResource[]): Promise<void> {
  await Promise.all(resources.map(({ urn }) => new Promise((resolve) => pulumi.recover(urn, () => "").apply(resolve))));
}
