import { createHash, randomUUID, X509Certificate } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { arch, platform } from "node:os";
import { join, resolve } from "node:path";
import { freePorts } from "./control-plane/control-plane";
import { Part } from "./control-plane/part";
import { cacheFolder, lock, type ProgramOptions } from "./control-plane/programs";
import { lastLines, pause, RehearsalError, run, tryRun } from "./process";

const requirements = resolve(__dirname, "programs/sushy-tools/requirements.txt");
const what = "the Redfish emulator (sushy-tools 2.2.0)";
const readyWithinSeconds = 60;

/**
 * Folder with the emulator's Python packages; fetched once a machine, at the versions and with the checksums of the lock file.
 * `pip --target` needs no package for virtual environments, which Debian has apart from Python.
 * @throws RehearsalError `unreachable` where there is no Python with pip, or where packages cannot be fetched.
 */
async function emulatorPackages({ onProgress, signal, cache = join(cacheFolder(), "programs") }: ProgramOptions): Promise<string> {
  const version = await run("python3", ["-c", "import sys; print(sys.version)"], { signal });
  const key = createHash("sha256").update(readFileSync(requirements)).update(JSON.stringify([version, platform(), arch()])).digest("hex").slice(0, 16);
  const folder = join(cache, `sushy-tools-${key}`);
  if (existsSync(folder)) return folder;
  mkdirSync(cache, { recursive: true });
  const release = await lock(`${folder}.lock`, what, { onProgress, signal });
  try {
    if (!existsSync(folder)) await fetchPackages(folder, { onProgress, signal });
  } finally {
    release();
  }
  return folder;
}

async function fetchPackages(folder: string, { onProgress, signal }: ProgramOptions): Promise<void> {
  onProgress?.(`fetching ${what} (once a machine) ...`);
  const unfinished = `${folder}.${randomUUID()}`;
  const args = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile", "--require-hashes", "--only-binary", ":all:", "--target", unfinished, "--requirement", requirements];
  try {
    const { code, stderr } = await tryRun("python3", args, { signal });
    if (code !== 0) throw new RehearsalError(`${what} could not be fetched: \`python3 ${args.join(" ")}\` ended with exit code ${code} (pip is in Debian's python3-pip):\n${lastLines(stderr, 8)}`, "unreachable");
    renameSync(unfinished, folder);
  } finally {
    rmSync(unfinished, { recursive: true, force: true });
  }
}

export interface EmulatedSystem {
  uuid: string;
  name: string;
  power: "On" | "Off";
}

export interface RedfishEmulatorOptions extends ProgramOptions {
  /** Folder that exists and is the emulator's own: its settings, its certificate, what is on and off. */
  folder: string;
  systems: readonly EmulatedSystem[];
  user: string;
  password: string;
  /** How long hardware takes to switch. @default the emulator's own: 1 to 11 s, by chance */
  switchSeconds?: number;
}

/** A BMC on loopback over TLS, with a certificate of its own. */
export interface RedfishEmulator {
  readonly port: number;
  /** SHA-256 of its certificate, as openssl prints it. */
  readonly fingerprint: string;
  stop: () => Promise<void>;
}

/**
 * Starts sushy-tools' emulator with its fake driver: systems that are switched on and off, and nothing else. Power lasts when it
 * is started again in the same folder.
 * @throws RehearsalError with the end of its log where it does not come up.
 */
export async function startRedfishEmulator(options: RedfishEmulatorOptions): Promise<RedfishEmulator> {
  const { folder, signal } = options;
  const packages = await emulatorPackages(options);
  const file = (name: string): string => join(folder, name);
  const [port = 0] = await freePorts(1);
  if (!existsSync(file("tls.crt"))) {
    await run("openssl", ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=bmc", "-keyout", file("tls.key"), "-out", file("tls.crt")], { signal });
  }
  const env = { PYTHONPATH: packages, PYTHONDONTWRITEBYTECODE: "1" };
  const hash = await run("python3", ["-c", "import bcrypt, sys; print(bcrypt.hashpw(sys.stdin.buffer.read(), bcrypt.gensalt(4)).decode())"], { input: options.password, env, signal });
  writeFileSync(file("users"), `${options.user}:${hash.trim()}\n`, { mode: 0o600 });
  writeFileSync(file("settings.py"), settings(options, port, file));
  const part = new Part("redfish-emulator", "python3", ["-m", "sushy_tools.emulator.main", "--config", file("settings.py")], folder, env);
  const stopAtExit = (): void => part.killNow();
  process.once("exit", stopAtExit);
  const stop = async (): Promise<void> => {
    process.off("exit", stopAtExit);
    await part.kill();
  };
  try {
    await answers(part, port, signal);
  } catch (error) {
    await stop();
    throw error;
  }
  return { port, fingerprint: new X509Certificate(readFileSync(file("tls.crt"))).fingerprint256, stop };
}

/** The emulator's settings are a Python file. */
function settings({ systems, switchSeconds }: RedfishEmulatorOptions, port: number, file: (name: string) => string): string {
  const fakes = systems.map(({ uuid, name, power }) => ({ uuid, name, power_state: power, nics: [] }));
  return [
    `import json`,
    ...(switchSeconds === undefined ? [] : ["import random", `random.randint = lambda low, high: ${switchSeconds}`]),
    `SUSHY_EMULATOR_LISTEN_IP = "127.0.0.1"`,
    `SUSHY_EMULATOR_LISTEN_PORT = ${port}`,
    `SUSHY_EMULATOR_SSL_CERT = ${JSON.stringify(file("tls.crt"))}`,
    `SUSHY_EMULATOR_SSL_KEY = ${JSON.stringify(file("tls.key"))}`,
    `SUSHY_EMULATOR_AUTH_FILE = ${JSON.stringify(file("users"))}`,
    `SUSHY_EMULATOR_STATE_DIR = ${JSON.stringify(file("."))}`,
    `SUSHY_EMULATOR_FAKE_DRIVER = True`,
    `SUSHY_EMULATOR_FAKE_SYSTEMS = json.loads(${JSON.stringify(JSON.stringify(fakes))})`,
    ``,
  ].join("\n");
}

function listens(port: number): Promise<boolean> {
  return new Promise((settle) => {
    const socket = connect({ host: "127.0.0.1", port });
    socket.once("error", () => settle(false));
    socket.once("connect", () => {
      socket.destroy();
      settle(true);
    });
  });
}

async function answers(part: Part, port: number, signal: AbortSignal | undefined): Promise<void> {
  const until = Date.now() + readyWithinSeconds * 1000;
  while (Date.now() < until) {
    if (part.ended) throw new RehearsalError(`${what} ended:\n${part.lastLines()}`);
    if (await listens(port)) return;
    await pause(100, signal);
  }
  throw new RehearsalError(`${what} does not answer after ${readyWithinSeconds} s:\n${part.lastLines()}`);
}
