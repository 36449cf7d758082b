import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { Container, debianPython, standIn, torchMissing, until } from "./python-processes";

const missing = spawnSync("python3", ["--version"]).status === 0 ? undefined : "python3 is not installed";
if (missing !== undefined) process.stdout.write(`The allocator's exporter is not run: ${missing}\n`);
const withoutTorch = missing ?? torchMissing();
if (withoutTorch !== undefined) process.stdout.write(`The allocator's exporter is not run beside a real PyTorch: ${withoutTorch}\n`);

const containers: Container[] = [];
afterEach(async () => {
  for (const each of containers.splice(0)) await each.close();
});
async function container(intervalSeconds?: number): Promise<Container> {
  const made = await Container.make(intervalSeconds);
  containers.push(made);
  return made;
}

/** A process that holds 100 GiB of one GPU, 31 of them in free pieces of split blocks. */
const using = "import time\nfrom torch import cuda\ncuda.use((100 * cuda.GIB, 60 * cuda.GIB, 31 * cuda.GIB))\n";
const forever = "time.sleep(60)\n";
const gib = 1024 ** 3;

describe.skipIf(missing !== undefined)("the exporter of PyTorch's allocator", () => {
  it("shows a fragmentation of 31 % as Prometheus reads it", async () => {
    const pod = await container();
    const { pid } = pod.start(`${using}cuda.devices[0].update(retries=7, ooms=2)\n${forever}`);
    const text = await until("an answer", async () => ((await pod.samples()).length > 0 ? pod.text() : undefined));
    const labels = `{process="${pid}",device="0",uuid="GPU-00000000-0000-1111-2222-333333333333"}`;
    expect(text.split("\n").filter((line) => !line.startsWith("# HELP"))).toEqual([
      "# TYPE rackwright_torch_reserved_bytes gauge", `rackwright_torch_reserved_bytes${labels} ${100 * gib}`,
      "# TYPE rackwright_torch_allocated_bytes gauge", `rackwright_torch_allocated_bytes${labels} ${60 * gib}`,
      "# TYPE rackwright_torch_inactive_split_bytes gauge", `rackwright_torch_inactive_split_bytes${labels} ${31 * gib}`,
      "# TYPE rackwright_torch_allocation_retries_total counter", `rackwright_torch_allocation_retries_total${labels} 7`,
      "# TYPE rackwright_torch_out_of_memory_total counter", `rackwright_torch_out_of_memory_total${labels} 2`,
      "",
    ]);
    for (const [path, method, status] of [["/", "GET", 404], ["/metrics", "POST", 405], ["/metrics?a=b", "GET", 200]] as const) {
      expect((await fetch(`http://127.0.0.1:${pod.port}${path}`, { method })).status, `${method} ${path}`).toBe(status);
    }
  });

  it("tells GPUs apart, leaves out those that the process does not use, and knows a MIG slice", async () => {
    const pod = await container();
    const program = "import time\nfrom torch import cuda\ncuda.use((8, 4, 1), (0, 0, 0), (9, 5, 2))\ntime.sleep(60)\n";
    pod.start(program, { env: { NVIDIA_VISIBLE_DEVICES: "MIG-00000002-0000-1111-2222-333333333333" } });
    const reserved = await until("figures", async () => {
      const found = (await pod.samples()).filter(({ name }) => name === "rackwright_torch_reserved_bytes");
      return found.length > 0 && found;
    });
    expect(reserved.map(({ device, uuid, value }) => [device, uuid, value])).toEqual([[0, "GPU-00000000-0000-1111-2222-333333333333", 8], [2, "MIG-00000002-0000-1111-2222-333333333333", 9]]);
  });

  it("does nothing in a process without PyTorch, and neither imports it nor anything else", async () => {
    const pod = await container(0.05);
    const program = "import sys, time\ntime.sleep(0.5)\nprint(sorted({'torch', 'threading', 'socket', 'allocator_metrics'} & set(sys.modules)))\n";
    const bare = await pod.run(program.replace("time.sleep(0.5)", ""), { env: { PYTHONPATH: "" } });
    expect(await pod.run(program)).toEqual(bare);
    expect(bare.code).toBe(0);
    expect(pod.files()).toEqual([]);
  });

  it("has no port before PyTorch has begun to use a GPU", async () => {
    const pod = await container(0.05);
    const { err } = pod.start("import os, time\nfrom torch import cuda\nwhile not os.path.exists('go'): time.sleep(0.02)\ncuda.use((8, 4, 1))\ntime.sleep(60)\n".replace("'go'", JSON.stringify(join(pod.folder, "go"))));
    await pod.pauseIntervals(10);
    expect([await pod.text(), pod.files(), err()]).toEqual([undefined, [], ""]);
    writeFileSync(join(pod.folder, "go"), "");
    await until("figures", async () => (await pod.processes()).length === 1);
  });

  it("works in children, spawned and forked, and serves the figures of all at one place", async () => {
    const pod = await container();
    const parent = pod.start(`import multiprocessing, os, time
def work():
    from torch import cuda
    cuda.use((8, 4, 1))
    os.write(1, b"%d\\n" % os.getpid())
    time.sleep(60)
if __name__ == "__main__":
    for way in ("spawn", "fork", "forkserver"):
        multiprocessing.get_context(way).Process(target=work, daemon=True).start()
    os.fork() == 0 and work()
    time.sleep(60)
`);
    const pids = await until("four children", () => {
      const found = parent.out().trim().split("\n").map(Number).sort((a, b) => a - b);
      return found.length === 4 && found;
    });
    await until("the figures of all", async () => JSON.stringify(await pod.processes()) === JSON.stringify(pids));
  });

  it("is served by another process within two intervals when the serving one is killed, whose figures are gone", async () => {
    const pod = await container(1);
    // Its child holds all that it had open, and uses no GPU.
    const first = pod.start(`import os\n${using}time.sleep(2.2)\nif os.fork() == 0: print("child")\n${forever}`);
    await until("the first's figures", async () => (await pod.processes()).includes(first.pid));
    const second = pod.start(using + forever);
    await until("both", async () => first.out().includes("child") && (await pod.processes()).length === 2);
    const killed = Date.now();
    first.process.kill("SIGKILL");
    await until("the second to answer", async () => JSON.stringify(await pod.processes()) === JSON.stringify([second.pid]), 5);
    expect(Date.now() - killed).toBeLessThan(2 * 1000);
    expect(pod.files()).toHaveLength(1);
  });

  it("does not serve what a process last said when it says nothing any more", async () => {
    const pod = await container();
    const serving = pod.start(using + forever);
    await until("figures", async () => (await pod.processes()).length === 1);
    const stopped = pod.start(using + forever);
    await until("both", async () => (await pod.processes()).length === 2);
    stopped.process.kill("SIGSTOP");
    await until("one alone", async () => JSON.stringify(await pod.processes()) === JSON.stringify([serving.pid]));
    expect(pod.files()).toHaveLength(1);
    stopped.process.kill("SIGCONT");
    await until("both again", async () => (await pod.processes()).length === 2);
  });

  it("clears what a container left that ran here before, and leaves alone what is not its own", async () => {
    const pod = await container();
    mkdirSync(pod.figures);
    const line = 'rackwright_torch_reserved_bytes{process="1",device="0",uuid=""} 5\n';
    // Process 1 lives, but it is another one than the file's.
    for (const name of ["1-7.prom", "1-7.prom.tmp", "999999999-7.prom", "notes.txt"]) writeFileSync(join(pod.figures, name), line);
    const { pid } = pod.start(using + forever);
    await until("figures", async () => (await pod.processes()).length > 0);
    expect(await pod.processes()).toEqual([pid]);
    expect(pod.files()).toEqual([expect.stringMatching(`^${pid}-\\d+\\.prom$`), "notes.txt"]);
  });
});

