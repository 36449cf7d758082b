import { generateKeyPairSync, randomBytes } from "node:crypto";
import { chmodSync, existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Client, freePorts, waitForAuthority, waitUntil } from "../../rehearsal/control-plane/control-plane";
import { Part } from "../../rehearsal/control-plane/part";
import { programs } from "../../rehearsal/control-plane/programs";

/** What keeps the objects: kine before SQLite as k3s has it with one server, or etcd as with more. */
export type Datastore = "sqlite" | "etcd";

/** An object of the API server, as far as tests look into it. */
export interface ApiObject {
  metadata: { name: string; namespace?: string; uid: string; resourceVersion: string };
  data?: Record<string, string>;
}

const member = "server-01";

/**
 * What k3s runs on a control-plane server, from the same programs, with its files where k3s has them: a real API server that
 * encrypts secrets with a key in `cred`, and a real datastore below `db`. k3s itself cannot be had where tests run; the
 * command `k3s` does what k3s's own source says that its command does, by etcd's own tools.
 */
export class K3sServer {
  private parts: Part[] = [];
  private client: Client | undefined;
  private token = "";
  private authority = "";

  private constructor(
    /** k3s's data folder: `/var/lib/rancher/k3s` on a server. */
    readonly data: string,
    /** For the PATH: `k3s`, and a `systemctl` that writes down what it was told. */
    readonly bin: string,
    private readonly work: string,
    private readonly datastore: Datastore,
    private readonly program: Record<"kine" | "etcd" | "kube-apiserver", string>,
    private readonly ports: { store: number; peer: number; api: number },
  ) {}

  /** @param folder of its own, below which everything is. Starts nothing. */
  static async make(folder: string, datastore: Datastore): Promise<K3sServer> {
    const onProgress = (line: string): void => void process.stderr.write(`   ${line}\n`);
    const program = await programs(["etcd", "etcd-tools", "kine", "kubernetes"], { onProgress });
    const [store = 0, peer = 0, api = 0] = await freePorts(3);
    const server = new K3sServer(join(folder, "k3s"), join(folder, "bin"), join(folder, "work"), datastore, program, { store, peer, api });
    for (const name of ["cred", "tls", "db"]) mkdirSync(join(server.path(name)), { recursive: true, mode: 0o700 });
    for (const name of [server.bin, server.work]) mkdirSync(name, { recursive: true });
    server.command("k3s", `
case "$1 $2" in
  'etcd-snapshot save')
    while (($#)); do case $1 in --name) name=$2 ;; --dir) dir=$2 ;; esac; shift; done
    exec ${program.etcdctl} --endpoints=http://127.0.0.1:${store} snapshot save "$dir/$name-${member}-$(date +%s)" ;;
  'server --cluster-reset')
    [[ $3 == --cluster-reset-restore-path=/* ]] || exit 1
    mkdir -p ${server.path("db/etcd")}
    cd ${server.path("db")} || exit 1
    mv --no-target-directory etcd "etcd-old-$(date +%s%N)"
    exec ${program.etcdutl} snapshot restore "\${3#*=}" --data-dir etcd --name ${member} --initial-cluster ${member}=http://127.0.0.1:${peer} --initial-advertise-peer-urls http://127.0.0.1:${peer} ;;
esac
exit 1`);
    server.command("systemctl", `printf '%s\\n' "$*" >>${folder}/systemctl`);
    return server;
  }

  /** Below `server` of the data folder. */
  path(...parts: string[]): string {
    return join(this.data, "server", ...parts);
  }

  private command(name: string, body: string): void {
    writeFileSync(join(this.bin, name), `#!/bin/bash\n${body}\n`);
    chmodSync(join(this.bin, name), 0o755);
  }

