import { namespaces } from "../../components/cluster/names";
import type { Environment } from "../../components/environment/schema";
import { nodePortName } from "../../components/recovery/standby/objects";
import { kubernetesDefaults, nodeSettings } from "../../components/recovery/standby/settings";
import type { ClusterEngine } from "../cluster";
import { startControlPlane, type ControlPlane } from "../control-plane/control-plane";
import { answerIngresses } from "../control-plane/ingress";
import { nodeShape } from "../control-plane/nodes";
import { messagesOf } from "../outcome";
import { pause, RehearsalError } from "../process";
import type { ClusterMeasurement } from "./run";

export interface ClusterSideOptions {
  workDir: string;
  onProgress: (line: string) => void;
  signal?: AbortSignal;
  /** Makes the engine for a control plane. */
  engine: (plane: Pick<ControlPlane, "kubeconfig">) => ClusterEngine;
}

/** A service whose replicas are pods: where each is, and its node port where balancers reach it by one. */
export interface FollowedService {
  name: string;
  targets: readonly { name: string; server: string; port?: number }[];
}

interface Endpoints {
  items: { endpoints?: { nodeName?: string; conditions?: { ready?: boolean } }[] }[];
}

const readyWithinSeconds = 90;
const lookMilliseconds = 200;
/** Kubernetes' own: a pod that is pinned to its server gains nothing by leaving it, and would load its weights again. */
const tolerationSeconds = 300;

/** The cluster that the replicas are pods of: a real control plane with the environment brought up on it. */
export class ClusterSide {
  private constructor(
    private readonly plane: ControlPlane,
    private readonly service: FollowedService,
    private readonly endIngresses: () => void,
  ) {}

  /** @throws RehearsalError where the environment does not come up, or its node ports are others than the balancers were told */
  static async start(environment: Environment, service: FollowedService, { workDir, onProgress, signal, engine }: ClusterSideOptions): Promise<ClusterSide> {
    onProgress("Starting the control plane");
    const { monitorGraceSeconds, monitorPeriodSeconds } = environment.cluster.distribution === "k3s" ? nodeSettings : kubernetesDefaults;
    const grace = { nodeMonitorGraceSeconds: monitorGraceSeconds, nodeMonitorPeriodSeconds: monitorPeriodSeconds, tolerationSeconds };
    const plane = await startControlPlane({ workDir, onProgress, signal, serviceCidr: environment.cluster.serviceCidr, grace });
    const side = new ClusterSide(plane, service, answerIngresses(plane));
    try {
      await plane.addNode(...Object.keys(environment.servers).map((name) => nodeShape(environment, name)));
      onProgress("Bringing the site up on it");
      const outcome = await engine(plane).up();
      if (!outcome.ok) throw new RehearsalError(`up failed:\n${messagesOf(outcome)}`);
      await side.checkNodePorts();
      for (const { server } of service.targets) await side.readyOn(server, signal);
      return side;
    } catch (error) {
      await side.stop();
      throw error;
    }
  }

  /** The node's heartbeats end. */
  crash(server: string): Promise<void> {
    return this.plane.killNode(server);
  }

  /**
   * The node's heartbeats go on, and its pod of the service starts anew, as after a boot: KWOK does not start containers again.
   * Returns when it is ready.
   */
  async boot(server: string): Promise<void> {
    await this.plane.reviveNode(server);
    const target = this.service.targets.find((each) => each.server === server);
    if (target === undefined) return;
    const path = `/api/v1/namespaces/${namespaces.inference}/pods`;
    const pods = await this.plane.call<{ items: { metadata: { name: string } }[] }>("GET", `${path}?labelSelector=app.kubernetes.io%2Finstance%3D${target.name}`);
    for (const { metadata } of pods?.items ?? []) await this.plane.call("DELETE", `${path}/${metadata.name}?gracePeriodSeconds=0`);
    await this.readyOn(server);
  }

  /** Waits until the Service has no ready endpoint on the server, and one elsewhere. */
  async endpointLeaves(server: string, faultAt: number, signal?: AbortSignal): Promise<ClusterMeasurement> {
    const until = Date.now() + readyWithinSeconds * 1000;
    let [gone, replaced] = [Infinity, Infinity];
    while (Date.now() < until && !(Number.isFinite(gone) && Number.isFinite(replaced))) {
      const nodes = await this.readyNodes();
      const after = (Date.now() - faultAt) / 1000;
      gone = nodes.includes(server) ? Infinity : Math.min(gone, after);
      replaced = nodes.some((node) => node !== server) ? Math.min(replaced, after) : Infinity;
      await pause(lookMilliseconds, signal);
    }
    return { endpointGoneSeconds: gone, replacementReadySeconds: replaced };
  }

  memoryMiB(): number {
    return this.plane.memoryMiB();
  }

  async stop(): Promise<void> {
    this.endIngresses();
    await this.plane.stop();
  }

  /** The ports in HAProxy's configuration are those that the API server gave. */
  private async checkNodePorts(): Promise<void> {
    for (const { name, port } of this.service.targets) {
      if (port === undefined) continue;
      const service = await this.plane.call<{ spec: { ports: { nodePort?: number }[] } }>("GET", `/api/v1/namespaces/${namespaces.inference}/services/${nodePortName(name)}`);
      const given = service?.spec.ports.map(({ nodePort }) => nodePort);
      if (given?.includes(port) !== true) throw new RehearsalError(`The balancers reach ${name} on port ${port}, and the cluster has ${given?.join(", ") ?? "no such Service"}.`);
    }
  }

  private async readyOn(server: string, signal?: AbortSignal): Promise<void> {
    const until = Date.now() + readyWithinSeconds * 1000;
    while (!(await this.readyNodes()).includes(server)) {
      if (Date.now() > until) throw new RehearsalError(`The replica of ${this.service.name} on ${server} is not ready after ${readyWithinSeconds} s.`);
      await pause(lookMilliseconds, signal);
    }
  }

  /** Nodes of the ready endpoints of the service inside of the cluster. */
  private async readyNodes(): Promise<string[]> {
    const slices = await this.plane.call<Endpoints>("GET", `/apis/discovery.k8s.io/v1/namespaces/${namespaces.inference}/endpointslices?labelSelector=kubernetes.io%2Fservice-name%3D${this.service.name}`);
    return (slices?.items ?? []).flatMap(({ endpoints }) => endpoints ?? []).filter(({ conditions }) => conditions?.ready === true).flatMap(({ nodeName }) => nodeName ?? []);
  }
}