describe.skipIf(missing !== undefined)("the engine, whatever happens to the exporter", () => {
  it("goes on while PyTorch refuses to tell, which is said once", async () => {
    const pod = await container(0.05);
    const engine = pod.start(`${using}cuda.fault = RuntimeError("no statistics")\ntime.sleep(1)\ncuda.fault = None\nprint("still here")\n${forever}`);
    await until("figures", async () => (await pod.processes()).length === 1);
    expect(engine.out()).toBe("still here\n");
    expect(engine.err()).toBe("rackwright: memory of PyTorch is not measured here: what PyTorch says: RuntimeError: no statistics\n");
  });

  it.each([
    ["a folder that cannot be", { RACKWRIGHT_ALLOCATOR_FOLDER: "/dev/null/figures" }, "", /^rackwright: .*its figures: NotADirectoryError.*\n$/],
    // As on a full disk: the file opens and takes nothing.
    ["a disk that takes nothing more", {}, "import resource\nresource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))\n", /^rackwright: .*its figures: OSError.*\n$/],
    ["a port that is none", { RACKWRIGHT_ALLOCATOR_PORT: "0x" }, "", /^rackwright: .*ValueError.*\n$/],
    ["an interval that is none", { RACKWRIGHT_ALLOCATOR_INTERVAL_SECONDS: "often" }, "", /^rackwright: .*ValueError.*\n$/],
  ])("goes on with %s", async (_what, env, before, words) => {
    const pod = await container(0.05);
    const { code, out, err } = await pod.run(`${before}${using}time.sleep(0.6)\nprint("done")\n`, { env });
    expect([code, out]).toEqual([0, "done\n"]);
    expect(err).toMatch(words);
    expect(pod.files()).toEqual([]);
  });

  it("goes on when its folder may not be written to any more", async () => {
    const pod = await container(0.05);
    // Root may write everywhere: it becomes another user.
    const { code, out, err } = await pod.run(`import os\n${using}time.sleep(0.3)\nos.chmod(${JSON.stringify(pod.figures)}, 0o555)\nif os.getuid() == 0: os.setuid(65534)\ntime.sleep(0.3)\nprint("done")\n`);
    expect([code, out]).toEqual([0, "done\n"]);
    expect(err).toMatch(/^rackwright: .*its figures: PermissionError.*\n$/);
  });

  it("leaves a port to the program that has it, and takes it when that ends", async () => {
    const pod = await container();
    const other = createServer((socket) => socket.destroy()).listen(pod.port, "0.0.0.0");
    await new Promise((resolve) => other.once("listening", resolve));
    const engine = pod.start(using + forever);
    await until("its figures in the folder", () => pod.files().length === 1);
    await pod.pauseIntervals(3);
    expect([await pod.text(), engine.err(), other.listening]).toEqual([undefined, "", true]);
    await new Promise((resolve) => other.close(resolve));
    await until("an answer", async () => (await pod.processes()).length === 1);
  });

  it("is asked without harm by clients that are silent, slow, rude or many", async () => {
    const pod = await container();
    const engine = pod.start(using + forever);
    await until("figures", async () => (await pod.processes()).length === 1);
    const open = (text: string): Socket => connect(pod.port, "127.0.0.1").on("error", () => undefined).setNoDelay(true).on("connect", function (this: Socket) { this.write(text); });
    const silent = open("");
    const slow = open("G");
    const drip = setInterval(() => slow.write("E"), 100);
    const closed = new Promise((resolve) => slow.once("close", resolve));
    const asked = Date.now();
    expect(await pod.processes()).toEqual([engine.pid]);
    expect(Date.now() - asked).toBeLessThan(3000);
    await closed;
    clearInterval(drip);
    silent.destroy();
    const rude = open("\0".repeat(100_000));
    const rudeClosed = new Promise((resolve) => rude.once("close", resolve));
    for (let count = 0; count < 20; count++) open("GET /metrics HTTP/1.1\r\n\r\n").destroy();
    await rudeClosed;
    expect(await pod.processes()).toEqual([engine.pid]);
    expect(engine.err()).toBe("");
  });

  it.each([["its end", "sys.exit(3)", 3], ["SIGTERM", "os.kill(os.getpid(), signal.SIGTERM); time.sleep(60)", "SIGTERM"], ["a fault", "1 / 0", 1]] as const)("ends at once and with its own code, by %s", async (_how, end, code) => {
    const pod = await container(30);
    const program = `import os, signal, sys\n${using}print(time.time())\n${end}\n`;
    const ended = await pod.run(program);
    expect(ended.code).toBe(code);
    expect(Date.now() / 1000 - Number(ended.out)).toBeLessThan(1);
  });

  it("gets its own signals", async () => {
    const pod = await container(0.05);
    const engine = pod.start(`import signal\nsignal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])\n${using}print("ready")\ntime.sleep(1)\nprint(signal.sigwait([signal.SIGUSR1]).name)\n`);
    await until("a server", async () => engine.out().includes("ready") && (await pod.processes()).length === 1);
    engine.process.kill("SIGUSR1");
    expect([await engine.ended, engine.out()]).toEqual([0, "ready\nSIGUSR1\n"]);
  });

  it("forks at any moment, and its children find no lock that nobody holds", async () => {
    const pod = await container(0.05);
    const program = `import os, threading\n${using}
inner = threading.Lock()
told = cuda.memory_stats
def memory_stats(device):
    with inner:
        time.sleep(0.02)
        return told(device)
cuda.memory_stats = memory_stats
for count in range(60):
    child = os.fork()
    if child == 0:
        os._exit(0 if inner.acquire(timeout=2) else 1)
    assert os.waitpid(child, 0)[1] == 0
    time.sleep(0.005)
print("done")
`;
    const started = Date.now();
    expect(await pod.run(program)).toEqual({ code: 0, out: "done\n", err: "" });
    expect(Date.now() - started).toBeLessThan(20_000);
  });

  it("starts with an exporter that is broken or missing", async () => {
    const pod = await container(0.05);
    const engine = `${using}time.sleep(0.3)\nprint("done")\n`;
    writeFileSync(pod.script("allocator_metrics.py"), "def (:\n");
    expect(await pod.run(engine)).toEqual({ code: 0, out: "done\n", err: expect.stringMatching(/^rackwright: .*SyntaxError.*\n$/) as string });
    rmSync(pod.script("allocator_metrics.py"));
    expect(await pod.run(engine)).toEqual({ code: 0, out: "done\n", err: expect.stringMatching(/^rackwright: .*FileNotFoundError.*\n$/) as string });
    writeFileSync(pod.script("sitecustomize.py"), "def (:\n");
    expect(await pod.run(engine)).toMatchObject({ code: 0, out: "done\n" });
  });

  it("still has the sitecustomize of its image", async () => {
    const pod = await container();
    const own = join(pod.folder, "own");
    mkdirSync(own);
    writeFileSync(join(own, "sitecustomize.py"), "import sys\nsys.marked = 'by the image'\nname = 'own'\n");
    const engine = `import sys, sitecustomize\n${using}print(sys.marked, sitecustomize.name)\n${forever}`;
    const running = pod.start(engine, { path: [own, standIn] });
    await until("figures", async () => (await pod.processes()).length === 1);
    expect(running.out()).toBe("by the image own\n");
    // Its faults are told as without us.
    writeFileSync(join(own, "sitecustomize.py"), "raise ValueError('of the image')\n");
    const told = await pod.run("print('done')", { path: [own] });
    expect(told).toEqual(await pod.run("print('done')", { env: { PYTHONPATH: own } }));
    expect(told.err).toContain("of the image");
  });

  it("runs under Python 3.8 and with nothing but the standard library", () => {
    const program = "import ast, sys\nfor path in sys.argv[1:]:\n    tree = ast.parse(open(path).read(), feature_version=(3, 8))\n    for node in ast.walk(tree):\n        for name in [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module] if isinstance(node, ast.ImportFrom) else []:\n            assert name.split('.')[0] in sys.stdlib_module_names, name\n";
    const scripts = join(__dirname, "../../../components/inference/engines/scripts");
    const { status, stderr } = spawnSync("python3", ["-c", program, join(scripts, "sitecustomize.py"), join(scripts, "allocator_metrics.py")], { encoding: "utf8" });
    expect([status, stderr]).toEqual([0, ""]);
    expect(existsSync(join(scripts, "__pycache__"))).toBe(false);
  });
});