  /** The first time it makes token and keys; afterwards it needs those that are there. */
  async start(): Promise<void> {
    this.makeKeys();
    this.token = randomBytes(24).toString("hex");
    writeFileSync(join(this.work, "tokens.csv"), `${this.token},test,test,system:masters\n`, { mode: 0o600 });
    const start = (name: string, command: string, args: readonly string[]): Part => {
      const part = new Part(name, command, args, this.work);
      this.parts.push(part);
      return part;
    };
    const store = `http://127.0.0.1:${this.ports.store}`;
    const peer = `http://127.0.0.1:${this.ports.peer}`;
    // With k3s's own settings of SQLite.
    if (this.datastore === "sqlite") start("kine", this.program.kine, ["--endpoint", `sqlite://${this.path("db/state.db")}?_journal_mode=WAL&_busy_timeout=30000&_synchronous=NORMAL&_txlock=immediate&cache=shared`, "--listen-address", `127.0.0.1:${this.ports.store}`, "--metrics-bind-address", "0"]);
    else start("etcd", this.program.etcd, ["--name", member, "--data-dir", this.path("db/etcd"), "--listen-client-urls", store, "--advertise-client-urls", store, "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", `${member}=${peer}`, "--log-level", "warn"]);
    start("kube-apiserver", this.program["kube-apiserver"], [
      `--etcd-servers=${store}`, "--bind-address=127.0.0.1", "--advertise-address=127.0.0.1", `--secure-port=${this.ports.api}`, `--cert-dir=${this.path("tls")}`,
      `--token-auth-file=${join(this.work, "tokens.csv")}`, "--authorization-mode=RBAC", "--anonymous-auth=false", `--encryption-provider-config=${this.path("cred/encryption-config.json")}`,
      `--service-account-key-file=${this.path("tls/service.key")}`, `--service-account-signing-key-file=${this.path("tls/service.key")}`, "--service-account-issuer=https://kubernetes.default.svc",
      "--endpoint-reconciler-type=none", "--service-cluster-ip-range=10.43.0.0/16", "--disable-admission-plugins=ServiceAccount", "--profiling=false",
    ]);
    const authority = await waitForAuthority(this.path("tls/apiserver.crt"), this.parts, undefined);
    this.authority = authority;
    const client = this.as(this.token);
    this.client = client;
    await waitUntil(async () => (await client.call("GET", "/readyz")) !== undefined, { what: "The API server is not ready", parts: this.parts, signal: undefined });
  }

  private makeKeys(): void {
    if (existsSync(this.path("token"))) return;
    const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256", privateKeyEncoding: { type: "sec1", format: "pem" }, publicKeyEncoding: { type: "spki", format: "pem" } });
    writeFileSync(this.path("tls/service.key"), privateKey, { mode: 0o600 });
    const key = { name: "aescbckey", secret: randomBytes(32).toString("base64") };
    writeFileSync(this.path("cred/encryption-config.json"), JSON.stringify({ kind: "EncryptionConfiguration", apiVersion: "apiserver.config.k8s.io/v1", resources: [{ resources: ["secrets"], providers: [{ aescbc: { keys: [key] } }, { identity: {} }] }] }), { mode: 0o600 });
    writeFileSync(this.path("token"), `K10${randomBytes(32).toString("hex")}::server:${randomBytes(16).toString("hex")}\n`, { mode: 0o600 });
  }

  private as(token: string): Client {
    return new Client(`https://127.0.0.1:${this.ports.api}`, this.authority, token);
  }

  /** The user that the API server takes somebody with this token for. */
  async whoIs(token: string): Promise<string | undefined> {
    const client = this.as(token);
    try {
      const review = await client.call<{ status: { userInfo: { username: string } } }>("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", { apiVersion: "authentication.k8s.io/v1", kind: "SelfSubjectReview" });
      return review?.status.userInfo.username;
    } finally {
      client.close();
    }
  }

  /** One call to the API server. `undefined`: there is none such. */
  call<T = ApiObject>(method: string, path: string, body?: unknown): Promise<T | undefined> {
    if (this.client === undefined) throw new Error("the server was not started");
    return this.client.call<T>(method, path, body);
  }

  /** All objects of a list, by namespace and name. */
  async objects(path: string): Promise<Record<string, ApiObject>> {
    const list = await this.call<{ items: ApiObject[] }>("GET", path);
    return Object.fromEntries((list?.items ?? []).map((item) => [`${item.metadata.namespace ?? ""}/${item.metadata.name}`, item]));
  }

  /** A power cut: nobody can tidy up. */
  async crash(): Promise<void> {
    this.client?.close();
    this.client = undefined;
    for (const part of this.parts.splice(0).reverse()) await part.kill();
  }
}
