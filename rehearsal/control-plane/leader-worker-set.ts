import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { pause, RehearsalError } from "../process";
import { programs, type ProgramOptions } from "./programs";
import { freePorts, type ControlPlane } from "./control-plane";

const namespace = "lws-system";
const name = "lws-controller-manager";
const service = "lws-webhook-service";
const secret = "lws-webhook-server-cert";
const lookEveryMilliseconds = 250;

interface ConfigMap {
  data?: Record<string, string>;
}

/**
 * Runs the LeaderWorkerSet controller as soon as the cluster has its Deployment, whose own pods are faked: with the
 * configuration, the account and the certificate that it has in the cluster, as a process of this machine.
 * It goes on until `signal`.
 */
export async function runLeaderWorkerSets(plane: ControlPlane, options: ProgramOptions & { signal: AbortSignal }): Promise<void> {
  const program = (await programs(["lws"], options))["lws-controller"];
  run(plane, program, options.signal).catch((error: unknown) => {
    if (!options.signal.aborted) options.onProgress?.(`the LeaderWorkerSet controller cannot be run: ${error instanceof Error ? error.message : String(error)}`);
  });
}

async function run(plane: ControlPlane, program: string, signal: AbortSignal): Promise<void> {
  const root = `/api/v1/namespaces/${namespace}`;
  while ((await plane.call("GET", `/apis/apps/v1/namespaces/${namespace}/deployments/${name}`)) === undefined) await pause(lookEveryMilliseconds, signal);
  const [port = 0, health = 0, metrics = 0] = await freePorts(3);
  const folder = mkdtempSync(join(dirname(plane.kubeconfigFile), "lws-"));
  const certificates = join(folder, "certificates");
  mkdirSync(certificates);
  const map = await plane.call<ConfigMap>("GET", `${root}/configmaps/${name}`);
  const [text] = Object.values(map?.data ?? {});
  if (text === undefined) throw new RehearsalError(`The configuration of ${namespace}/${name} is not there.`);
  const configuration = { ...(JSON.parse(text) as Record<string, unknown>), webhook: { host: "127.0.0.1", port, certDir: certificates }, health: { healthProbeBindAddress: `127.0.0.1:${health}` }, metrics: { bindAddress: `127.0.0.1:${metrics}` } };
  writeFileSync(join(folder, "configuration.json"), JSON.stringify(configuration));
  const { status } = (await plane.call<{ status: { token: string } }>("POST", `${root}/serviceaccounts/${name}/token`, { apiVersion: "authentication.k8s.io/v1", kind: "TokenRequest", spec: {} })) ?? { status: { token: "" } };
  const kubeconfig = JSON.parse(plane.kubeconfig) as { users: { user: { token: string } }[] };
  for (const { user } of kubeconfig.users) user.token = status.token;
  const kubeconfigFile = join(folder, "kubeconfig");
  writeFileSync(kubeconfigFile, JSON.stringify(kubeconfig), { mode: 0o600 });
  const { spec } = (await plane.call<{ spec: { clusterIP: string } }>("GET", `${root}/services/${service}`)) ?? { spec: { clusterIP: "" } };
  for (const host of [spec.clusterIP, `${service}.${namespace}.svc`]) plane.route(`${host}:443`, port);
  plane.start("lws-controller", program, [`--config=${join(folder, "configuration.json")}`], { KUBECONFIG: kubeconfigFile });
  // What a kubelet does: the files of a mounted secret follow the secret.
  let last = "";
  for (;;) {
    const { data = {} } = (await plane.call<{ data?: Record<string, string> }>("GET", `${root}/secrets/${secret}`)) ?? {};
    if (JSON.stringify(data) !== last) for (const [file, value] of Object.entries(data)) writeFileSync(join(certificates, file), Buffer.from(value, "base64"), { mode: 0o600 });
    last = JSON.stringify(data);
    await pause(lookEveryMilliseconds, signal);
  }
}
