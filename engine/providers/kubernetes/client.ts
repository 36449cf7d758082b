import { request as httpRequest } from "node:http";
import type { IncomingMessage } from "node:http";
import { request as httpsRequest } from "node:https";
import { setTimeout as sleep } from "node:timers/promises";
import type { PropertyMap } from "../../values";
import { apiError, ApiError, Unreachable } from "./api-error";
import type { Connection } from "./connection";

/** Waits between attempts; about half a minute, in which an API server restarts. */
const RETRY_MS = [250, 500, 1_000, 2_000, 4_000, 8_000, 8_000, 8_000];
const TRANSIENT = [429, 500, 502, 503, 504];

export interface ApiRequest {
  method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** Path and query, from the server's root. */
  path: string;
  body?: PropertyMap | PropertyMap[];
  /** @default application/json */
  contentType?: string;
  signal: AbortSignal;
  /** Told before each wait for a server that is away or busy. @default - nobody */
  onRetry?: (message: string) => void;
  /** How often to try again. @default - until half a minute has passed */
  retries?: number;
}

/** Speaks to one API server, and stands by while it is away, busy or restarting. */
export class Client {
  constructor(
    readonly connection: Connection,
    private readonly timeoutSeconds: number | undefined,
  ) {}

  /** @throws ApiError for an answer that is an error, Unreachable when there is none */
  async json(request: ApiRequest): Promise<PropertyMap> {
    return JSON.parse(await this.text(request)) as PropertyMap;
  }

  async text(request: ApiRequest): Promise<string> {
    const retries = Math.min(request.retries ?? RETRY_MS.length, RETRY_MS.length);
    for (let attempt = 0; ; attempt++) {
      let wait = RETRY_MS[attempt] ?? 0;
      try {
        const { code, body, retryAfterSeconds } = await this.once(request);
        if (code < 300) return body;
        const error = apiError(code, body);
        if (code === 401 && attempt === 0) this.connection.forgetHeaders();
        // An internal error of a webhook or of a conversion comes back at once each time; a few attempts do.
        const transient = TRANSIENT.includes(code) && !(code === 500 && attempt >= 2);
        if ((!transient && !(code === 401 && attempt === 0)) || attempt >= retries) throw error;
        if (retryAfterSeconds !== undefined) wait = Math.min(retryAfterSeconds * 1_000, 30_000);
        request.onRetry?.(`the API server answered ${String(code)} (${error.message}); trying again`);
      } catch (error) {
        if (error instanceof ApiError || request.signal.aborted) throw error;
        const reason = error instanceof Error ? error.message : String(error);
        if (attempt >= retries) throw new Unreachable(`the API server ${this.connection.server.origin} does not answer: ${reason}`);
        request.onRetry?.(`the API server ${this.connection.server.origin} does not answer (${reason}); trying again`);
      }
      await sleep(wait, undefined, { signal: request.signal });
    }
  }

  private async once({ method, path, body, contentType, signal }: ApiRequest): Promise<{ code: number; body: string; retryAfterSeconds?: number }> {
    const { server, agent } = this.connection;
    const payload = body === undefined ? undefined : JSON.stringify(body);
    const headers = {
      ...(await this.connection.headers()),
      accept: "application/json",
      "user-agent": "rackwright",
      ...(payload === undefined ? {} : { "content-type": contentType ?? "application/json", "content-length": Buffer.byteLength(payload) }),
    };
    const base = server.pathname.replace(/\/$/, "");
    const options = { method, agent, headers, host: server.hostname.replace(/^\[|\]$/g, ""), port: server.port, path: `${base}${path}`, signal };
    return new Promise((resolve, reject) => {
      const onAnswer = (answer: IncomingMessage): void => {
        const chunks: Buffer[] = [];
        answer.on("data", (chunk: Buffer) => { chunks.push(chunk); });
        answer.on("error", reject);
        answer.on("end", () => {
          const retryAfter = Number(answer.headers["retry-after"]);
          resolve({
            code: answer.statusCode ?? 0, body: Buffer.concat(chunks).toString("utf8"),
            ...(Number.isFinite(retryAfter) ? { retryAfterSeconds: retryAfter } : {}),
          });
        });
      };
      const sent = server.protocol === "http:" ? httpRequest(options, onAnswer) : httpsRequest(options, onAnswer);
      const limit = (this.timeoutSeconds ?? 60) * 1_000;
      sent.setTimeout(limit, () => { sent.destroy(new Error(`no answer within ${String(limit / 1_000)} s`)); });
      sent.on("error", reject);
      sent.end(payload);
    });
  }
}
