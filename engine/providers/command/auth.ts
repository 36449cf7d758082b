import { createConnection } from "node:net";
import { utils } from "ssh2";
import type { AnyAuthMethod, AuthHandlerMiddleware, NextAuthHandler, ParsedKey } from "ssh2";
import type { SshEndpoint } from "./connection";
import { CONNECTION_DEFAULTS, addressOf, portOf } from "./connection";
import { ConnectionSettingsError } from "./errors";

/** How to log in: the methods in the order in which they are offered, and their names for messages. */
export interface Credentials {
  handler: AuthHandlerMiddleware;
  /** For instance "a private key, the agent at /run/ssh-agent". Never a secret. */
  offered: string;
}

function readPrivateKey(endpoint: SshEndpoint, text: string): ParsedKey {
  const settingsError = (reason: string): ConnectionSettingsError =>
    new ConnectionSettingsError(endpoint.host, portOf(endpoint), `${addressOf(endpoint)}: ${reason}`);
  const parsed: unknown = utils.parseKey(text, endpoint.privateKeyPassword);
  if (parsed instanceof Error) {
    if (/no passphrase/i.test(parsed.message)) {
      throw settingsError("the private key is encrypted; give its passphrase as privateKeyPassword");
    }
    throw settingsError(
      endpoint.privateKeyPassword === undefined
        ? "privateKey is not a private key in OpenSSH or PEM format"
        : "the private key cannot be read: privateKeyPassword does not open it, or it is damaged",
    );
  }
  const key = (Array.isArray(parsed) ? parsed[0] : parsed) as ParsedKey | undefined;
  if (key?.isPrivateKey() !== true) {
    throw settingsError("privateKey holds a public key; give the private half");
  }
  return key;
}

function agentAnswers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection({ path });
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}

/** The wire name of a method: agent keys are public keys to the host. */
function wireName(method: AnyAuthMethod): string {
  return method.type === "agent" ? "publickey" : method.type;
}

/**
 * Works out what to offer: private key, then password (also to hosts that ask for it interactively), then the agent.
 *
 * @throws ConnectionSettingsError where the key cannot be read or a named agent does not answer. An agent that is only
 *   known from the environment and does not answer is passed over.
 */
export async function credentials(endpoint: SshEndpoint): Promise<Credentials> {
  const username = endpoint.user ?? CONNECTION_DEFAULTS.user;
  const methods: AnyAuthMethod[] = [{ type: "none", username }];
  const offered: string[] = [];

  if (endpoint.privateKey !== undefined) {
    methods.push({ type: "publickey", username, key: readPrivateKey(endpoint, endpoint.privateKey) });
    offered.push("a private key");
  }
  const password = endpoint.password;
  if (password !== undefined) {
    methods.push({ type: "password", username, password });
    methods.push({
      type: "keyboard-interactive",
      username,
      prompt: (_name, _instructions, _language, prompts, finish) => finish(prompts.map(() => password)),
    });
    offered.push("a password");
  }
  const agent = endpoint.agentSocketPath ?? process.env["SSH_AUTH_SOCK"];
  if (agent !== undefined && agent !== "") {
    if (await agentAnswers(agent)) {
      methods.push({ type: "agent", username, agent });
      offered.push(`the keys of the agent at ${agent}`);
    } else if (endpoint.agentSocketPath !== undefined) {
      throw new ConnectionSettingsError(
        endpoint.host,
        portOf(endpoint),
        `${addressOf(endpoint)}: no SSH agent answers at agentSocketPath ${agent}; start one, or leave agentSocketPath out`,
      );
    }
  }

  let next = 0;
  const handler = (left: readonly string[] | null, _partial: boolean | null, use: NextAuthHandler): void => {
    while (next < methods.length) {
      const method = methods[next++];
      if (method !== undefined && (left === null || method.type === "none" || left.includes(wireName(method)))) {
        use(method);
        return;
      }
    }
    use(false as never);
  };
  return {
    handler,
    offered: offered.length > 0 ? offered.join(", ") : "nothing (no key, no agent, no password)",
  };
}
