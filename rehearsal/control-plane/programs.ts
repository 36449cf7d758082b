import { createHash, randomUUID } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { arch, homedir, platform } from "node:os";
import { join, resolve } from "node:path";
import { lastLines, pause, RehearsalError, tryRun } from "../process";
import { findGo } from "./go";

const kubernetesVersion = "v1.35.4";
const versionPackage = "k8s.io/component-base/version";

interface Module {
  /** Folder below rehearsal/programs. */
  folder: string;
  what: string;
  packages: readonly string[];
  /** Program made from each package, in the same order. */
  binaries: readonly string[];
  /** Build tags. */
  tags?: string;
  /** Values that are linked in: variables of Go packages. */
  variables?: Readonly<Record<string, string>>;
}

const modules = {
  etcd: { folder: "etcd", what: "etcd 3.6.5", packages: ["go.etcd.io/etcd/server/v3"], binaries: ["etcd"] },
  "etcd-tools": { folder: "etcd-tools", what: "etcdctl and etcdutl 3.6.5", packages: ["go.etcd.io/etcd/etcdctl/v3", "go.etcd.io/etcd/etcdutl/v3"], binaries: ["etcdctl", "etcdutl"] },
  kine: { folder: "kine", what: "kine 0.17.5", packages: ["github.com/k3s-io/kine"], binaries: ["kine"] },
  kubernetes: {
    folder: "kubernetes",
    what: `Kubernetes ${kubernetesVersion}`,
    packages: ["k8s.io/kubernetes/cmd/kube-apiserver", "k8s.io/kubernetes/cmd/kube-controller-manager", "k8s.io/kubernetes/cmd/kube-scheduler"],
    binaries: ["kube-apiserver", "kube-controller-manager", "kube-scheduler"],
    // Clients cannot parse the version that a module build has of itself.
    variables: { [`${versionPackage}.gitVersion`]: kubernetesVersion, [`${versionPackage}.gitMajor`]: "1", [`${versionPackage}.gitMinor`]: "35" },
  },
  kwok: { folder: "kwok", what: "KWOK 0.7.0", packages: ["sigs.k8s.io/kwok/cmd/kwok"], binaries: ["kwok"] },
  lws: { folder: "lws", what: "the LeaderWorkerSet controller 0.9.0", packages: ["sigs.k8s.io/lws/cmd"], binaries: ["lws-controller"] },
  "grafana-schema": { folder: "grafana-schema", what: "the check of dashboards against Grafana's SDK 0.0.22", packages: ["."], binaries: ["grafana-schema"] },
  prometheus: {
    folder: "prometheus",
    what: "Prometheus 3.15.1",
    packages: ["github.com/prometheus/prometheus/cmd/prometheus", "github.com/prometheus/prometheus/cmd/promtool"],
    binaries: ["prometheus", "promtool"],
    // Debian's has no service discovery through Kubernetes; that of the clouds is left out here.
    tags: "remove_all_sd,enable_kubernetes_sd",
  },
  rclone: { folder: "rclone", what: "rclone 1.75.1", packages: ["."], binaries: ["rclone"] },
} as const satisfies Record<string, Module>;

/** What is built from one of the modules in rehearsal/programs. */
export type ProgramModule = keyof typeof modules;

/** Modules that every control plane needs. */
export const controlPlaneModules = ["etcd", "kubernetes", "kwok"] as const satisfies readonly ProgramModule[];

/** Programs that come out of modules. */
export type ProgramOf<M extends ProgramModule> = (typeof modules)[M]["binaries"][number];

export interface ProgramOptions {
  onProgress?: ((line: string) => void) | undefined;
  signal?: AbortSignal | undefined;
  /** @default `$XDG_CACHE_HOME/rackwright/programs`, so that every checkout uses the same */
  cache?: string;
}

const sources = resolve(__dirname, "../programs");

/** Where files that may be made again at any time are kept. */
export function cacheFolder(): string {
  return join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "rackwright");
}

