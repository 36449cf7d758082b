"""Metrics of PyTorch's GPU allocator, from inside of the processes that have one: nothing else can see it.

Each process leaves its figures in a file of its own; one process of the container, whichever has the port, answers
Prometheus with the files of all. Started by sitecustomize.py, once PyTorch is imported.
"""
import os
import socket
import sys
import time

FOLDER = os.environ.get("RACKWRIGHT_ALLOCATOR_FOLDER", "/tmp/rackwright-allocator")
PORT = int(os.environ.get("RACKWRIGHT_ALLOCATOR_PORT", "9401"))

# Name, kind, key of torch.cuda.memory_stats, help.
FAMILIES = (
    ("rackwright_torch_reserved_bytes", "gauge", "reserved_bytes.all.current", "GPU memory that PyTorch holds."),
    ("rackwright_torch_allocated_bytes", "gauge", "allocated_bytes.all.current", "GPU memory of tensors."),
    ("rackwright_torch_inactive_split_bytes", "gauge", "inactive_split_bytes.all.current", "Free pieces of blocks that are partly in use: they cannot be given back."),
    ("rackwright_torch_allocation_retries_total", "counter", "num_alloc_retries", "Allocations that worked only after the cache had been emptied."),
    ("rackwright_torch_out_of_memory_total", "counter", "num_ooms", "Allocations that failed."),
)

# A file that was not written for so many intervals says nothing of now.
STALE_INTERVALS = 3
MOST_FILES = 256
MOST_FILE_BYTES = 64 * 1024
MOST_REQUEST_BYTES = 8 * 1024
REQUEST_SECONDS = 1.0
ANSWER_SECONDS = 2.0


def started_at(process):
    """When a process started, in the kernel's own count; None once it has ended. Tells it from a later one of its number."""
    try:
        with open("/proc/%s/stat" % process, "rb") as file:
            fields = file.read().rsplit(b")", 1)[1].split()
    except (OSError, IndexError):
        return None
    return None if fields[0] in (b"Z", b"X") else fields[19].decode("ascii")


def gpu_name(cuda, device):
    """A GPU's UUID as DCGM and nvidia-smi have it; empty where PyTorch does not tell, as before release 2.4."""
    try:
        told = str(getattr(cuda["get_device_properties"](device), "uuid", ""))
    except Exception:
        told = ""
    uuid = "".join(letter for letter in told if letter.isalnum() or letter == "-")
    if uuid == "" or uuid.startswith(("GPU-", "MIG-")):
        return uuid
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "") + "," + os.environ.get("NVIDIA_VISIBLE_DEVICES", "")
    return ("MIG-" if "MIG-" + uuid in visible else "GPU-") + uuid


