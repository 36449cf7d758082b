import type { Environment, Server } from "../environment/schema";
import { backupArgs, backupStoreArgs, planBackups } from "../recovery/backup-plan";
import { balancerArgs, balancerPackages, planHostBalancer, type HostBalancerPlan } from "../recovery/standby/host-step";
import { k3sArgs, planK3s, type K3sPlan } from "./k3s-plan";
import { planMig, type MigPlan } from "./mig-plan";
import { monitoringArgs, planHostMonitoring, type HostMonitoringPlan } from "./monitoring-plan";
import { remoteScript, revisionOf, scriptOf, type HostStepKind } from "./scripts";
import { shellCommand } from "./shell";
import { planSoftware, usesObjectStore, type PlannedPackage, type SoftwarePlan } from "./software-plan";
import { foldersOn } from "./tier-folders";
import { planTiers, type TierPlan } from "./tiers-plan";

export type { HostStepKind } from "./scripts";
export type { DriverPlan, PlannedPackage, SoftwarePlan } from "./software-plan";
export type { TierPlan } from "./tiers-plan";

/** One script on one server, with its flags. */
export interface HostStep {
  kind: HostStepKind;
  /** `gpu-01-base`, `gpu-01-hot`, `gpu-01-object-store`, `gpu-01-driver`, `gpu-01-mig`, `gpu-01-standby`, `gpu-01-monitoring`, `gpu-01-k3s`. */
  name: string;
  script: string;
  args: string[];
  revision: string;
  /** Names of the steps that must be done before. */
  dependsOn: string[];
}

/** How a server is reached. The key is a secret and is not here. */
export interface Connection {
  host: string;
  port: number;
  user: string;
  hostKey: string;
  dialTimeoutSeconds: number;
  bastion?: { host: string; port: number; user: string; hostKey: string };
}

export interface ServerPlan {
  name: string;
  connection: Connection;
  /** What makes it a GPU host. */
  steps: HostStep[];
  /** What joins it to the cluster, once `steps` are done. They depend on steps of other servers as well. */
  clusterSteps: HostStep[];
  /** What lets it be recovered: backups of it, and those that it keeps for others. */
  recoverySteps: HostStep[];
  tiers: TierPlan[];
  software: SoftwarePlan;
  /** How its GPUs are cut on the host; absent where they are not. */
  mig?: MigPlan;
  /** What it is to the hot standby; absent where it is no balancer. */
  balancer?: HostBalancerPlan;
  /** What it measures of itself; absent where the environment wants no monitoring. */
  monitoring?: HostMonitoringPlan;
  /** What it is to a k3s cluster; absent where there is none. */
  k3s?: K3sPlan;
  /** All packages of all steps. */
  packages: PlannedPackage[];
  /** What cannot work as written, and what to do. */
  problems: string[];
  notes: string[];
}

function connectionOf({ ssh }: Environment, server: Server): Connection {
  const { bastion } = ssh;
  return {
    host: server.address,
    port: server.port ?? ssh.port,
    user: ssh.user,
    hostKey: server.hostKey,
    dialTimeoutSeconds: ssh.dialTimeoutSeconds,
    ...(bastion === undefined ? {} : { bastion: { host: bastion.address, port: bastion.port, user: bastion.user, hostKey: bastion.hostKey } }),
  };
}

function step(kind: HostStepKind, name: string, args: string[], dependsOn: string[]): HostStep {
  return { kind, name, script: scriptOf(kind), args, revision: revisionOf(kind), dependsOn };
}

/** The provider asks a server with an RSA key for its SHA-1 signature, which OpenSSH has refused to make since 8.8. */
function hostKeyProblems({ hostKey, bastion }: Connection): string[] {
  return [...(hostKey.startsWith("ssh-rsa ") ? ["the server's"] : []), ...(bastion?.hostKey.startsWith("ssh-rsa ") ? ["the bastion's"] : [])].map(
    (whose) => `${whose} host key is of type ssh-rsa, which OpenSSH 8.8 and newer do not offer in the form that is asked for. Give its ssh-ed25519 key: /etc/ssh/ssh_host_ed25519_key.pub.`,
  );
}

const packageFlags = (packages: readonly PlannedPackage[]): string[] =>
  packages.flatMap(({ name, version, hold }) => [hold ? "--held-package" : "--package", version === undefined ? name : `${name}=${version}`]);

const yesOrNo = (value: boolean): string => (value ? "yes" : "no");

function baseStep({ site, software }: Environment, server: string, plan: SoftwarePlan, hasGpus: boolean): HostStep {
  return step("base-environment", `${server}-base`, [
    "--os", software.os,
    "--internet-access", yesOrNo(site.internetAccess),
    ...(site.mirror?.apt === undefined ? [] : ["--apt-mirror", site.mirror.apt]),
    ...plan.repositories.flatMap((repository) => ["--repository", repository]),
    ...packageFlags(plan.base),
    "--cuda-toolkit", hasGpus ? software.cudaToolkit : "none",
    "--rdma", plan.rdma,
  ], []);
}

function tierStep(environment: Environment, server: string, tier: TierPlan): HostStep {
  return step("storage-tier", `${server}-${tier.tier}`, [
    "--tier", tier.tier,
    "--level", tier.level,
    "--chunk-kib", String(tier.chunkKiB),
    "--data-drives", String(tier.dataDrives),
    "--mount", tier.mount,
    "--array-name", tier.arrayName,
    ...tier.drives.flatMap((id) => ["--drive", id]),
    ...foldersOn(environment, server, tier.tier).flatMap((folder) => ["--folder", folder]),
  ], [`${server}-base`]);
}