function linkerFlags(module: Module): string {
  return ["-s", "-w", ...Object.entries(module.variables ?? {}).map(([name, value]) => `-X ${name}=${value}`)].join(" ");
}

/** Changes with everything that the programs are made of: locked modules, sources of our own, link settings, platform. */
function keyOf(module: Module): string {
  const hash = createHash("sha256");
  const own = module.packages.includes(".") ? readdirSync(join(sources, module.folder)).filter((file) => file.endsWith(".go")).sort() : [];
  for (const file of ["go.mod", "go.sum", ...own]) hash.update(readFileSync(join(sources, module.folder, file)));
  hash.update(JSON.stringify([module, platform(), arch()]));
  return hash.digest("hex").slice(0, 16);
}

/**
 * Where each program that the control plane of a rehearsal is made of lies. What is missing is built by the Go toolchain from
 * locked modules, once a machine: about 7 minutes on two cores the first time.
 * @throws RehearsalError `unreachable` where there is no Go and none can be had, or where modules cannot be fetched.
 */
export async function programs<M extends ProgramModule>(wanted: readonly M[], options: ProgramOptions = {}): Promise<Record<ProgramOf<M>, string>> {
  const cache = options.cache ?? join(cacheFolder(), "programs");
  const paths: Record<string, string> = {};
  for (const name of wanted) {
    const folder = await built(modules[name], cache, options);
    for (const binary of modules[name].binaries) paths[binary] = join(folder, binary);
  }
  return paths;
}

async function built(module: Module, cache: string, options: ProgramOptions): Promise<string> {
  const folder = join(cache, `${module.folder}-${keyOf(module)}`);
  if (existsSync(folder)) return folder;
  mkdirSync(cache, { recursive: true });
  const release = await lock(`${folder}.lock`, module.what, options);
  try {
    if (!existsSync(folder)) await build(module, folder, options);
  } finally {
    release();
  }
  return folder;
}

async function build(module: Module, folder: string, { onProgress, signal }: ProgramOptions): Promise<void> {
  const go = await findGo({ onProgress, signal });
  const started = Date.now();
  onProgress?.(`building ${module.what} (once a machine, some minutes) ...`);
  const unfinished = `${folder}.${randomUUID()}`;
  mkdirSync(unfinished);
  try {
    for (const [index, name] of module.packages.entries()) {
      const binary = module.binaries[index] ?? "";
      const args = ["build", "-trimpath", "-mod=readonly", ...(module.tags === undefined ? [] : ["-tags", module.tags]), "-ldflags", linkerFlags(module), "-o", join(unfinished, binary), name];
      const { code, stderr } = await tryRun(go, args, { cwd: join(sources, module.folder), signal, env: { CGO_ENABLED: "0", GOFLAGS: "-buildvcs=false", GOWORK: "off" } });
      if (code === 0) continue;
      throw new RehearsalError(`${module.what} could not be built: \`go ${args.join(" ")}\` ended with exit code ${code}:\n${lastLines(stderr, 15)}`, "unreachable");
    }
    renameSync(unfinished, folder);
  } finally {
    rmSync(unfinished, { recursive: true, force: true });
  }
  onProgress?.(`built ${module.what} in ${Math.round((Date.now() - started) / 1000)} s: ${readdirSync(folder).join(", ")}`);
}

/** Waits for whoever else makes the same. The lock of a process that is gone is taken over. */
export async function lock(file: string, what: string, { onProgress, signal }: ProgramOptions): Promise<() => void> {
  for (let told = false; ; told = true) {
    try {
      writeFileSync(file, String(process.pid), { flag: "wx" });
      return () => rmSync(file, { force: true });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    }
    const holder = holderOf(file);
    if (holder !== undefined && !alive(holder)) {
      rmSync(file, { force: true });
      continue;
    }
    if (!told) onProgress?.(`waiting for process ${holder ?? "of another checkout"}, which makes ${what}`);
    await pause(500, signal);
  }
}

function holderOf(file: string): number | undefined {
  try {
    return Number(readFileSync(file, "utf8")) || undefined;
  } catch {
    return undefined;
  }
}

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
