import { request, type IncomingMessage } from "node:http";
import type { Bmc } from "../../environment/schema";
import { hostPort } from "../../host-port";
import type { BmcFault, BmcFaultKind, BmcReading, PowerState, ResetType, SystemIdentity, SystemReading } from "./facts";
import { wrongSystem } from "./identity";
import { openPinned, WrongCertificate } from "./pinned-tls";
import type { BmcPort } from "./run";

export interface RedfishOptions {
  /** Name of the server in the environment. */
  server: string;
  bmc: Bmc;
  password: string;
  /** For one request with its answer. @default 15: BMCs are slow, most of all at the handshake */
  answerSeconds?: number;
}

class Fault extends Error {
  constructor(
    readonly kind: BmcFaultKind,
    message: string,
  ) {
    super(message);
  }
}

/** No answer that is read here is nearly as long. */
const largestAnswerBytes = 4 * 1024 * 1024;
const powerStates: readonly string[] = ["On", "Off", "PoweringOn", "PoweringOff", "Paused"] satisfies PowerState[];

type Json = Readonly<Record<string, unknown>>;

const textOf = (value: unknown): string | undefined => (typeof value === "string" && value.trim() !== "" ? value.trim() : undefined);
const objectOf = (value: unknown): Json => (typeof value === "object" && value !== null ? (value as Json) : {});

/**
 * A BMC by DMTF's Redfish (DSP0266 1.x): the service root, its systems, one system, and that one's reset. Each request has a
 * connection of its own and logs in by itself (basic authentication, which DSP0266 asks of every service): a session would be
 * left behind by a run that is killed, and BMCs have few. No redirect is followed: the password is for this address alone.
 */
export function redfishBmc(options: RedfishOptions): BmcPort {
  const client = new Client(options);
  const explained = (error: unknown): BmcFault => {
    if (error instanceof Fault) return { kind: error.kind, message: error.message };
    throw error;
  };
  return {
    read: async (): Promise<BmcReading> => {
      try {
        return { system: await client.read() };
      } catch (error) {
        return { fault: explained(error) };
      }
    },
    reset: async (type) => {
      try {
        await client.reset(type);
        return undefined;
      } catch (error) {
        return explained(error);
      }
    },
  };
}

class Client {
  private systemPath: string | undefined;
  private resetPath: string | undefined;
  private readonly place: string;

  constructor(private readonly options: RedfishOptions) {
    this.place = `The BMC of ${options.server} at ${hostPort(options.bmc.address, options.bmc.port)}`;
  }

  async read(): Promise<SystemReading> {
    const path = (this.systemPath ??= await this.findSystem());
    const system = await this.get(path);
    const identity = identityOf(system);
    const wrong = wrongSystem(this.options.server, this.options.bmc, identity);
    if (wrong !== undefined) throw new Fault("wrong-system", wrong);
    const power = textOf(system.PowerState);
    if (power === undefined || !powerStates.includes(power)) throw this.strange(`says no power state that Redfish knows (${JSON.stringify(system.PowerState)})`);
    const reset = objectOf(objectOf(system.Actions)["#ComputerSystem.Reset"]);
    this.resetPath = this.ownPath(reset.target);
    const offered = reset["ResetType@Redfish.AllowableValues"];
    return { identity, power: power as PowerState, ...(Array.isArray(offered) ? { resetTypes: offered.map(String) } : {}) };
  }

  /** Only ever after a reading that found the right server. */
  async reset(type: ResetType): Promise<void> {
    if (this.resetPath === undefined) await this.read();
    const { status, body } = await this.exchange("POST", this.resetPath ?? "", { ResetType: type });
    if (status < 300) return;
    throw new Fault("refused", `${this.place} refuses ${type}: HTTP ${status}${detailOf(body)}.`);
  }

  private async findSystem(): Promise<string> {
    const root = await this.get("/redfish/v1/", false);
    const systems = await this.get(this.ownPath(objectOf(root.Systems)["@odata.id"]));
    const members = (Array.isArray(systems.Members) ? systems.Members : []).map((member) => this.ownPath(objectOf(member)["@odata.id"]));
    const { bmc, server } = this.options;
    const idOf = (path: string): string => decodeURIComponent(path.replace(/\/+$/, "").split("/").at(-1) ?? "");
    const ids = members.map(idOf);
    if (bmc.systemId !== undefined) {
      const found = members.find((path) => idOf(path) === bmc.systemId);
      if (found === undefined) throw new Fault("wrong-system", `${this.place} has no system ${bmc.systemId}; it has ${ids.join(", ") || "none"}. Correct servers.${server}.bmc.systemId.`);
      return found;
    }
    const [only, ...more] = members;
    if (only === undefined) throw this.strange("has no system");
    if (more.length > 0) throw new Fault("wrong-system", `${this.place} answers for several systems: ${ids.join(", ")}. Write the one that is ${server} as servers.${server}.bmc.systemId.`);
    return only;
  }

  /** A path of this BMC: an answer that leads elsewhere is not followed. */
  private ownPath(value: unknown): string {
    if (typeof value === "string" && /^\/(?![/\\])[\x21-\x7e]*$/.test(value)) return value;
    throw this.strange(`names ${value === undefined ? "no path" : JSON.stringify(value)} where Redfish has a path of its own`);
  }