function objectStoreStep(server: string, store: NonNullable<Environment["site"]["objectStore"]>): HostStep {
  return step("object-store", `${server}-object-store`, ["--endpoint", store.endpoint, "--bucket", store.bucket, "--region", store.region], [`${server}-base`]);
}

function driverStep(server: string, plan: SoftwarePlan, powerLimitWatts: number | undefined): HostStep[] {
  const { driver } = plan;
  if (driver === undefined) return [];
  return [
    step("gpu-driver", `${server}-driver`, [
      "--branch", driver.branch,
      "--version", driver.version,
      "--source", driver.source,
      ...packageFlags(driver.packages),
      "--fabric-manager", yesOrNo(driver.fabricManager !== false),
      "--persistence", yesOrNo(driver.persistenceDaemon),
      ...(driver.containerToolkit === undefined ? [] : ["--container-toolkit", driver.containerToolkit]),
      "--gpu-count", String(driver.gpuCount),
      ...(driver.gpuName === undefined ? [] : ["--gpu-name", driver.gpuName]),
      ...(powerLimitWatts === undefined ? [] : ["--power-limit-watts", String(powerLimitWatts)]),
    ], [`${server}-base`]),
  ];
}

function migStep(server: string, { profile, instancesPerGpu, gpuCount }: MigPlan): HostStep {
  return step("mig", `${server}-mig`, ["--profile", profile, "--instances", String(instancesPerGpu), "--gpu-count", String(gpuCount)], [`${server}-driver`]);
}

function standbyStep(server: string, plan: HostBalancerPlan): HostStep {
  return step("standby", `${server}-standby`, balancerArgs(plan), [`${server}-base`]);
}

/** After all others: it looks at the tiers and the driver, and on a bare host its data lies on a tier. */
function monitoringStep(server: string, plan: HostMonitoringPlan, before: readonly HostStep[]): HostStep {
  return step("monitoring", `${server}-monitoring`, monitoringArgs(plan), before.map(({ name }) => name));
}

function k3sStep(environment: Environment, server: string, plan: K3sPlan): HostStep {
  return step("k3s", `${server}-k3s`, k3sArgs(environment, server, plan), plan.after === undefined ? [] : [`${plan.after}-k3s`]);
}

/** Backups of a server first: the key that its step makes is let in by the one that keeps them. */
function backupSteps(environment: Environment, server: string): HostStep[] {
  const { sources, stores } = planBackups(environment);
  const source = sources[server];
  const store = stores[server];
  return [
    ...(source === undefined ? [] : [step("backup", `${server}-backup`, backupArgs(environment, server, source), [])]),
    ...(store === undefined ? [] : [step("backup-store", `${server}-backup-store`, backupStoreArgs(environment, store), store.repositories.map((repository) => `${repository.server}-backup`))]),
  ];
}

/**
 * What is done on one server, as plain data: no secrets, no Outputs, the same on every machine.
 * @throws Error when the environment has no server of that name.
 */
export function planServer(environment: Environment, serverName: string): ServerPlan {
  const server = Object.hasOwn(environment.servers, serverName) ? environment.servers[serverName] : undefined;
  if (server === undefined) throw new Error(`the environment has no server ${serverName}`);
  const tiers = planTiers(serverName, server);
  const software = planSoftware(environment, serverName, server);
  const { objectStore } = environment.site;
  const connection = connectionOf(environment, server);
  const mig = planMig(environment, server);
  const balancer = planHostBalancer(environment, serverName);
  const monitoring = planHostMonitoring(environment, serverName, server);
  const k3s = planK3s(environment, serverName);
  const steps = [
    baseStep(environment, serverName, software, server.gpus !== undefined),
    ...tiers.map((tier) => tierStep(environment, serverName, tier)),
    ...(objectStore !== undefined && usesObjectStore(environment, server) ? [objectStoreStep(serverName, objectStore)] : []),
    ...driverStep(serverName, software, server.gpus?.powerLimitWatts),
    ...(mig === undefined ? [] : [migStep(serverName, mig)]),
    ...(balancer === undefined ? [] : [standbyStep(serverName, balancer)]),
  ];
  return {
    name: serverName,
    connection,
    steps: monitoring === undefined ? steps : [...steps, monitoringStep(serverName, monitoring, steps)],
    clusterSteps: k3s === undefined ? [] : [k3sStep(environment, serverName, k3s)],
    recoverySteps: backupSteps(environment, serverName),
    tiers,
    software,
    ...(mig === undefined ? {} : { mig }),
    ...(balancer === undefined ? {} : { balancer }),
    ...(monitoring === undefined ? {} : { monitoring }),
    ...(k3s === undefined ? {} : { k3s }),
    packages: [...software.base, ...(software.driver?.packages ?? []), ...(monitoring?.bare?.packages ?? []), ...(balancer === undefined ? [] : balancerPackages.map((each) => ({ name: each, hold: false })))],
    problems: [...hostKeyProblems(connection), ...software.problems, ...(monitoring?.bare?.problems ?? [])],
    notes: [...software.notes, ...(monitoring?.bare?.notes ?? [])],
  };
}

/** The command line that runs a step on its server, for a login shell. Users other than root need password-less sudo. */
export function commandLine(hostStep: HostStep, verb: "check" | "apply", user: string): string {
  return shellCommand([
    ...(user === "root" ? [] : ["sudo", "-n"]),
    "bash", remoteScript(hostStep.kind), verb, "--step", hostStep.name, "--revision", hostStep.revision, ...hostStep.args,
  ]);
}