class Exporter:
    """`lock` is held for all work but waiting: a fork waits for it. `say` writes one line to the container's log."""

    def __init__(self, lock, interval_seconds, say):
        self.lock = lock
        self.interval_seconds = interval_seconds
        self.say = say
        self.said = set()
        self.process = os.getpid()
        self.file = os.path.join(FOLDER, "%d-%s.prom" % (self.process, started_at("self") or "0"))
        self.names = {}
        self.listener = None
        self.connection = None

    def run(self):
        while not sys.is_finalizing():
            until = time.monotonic() + self.interval_seconds
            with self.lock:
                self.attempt("what PyTorch says", self.work)
            self.attempt("the answer to Prometheus", lambda: self.serve(until))
            # Also what failed waits for its next turn.
            time.sleep(max(0.0, until - time.monotonic()))

    def attempt(self, what, work):
        """Nothing that goes wrong here may reach the engine. Each kind is said once."""
        try:
            return work()
        except Exception as error:
            kind = "%s: %s" % (what, type(error).__name__)
            if kind not in self.said:
                self.said.add(kind)
                self.say("%s: %s" % (kind, error))
            return None

    def work(self):
        cuda = vars(sys.modules.get("torch.cuda", object))
        initialized = cuda.get("is_initialized")
        # Both are missing while another thread is still importing PyTorch.
        if initialized is None or "memory_stats" not in cuda or not initialized():
            return
        # That allocator is the driver's: asking it for a GPU that is not used yet takes memory there, and it splits nothing.
        if cuda.get("get_allocator_backend", lambda: "native")() == "cudaMallocAsync":
            return
        self.attempt("its figures", lambda: self.write(self.lines(cuda)))
        if self.listener is None:
            self.listen()

    def lines(self, cuda):
        found = []
        for device in range(cuda["device_count"]()):
            stats = self.attempt("what PyTorch says", lambda: cuda["memory_stats"](device))
            if not stats or stats.get("reserved_bytes.all.current", 0) <= 0:
                continue
            if device not in self.names:
                self.names[device] = gpu_name(cuda, device)
            labels = '{process="%d",device="%d",uuid="%s"}' % (self.process, device, self.names[device])
            found += ["%s%s %d" % (name, labels, stats.get(key, 0)) for name, _, key, _ in FAMILIES]
        return found

    def write(self, lines):
        if not lines:
            remove(self.file)
            return
        os.makedirs(FOLDER, 0o700, exist_ok=True)
        temporary = self.file + ".tmp"
        try:
            with open(temporary, "w") as file:
                file.write("\n".join(lines) + "\n")
            os.rename(temporary, self.file)
        except OSError:
            remove(temporary)
            raise

    def listen(self):
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(("0.0.0.0", PORT))
            listener.listen(8)
        except OSError:
            # Another process of the engine answers, or something else has the port: tried again at the next turn.
            listener.close()
            return
        self.listener = listener

    def serve(self, until):
        while self.listener is not None:
            left = until - time.monotonic()
            if left <= 0:
                return
            try:
                self.listener.settimeout(left)
                self.connection, _ = self.listener.accept()
            except socket.timeout:
                return
            except OSError:
                with self.lock:
                    self.forget()
                raise
            try:
                self.answer(self.connection)
            except OSError:
                pass  # A client that is slow, silent or gone: the next one may be better.
            finally:
                self.connection.close()
                self.connection = None

    def answer(self, connection):
        until = time.monotonic() + REQUEST_SECONDS
        request = b""
        while b"\r\n\r\n" not in request:
            left = until - time.monotonic()
            if left <= 0 or len(request) > MOST_REQUEST_BYTES:
                return
            connection.settimeout(left)
            received = connection.recv(4096)
            if not received:
                return
            request += received
        method, _, rest = request.split(b"\r\n", 1)[0].partition(b" ")
        path = rest.split(b" ", 1)[0].split(b"?", 1)[0]
        if method != b"GET":
            status, body = "405 Method Not Allowed", "only GET\n"
        elif path != b"/metrics":
            status, body = "404 Not Found", "only /metrics\n"
        else:
            with self.lock:
                status, body = "200 OK", self.everything()
        content = body.encode("utf-8")
        head = "HTTP/1.1 %s\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % (status, len(content))
        connection.settimeout(ANSWER_SECONDS)
        connection.sendall(head.encode("ascii") + content)

    def everything(self):
        """The figures of all processes that live. What others have left is cleared away."""
        lines = [line for path in self.files() for line in read(path)]
        text = []
        for name, kind, _, meaning in FAMILIES:
            own = [line for line in lines if line.startswith(name + "{")]
            if own:
                text += ["# HELP %s %s" % (name, meaning), "# TYPE %s %s" % (name, kind)] + own
        return "\n".join(text + [""])

    def files(self):
        try:
            names = sorted(os.listdir(FOLDER))[:MOST_FILES]
        except OSError:
            return []
        return [path for path in (self.current(name) for name in names) if path is not None]

    def current(self, name):
        path = os.path.join(FOLDER, name)
        process, _, rest = name.partition("-")
        start, _, kind = rest.partition(".")
        if not process.isdigit() or kind not in ("prom", "prom.tmp"):
            return None
        try:
            age_seconds = time.time() - os.stat(path).st_mtime
        except OSError:
            return None
        alive = start == "0" or started_at(process) == start
        if not alive or age_seconds > STALE_INTERVALS * self.interval_seconds:
            remove(path)
            return None
        return path if kind == "prom" else None

    def forget(self):
        """Closes what a child has from its parent, who goes on with it."""
        for each in (self.listener, self.connection):
            if each is not None:
                each.close()
        self.listener = self.connection = None


def read(path):
    try:
        with open(path, "rb") as file:
            return file.read(MOST_FILE_BYTES).decode("utf-8", "replace").splitlines()
    except OSError:
        return []


def remove(path):
    try:
        os.remove(path)
    except OSError:
        pass
