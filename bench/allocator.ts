/**
 * What the allocator's exporter costs an engine: `npm run bench:allocator [seconds]`. The requirement is below 1 % of a core,
 * and a few milliseconds at the start of each Python process. With and without it side by side, at its real interval, with a
 * stand-in of PyTorch's allocator that holds eight GPUs and a scrape each fifteen seconds.
 */
import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { table } from "../cli/table";

const scripts = join(__dirname, "../components/inference/engines/scripts");
const standIn = join(__dirname, "../test/inference/engines/stand-ins/gpu");
const starts = 100;
const scrapeSeconds = 15;
const port = 19401;
const engine = "import time\nfrom torch import cuda\ncuda.use(*[(80 * cuda.GIB, 60 * cuda.GIB, 5 * cuda.GIB)] * 8)\ntime.sleep(100_000)\n";

const pause = (seconds: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, seconds * 1000));

function environmentOf(folder: string, path: readonly string[]): NodeJS.ProcessEnv {
  return { PATH: process.env.PATH, PYTHONDONTWRITEBYTECODE: "1", PYTHONPATH: path.join(":"), RACKWRIGHT_ALLOCATOR_FOLDER: folder, RACKWRIGHT_ALLOCATOR_PORT: String(port) };
}

/** Processor time of all threads of a process. */
function cpuMilliseconds(pid: number): number {
  const tasks = `/proc/${pid}/task`;
  return readdirSync(tasks).reduce((sum, task) => sum + Number(readFileSync(`${tasks}/${task}/schedstat`, "utf8").split(" ")[0]) / 1e6, 0);
}

/** Starts processes that do nothing, in turns with and without; their files are compiled anew, as on a read-only root. */
const measuring = `import json, os, statistics, sys, time
took = {}
for _ in range(int(sys.argv[1])):
    for name, path in json.loads(sys.argv[2]).items():
        started = time.perf_counter()
        child = os.posix_spawn(sys.executable, [sys.executable, "-c", "pass"], dict(os.environ, PYTHONPATH=":".join(path)))
        used = os.wait4(child, 0)[2]
        took.setdefault(name, []).append((1000 * (time.perf_counter() - started), 1000 * (used.ru_utime + used.ru_stime)))
print(json.dumps({name: [statistics.median(each[of] for each in all) for of in (0, 1)] for name, all in took.items()}))
`;

/** Median of elapsed and of processor time, in milliseconds. */
type Start = readonly [number, number];

function startMilliseconds(python: string, variants: object, folder: string): { without: Start; with: Start } {
  const { stdout } = spawnSync(python, ["-c", measuring, String(starts), JSON.stringify(variants)], { encoding: "utf8", env: environmentOf(folder, []) });
  return JSON.parse(stdout) as { without: Start; with: Start };
}

async function main(): Promise<void> {
  const seconds = Number(process.argv[2] ?? 60);
  const folder = mkdtempSync(join(tmpdir(), "rackwright-bench-"));
  // Not the name on the PATH: that may be a shell script which looks for the real one.
  const python = spawnSync("python3", ["-c", "import sys; print(sys.executable)"], { encoding: "utf8" }).stdout.trim();
  const variants = { without: [standIn], with: [scripts, standIn] } as const;
  const start = startMilliseconds(python, variants, folder);

  const program = join(folder, "engine.py");
  writeFileSync(program, engine);
  const children = Object.values(variants).map((path) => spawn(python, [program], { env: environmentOf(folder, path), stdio: "inherit" }));
  const [without = 0, with_ = 0] = children.map(({ pid }) => pid ?? 0);
  // Starting is not part of it; the exporter's first look comes an interval later.
  await pause(2);
  const before = [cpuMilliseconds(without), cpuMilliseconds(with_)];
  let scrapes = 0;
  for (const end = Date.now() + seconds * 1000; Date.now() < end; ) {
    await pause(Math.min(scrapeSeconds, Math.max(0, (end - Date.now()) / 1000)));
    scrapes += await fetch(`http://127.0.0.1:${port}/metrics`).then(({ ok }) => (ok ? 1 : 0), () => 0);
  }
  const used = [cpuMilliseconds(without) - (before[0] ?? 0), cpuMilliseconds(with_) - (before[1] ?? 0)];
  for (const child of children) child.kill("SIGKILL");
  rmSync(folder, { recursive: true, force: true });

  const share = ((used[1] ?? 0) - (used[0] ?? 0)) / (seconds * 10);
  process.stdout.write(
    table([
      ["", "without", "with", "difference"],
      ...(["elapsed", "processor time"] as const).map((what, index) => {
        const [plain = 0, own = 0] = [start.without[index], start.with[index]];
        return [`start of a Python process, ${what}, median of ${starts}`, `${plain.toFixed(1)} ms`, `${own.toFixed(1)} ms`, `${(own - plain).toFixed(1)} ms, ${(own / plain).toFixed(2)} times`];
      }),
      [`processor time in ${seconds} s, ${scrapes} scrapes answered`, `${(used[0] ?? 0).toFixed(1)} ms`, `${(used[1] ?? 0).toFixed(1)} ms`, `${share.toFixed(4)} % of a core, of 1 % allowed`],
    ]),
  );
  process.exitCode = share < 1 && scrapes > 0 ? 0 : 1;
}

void main();
