import { Agent as HttpAgent } from "node:http";
import type { OutgoingHttpHeaders } from "node:http";
import { Agent as HttpsAgent } from "node:https";
import type { RequestOptions } from "node:https";
import type { KubeConfig } from "@kubernetes/client-node";
import { Unreachable } from "./api-error";
import { activeContext, ambientKubeconfig, BadKubeconfig, readKubeconfig } from "./kubeconfig";
import type { ActiveContext, Kubeconfig } from "./kubeconfig";
import type { Settings } from "./settings";

/** Requests under way to one cluster. */
const MAX_SOCKETS = 16;
/** Tokens of credential plugins are asked for anew this often; the plugin caches for as long as they hold. */
const HEADERS_MS = 30_000;

/** How one cluster is reached: its address, its agent with keep-alive, and the headers that say who asks. */
export class Connection {
  private headersAt = 0;
  private known: OutgoingHttpHeaders = {};

  private constructor(
    readonly server: URL,
    readonly agent: HttpAgent,
    private readonly kubeConfig: KubeConfig,
  ) {}

  /** @throws Unreachable when the kubeconfig leads nowhere */
  static async open(config: Kubeconfig, active: ActiveContext): Promise<Connection> {
    // Half a second to load, so not before a cluster is needed.
    const { KubeConfig } = await import("@kubernetes/client-node");
    const kubeConfig = new KubeConfig();
    const options: RequestOptions = {};
    try {
      kubeConfig.loadFromString(config.document);
      kubeConfig.makePathsAbsolute(config.folder);
      const name = active.context ?? "";
      kubeConfig.contexts = [{ name, cluster: active.clusterName, user: active.user }];
      kubeConfig.setCurrentContext(name);
      await kubeConfig.applyToHTTPSOptions(options as Parameters<KubeConfig["applyToHTTPSOptions"]>[0]);
    } catch (error) {
      throw new Unreachable(`the kubeconfig cannot be used: ${firstLine(error)}`);
    }
    const address = kubeConfig.getCurrentCluster()?.server ?? "";
    if (!URL.canParse(address)) throw new Unreachable(`the kubeconfig's cluster "${active.clusterName}" has no server address`);
    const server = new URL(address);
    const connection = new Connection(server, agentFor(server, kubeConfig, options), kubeConfig);
    connection.take(options);
    return connection;
  }

  async headers(): Promise<OutgoingHttpHeaders> {
    if (Date.now() - this.headersAt > HEADERS_MS) {
      const options: RequestOptions = {};
      await this.kubeConfig.applyToHTTPSOptions(options as Parameters<KubeConfig["applyToHTTPSOptions"]>[0]);
      this.take(options);
    }
    return this.known;
  }

  /** Asks for credentials again at the next request. */
  forgetHeaders(): void {
    this.headersAt = 0;
  }

  close(): void {
    this.agent.destroy();
  }

  private take({ headers, auth }: RequestOptions): void {
    const basic = typeof auth === "string" ? { Authorization: `Basic ${Buffer.from(auth).toString("base64")}` } : {};
    this.known = { ...basic, ...(headers as OutgoingHttpHeaders | undefined) };
    this.headersAt = Date.now();
  }
}

function agentFor(server: URL, kubeConfig: KubeConfig, options: RequestOptions): HttpAgent {
  if (kubeConfig.getCurrentCluster()?.proxyUrl !== undefined && options.agent instanceof HttpAgent) return options.agent;
  if (server.protocol === "http:") return new HttpAgent({ keepAlive: true, maxSockets: MAX_SOCKETS });
  const { ca, cert, key, rejectUnauthorized, servername } = options;
  return new HttpsAgent({
    keepAlive: true, maxSockets: MAX_SOCKETS,
    ...(ca === undefined ? {} : { ca }), ...(cert === undefined ? {} : { cert }), ...(key === undefined ? {} : { key }),
    ...(rejectUnauthorized === undefined ? {} : { rejectUnauthorized }), ...(servername === undefined ? {} : { servername }),
  });
}

/** Of a credential plugin's or a parser's complaint; the lines after it may hold what it read. */
function firstLine(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split("\n")[0] ?? "";
}

/** Where a provider's settings lead. @throws Unreachable */
export function findCluster(settings: Settings, env: NodeJS.ProcessEnv): { config: Kubeconfig; active: ActiveContext } {
  const [missing] = settings.unknown.filter((name) => ["kubeconfig", "context", "cluster"].includes(name));
  if (missing !== undefined) throw new Unreachable(`the provider's ${missing} is not known yet`);
  try {
    const config = settings.kubeconfig === undefined ? ambientKubeconfig(env) : readKubeconfig(settings.kubeconfig);
    const { context, cluster } = settings;
    const active = activeContext(config, { ...(context === undefined ? {} : { context }), ...(cluster === undefined ? {} : { cluster }) });
    if (active !== undefined) return { config, active };
    const wanted = context ?? config.currentContext;
    const known = [...config.contexts.keys()].join(", ");
    throw new Unreachable(
      wanted === "" ? `the kubeconfig has no current-context; known contexts: ${known}`
      : `the kubeconfig has no usable context "${wanted}"${cluster === undefined ? "" : ` with the cluster "${cluster}"`}; known contexts: ${known}`,
    );
  } catch (error) {
    if (error instanceof BadKubeconfig) throw new Unreachable(error.message);
    throw error;
  }
}