describe.skipIf(withoutTorch !== undefined)("the exporter beside a real PyTorch on the CPU", () => {
  /** What a machine without a GPU cannot have is faked, and nothing else. */
  const faked = `import torch, time, os
torch.cuda.is_initialized = lambda: True
torch.cuda.device_count = lambda: 1
torch.cuda.memory_stats = lambda device=None: {"reserved_bytes.all.current": 1000, "allocated_bytes.all.current": 600, "inactive_split_bytes.all.current": 310, "num_alloc_retries": 0, "num_ooms": 0}
`;

  it("measures while PyTorch computes, loads data in forked processes and trains in spawned ones", async () => {
    const pod = await container();
    const program = `${faked}
class Numbers(torch.utils.data.Dataset):
    def __len__(self): return 64
    def __getitem__(self, index): return torch.full((8,), float(index))
def work(rank):
    print("rank", rank)
if __name__ == "__main__":
    layer = torch.nn.Linear(8, 1)
    for _ in range(3):
        for batch in torch.utils.data.DataLoader(Numbers(), batch_size=8, num_workers=2):
            layer(batch).sum().backward()
    torch.multiprocessing.spawn(work, nprocs=1)
    print("computed", layer.weight.grad.shape[1])
    time.sleep(60)
`;
    const engine = pod.start(program, { python: debianPython, path: [] });
    const found = await until("figures of the engine alone", async () => {
      const samples = engine.out().includes("computed") ? await pod.samples() : [];
      return samples.length === 5 && samples;
    }, 60);
    expect(engine.out()).toBe("rank 0\ncomputed 8\n");
    expect(engine.err()).not.toContain("rackwright");
    expect(found.map(({ name, process: of, value }) => [name.replace("rackwright_torch_", ""), of, value])).toEqual([
      ["reserved_bytes", engine.pid, 1000], ["allocated_bytes", engine.pid, 600], ["inactive_split_bytes", engine.pid, 310], ["allocation_retries_total", engine.pid, 0], ["out_of_memory_total", engine.pid, 0],
    ]);
  }, 120_000);

  it("says nothing of a PyTorch that has no GPU", async () => {
    const pod = await container(0.05);
    const { code, out, err } = await pod.run("import torch, time\ntime.sleep(0.5)\nprint(torch.cuda.is_initialized())\n", { python: debianPython, path: [] });
    expect({ code, out, err }).toEqual({ code: 0, out: "False\n", err: "" });
    expect(pod.files()).toEqual([]);
  }, 60_000);
});