  private strange(what: string): Fault {
    return new Fault("not-redfish", `${this.place} ${what}: it does not speak Redfish as DSP0266 has it, or something else answers there. Look at it with a browser, and see that its firmware is current.`);
  }

  private async get(path: string, login = true): Promise<Json> {
    const { status, body } = await this.exchange("GET", path, undefined, login);
    if (status !== 200) throw this.strange(`answers ${path} with HTTP ${status}${detailOf(body)}`);
    try {
      return objectOf(JSON.parse(body));
    } catch {
      throw this.strange(`answers ${path} with something that is not JSON`);
    }
  }

  /** One request. @throws Fault unless an answer came that is for the caller to judge */
  private async exchange(method: "GET" | "POST", path: string, body?: Json, login = true): Promise<{ status: number; body: string }> {
    const { bmc, password, server, answerSeconds = 15 } = this.options;
    const signal = AbortSignal.timeout(answerSeconds * 1000);
    let answer: { status: number; body: string; location: string | undefined };
    try {
      const authorization = `Basic ${Buffer.from(`${bmc.user}:${password}`).toString("base64")}`;
      answer = await send(bmc, { method, path, body: body === undefined ? undefined : JSON.stringify(body), ...(login ? { authorization } : {}) }, signal);
    } catch (error) {
      if (error instanceof WrongCertificate) throw new Fault("certificate", `${this.place} is not the one that the environment names: ${error.message}. No password was sent. Where the certificate was renewed, read its fingerprint on the BMC itself and correct servers.${server}.bmc.tls.`);
      throw new Fault("unreachable", `${this.place} does not answer: ${signal.aborted ? `no answer within ${answerSeconds} s` : wordsOf(error)}. See that it has power and network, and that this machine reaches it.`);
    }
    const { status, location } = answer;
    if (status >= 300 && status < 400) throw new Fault("redirect", `${this.place} leads elsewhere (HTTP ${status} to ${JSON.stringify(location ?? "")}). It was not followed: the password is for this address alone. Correct servers.${server}.bmc.address.`);
    if (status === 401) throw new Fault("password", `${this.place} does not take the password of ${bmc.user} (HTTP 401). Set it again with \`rackwright secret <environment> bmcPassword\`; mind that BMCs lock an account after a few tries.`);
    if (status === 403) throw new Fault("password", `${this.place} does not let ${bmc.user} do this (HTTP 403): the account needs the role Operator.`);
    if (status >= 500 || status === 429) throw new Fault("server-error", `${this.place} answers ${method} ${path} with HTTP ${status}${detailOf(answer.body)}. A restart of the BMC helps often; it does not touch the server.`);
    return answer;
  }
}

function identityOf(system: Json): SystemIdentity {
  const [id, manufacturer, model, serialNumber, uuid, hostName] = [system.Id, system.Manufacturer, system.Model, system.SerialNumber, system.UUID, system.HostName].map(textOf);
  return {
    id: id ?? "",
    ...(manufacturer === undefined ? {} : { manufacturer }),
    ...(model === undefined ? {} : { model }),
    ...(serialNumber === undefined ? {} : { serialNumber }),
    ...(uuid === undefined ? {} : { uuid }),
    ...(hostName === undefined ? {} : { hostName }),
  };
}

/** The message of Redfish's error object, on one line. */
function detailOf(body: string): string {
  try {
    const message = textOf(objectOf(objectOf(JSON.parse(body)).error).message);
    return message === undefined ? "" : `: ${message.replace(/\s+/g, " ").slice(0, 200).replace(/\.$/, "")}`;
  } catch {
    return "";
  }
}

const words: Readonly<Record<string, string>> = {
  ECONNREFUSED: "nothing listens there",
  ECONNRESET: "it cut the connection",
  EHOSTUNREACH: "there is no route to it",
  ENETUNREACH: "there is no route to it",
  ENOTFOUND: "its name is unknown",
  EAI_AGAIN: "its name cannot be looked up now",
};

function wordsOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return words[(error as NodeJS.ErrnoException).code ?? ""] ?? error.message;
}

interface Outgoing {
  method: string;
  path: string;
  body: string | undefined;
  authorization?: string;
}

async function send(bmc: Bmc, { method, path, body, authorization }: Outgoing, signal: AbortSignal): Promise<{ status: number; body: string; location: string | undefined }> {
  const socket = await openPinned(bmc, signal);
  try {
    return await new Promise((resolve, reject) => {
      const headers = {
        host: hostPort(bmc.address, bmc.port),
        accept: "application/json",
        "odata-version": "4.0",
        "user-agent": "rackwright",
        connection: "close",
        ...(authorization === undefined ? {} : { authorization }),
        ...(body === undefined ? {} : { "content-type": "application/json", "content-length": Buffer.byteLength(body) }),
      };
      const outgoing = request({ createConnection: () => socket, method, path, headers }, (incoming) => {
        readAll(incoming).then((text) => resolve({ status: incoming.statusCode ?? 0, body: text, location: incoming.headers.location }), reject);
      });
      outgoing.on("error", reject);
      outgoing.end(body);
    });
  } finally {
    socket.destroy();
  }
}

async function readAll(incoming: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of incoming as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > largestAnswerBytes) throw new Error("its answer does not end");
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}
