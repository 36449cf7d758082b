"""Starts a launcher on all servers of a training job together, from a checkpoint that all of them have.

    python3 run_together.py -- LAUNCHER ARGUMENT...

The process on the first server keeps the meeting: every server reports which checkpoints it holds whole, and all start
from the newest that everyone has. When one is lost, the others end their launcher and meet again, so that the server
that comes back finds them waiting. `@attempt@` in an argument becomes a name that all share and no other start has.
"""
import ctypes
import json
import os
import queue
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
from checkpoints import Checkpoints, by_step, choose, step_of  # noqa: E402

EXIT_AGAIN = 75  # worth another try (sysexits.h: temporary failure)
EXIT_TERMINATED = 128 + signal.SIGTERM
EXIT_CONFIGURATION = 78  # no use trying again (sysexits.h: configuration error)

BEAT_SECONDS = float(os.environ.get("RACKWRIGHT_BEAT_SECONDS", "5"))
SILENCE_SECONDS = 6 * BEAT_SECONDS


def say(text):
    print("rackwright: " + text, file=sys.stderr, flush=True)


def send(connection, message):
    connection.sendall(json.dumps(message).encode() + b"\n")


def receive(stream):
    """The next message, or None when the other side is gone or speaks nonsense."""
    try:
        line = stream.readline(1 << 20)
        message = json.loads(line) if line.endswith(b"\n") else None
    except (OSError, ValueError):
        return None
    return message if isinstance(message, dict) else None


def hang_up(connection):
    """Ends a connection for good: a reader that waits on it in another thread would keep it open otherwise."""
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
    connection.close()


class Meeting(threading.Thread):
    """Kept on the first server. One thread a connection; all of the state behind one lock."""

    def __init__(self, servers, generation, port):
        super().__init__(daemon=True)
        self.servers = servers
        self.generation = generation
        self.lock = threading.Lock()
        self.connections = {}
        self.reports = {}
        self.done = set()
        self.running = False
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(("", port))
        self.socket.listen(64)

    def run(self):
        while True:
            connection, _ = self.socket.accept()
            threading.Thread(target=self.attend, args=(connection,), daemon=True).start()

    def attend(self, connection):
        connection.settimeout(SILENCE_SECONDS)
        stream = connection.makefile("rb")
        hello = receive(stream)
        rank = hello.get("rank") if hello else None
        if hello is None or hello.get("generation") != self.generation or not isinstance(rank, int) or not 0 <= rank < self.servers:
            hang_up(connection)
            return
        with self.lock:
            before = self.connections.get(rank)
            self.connections[rank] = connection
            if before is not None:
                hang_up(before)
                self.lost(rank)
        message = hello
        while message is not None:
            with self.lock:
                if self.connections.get(rank) is not connection:
                    break
                self.handle(rank, connection, message)
            message = receive(stream)
        with self.lock:
            if self.connections.get(rank) is connection:
                del self.connections[rank]
                self.lost(rank)
        hang_up(connection)

    def handle(self, rank, connection, message):
        kind = message.get("kind")
        if kind == "ready":
            self.reports[rank] = {"complete": message["complete"], "agreed": message["agreed"]}
            self.start_if_all_here()
        elif kind == "beat":
            if rank in self.reports:
                self.reports[rank]["complete"] = message["complete"]
            shared = set.intersection(*(set(report["complete"]) for report in self.reports.values())) if self.running else set()
            self.tell(connection, {"kind": "beat", "common": by_step(shared)})
        elif kind == "done":
            self.done.add(rank)
            if len(self.done) == self.servers:
                self.tell_all({"kind": "finished"})
        elif kind == "unfit":
            # A checkpoint that all were to start from is damaged there: all meet anew, and nobody is to blame.
            if self.running:
                self.lost(rank)
                self.tell(connection, {"kind": "stop", "reason": "its checkpoint is not what was written"})
        elif kind == "failed":
            # The first to fail takes the blame: its container ends and counts. The others failed because of it.
            culprit = self.running
            self.tell(connection, {"kind": "exit" if culprit else "stop", "reason": "its launcher failed"})
            if culprit:
                self.lost(rank)

    def start_if_all_here(self):
        if self.running or len(self.reports) < self.servers:
            return
        start, problem = choose(self.reports)
        attempt = secrets.token_hex(6)
        if problem is None:
            self.running = True
            self.done = set()
        self.tell_all({"kind": "refuse", "reason": problem} if problem else {"kind": "start", "from": start, "attempt": attempt})

    def lost(self, rank):
        self.reports.pop(rank, None)
        if not self.running:
            return
        self.running = False
        self.reports = {}
        for other, connection in list(self.connections.items()):
            if other != rank:
                self.tell(connection, {"kind": "stop", "reason": "server %d is lost" % rank})

    def tell_all(self, message):
        # The first server last: what it is told may end this process.
        for rank in sorted(self.connections, reverse=True):
            self.tell(self.connections[rank], message)

    def tell(self, connection, message):
        try:
            send(connection, message)
        except OSError:
            pass  # its own thread notices


class Launcher:
    """One start of the launcher and of all that it starts in turn."""

    def __init__(self, command, environment):
        self.process = subprocess.Popen(command, env=environment, start_new_session=True)

    def code(self):
        return self.process.poll()

    def end(self, grace_seconds):
        """Ends everything: politely first, so that a framework can close its files."""
        if self.process.poll() is None:
            self.signal(signal.SIGTERM)
            try:
                self.process.wait(grace_seconds)
            except subprocess.TimeoutExpired:
                pass
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            left = descendants(os.getpid())
            if not left:
                break
            for process in left:
                try:
                    os.kill(process, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            time.sleep(0.05)
            self.process.poll()
            reap(self.process)

    def signal(self, number):
        try:
            os.killpg(self.process.pid, number)
        except ProcessLookupError:
            pass


def descendants(root):
    """Processes below this one that still run, found in /proc: workers of a launcher that was killed hold their GPUs."""
    children = {}
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            with open("/proc/%s/stat" % entry, "rb") as file:
                state, parent = file.read().rsplit(b")", 1)[1].split()[:2]
        except (OSError, ValueError):
            continue
        children.setdefault(int(parent), []).append((int(entry), state))
    found, pending = [], [root]
    while pending:
        for process, state in children.get(pending.pop(), []):
            pending.append(process)
            if state not in (b"Z", b"X"):
                found.append(process)
    return found


def reap(own):
    """Collects what was orphaned to this process; the launcher itself belongs to `own`."""
    if own.returncode is None:
        return
    try:
        while os.waitpid(-1, os.WNOHANG)[0] != 0:
            pass
    except ChildProcessError:
        pass


def adopt_orphans():
    """Orphans below come to this process instead of to the one above: it is the only one that ends them."""
    pr_set_child_subreaper = 36
    ctypes.CDLL(None).prctl(pr_set_child_subreaper, 1, 0, 0, 0)


def refuse_other_stage(command):
    """A DeepSpeed configuration of the command's own must have the ZeRO stage that the environment states."""
    stage = os.environ.get("RACKWRIGHT_ZERO_STAGE")
    if stage is None:
        return
    for place, argument in enumerate(command):
        flag, _, value = argument.partition("=")
        if flag not in ("--deepspeed", "--deepspeed_config", "--deepspeed-config"):
            continue
        path = value or (command[place + 1] if place + 1 < len(command) else "")
        if not path.endswith(".json"):
            continue
        try:
            with open(path, encoding="utf-8") as file:
                own = json.load(file).get("zero_optimization", {}).get("stage", 0)
        except (OSError, ValueError, AttributeError) as error:
            say("%s could not be read to compare its ZeRO stage: %s" % (path, error))
            continue
        if str(own) != stage:
            say("%s has ZeRO stage %s, but the environment's zeroStage is %s. Change one of them, or give $(RACKWRIGHT_DEEPSPEED_CONFIG) instead." % (path, own, stage))
            sys.exit(EXIT_CONFIGURATION)


class Member:
    """This server's part."""

    def __init__(self, command):
        setting = os.environ
        self.command = command
        self.rank = int(setting["RACKWRIGHT_RANK"])
        self.leader = (setting["RACKWRIGHT_LEADER"] if self.rank != 0 else "127.0.0.1", int(setting["RACKWRIGHT_MEETING_PORT"]))
        self.generation = setting["RACKWRIGHT_GENERATION"]
        self.patience_seconds = float(setting["RACKWRIGHT_PATIENCE_SECONDS"])
        self.grace_seconds = float(setting["RACKWRIGHT_GRACE_SECONDS"])
        self.keep_last = int(setting["RACKWRIGHT_CHECKPOINT_KEEP_LAST"])
        self.store = Checkpoints(setting["RACKWRIGHT_CHECKPOINT_DIRECTORY"], int(setting["RACKWRIGHT_PROCESSES"]), self.rank == 0, int(setting["RACKWRIGHT_CHECKPOINT_KEEP_EVERY_STEPS"]) if "RACKWRIGHT_CHECKPOINT_KEEP_EVERY_STEPS" in setting else None)
        self.launcher = None
        self.starting = False
        self.ending = False
        try:
            os.makedirs(self.store.root, exist_ok=True)
            if not os.access(self.store.root, os.W_OK):
                raise PermissionError("it belongs to another user")
        except OSError as error:
            say("%s cannot be written to: %s" % (self.store.root, error))
            sys.exit(EXIT_CONFIGURATION)

    def report(self, kind):
        return {"kind": kind, "rank": self.rank, "generation": self.generation, "complete": self.store.complete(), "agreed": self.store.agreed()}

    def connect(self):
        deadline = time.monotonic() + self.patience_seconds
        waiting = False
        while time.monotonic() < deadline:
            try:
                connection = socket.create_connection(self.leader, 5)
                connection.settimeout(SILENCE_SECONDS)
                return connection
            except OSError as error:
                if not waiting:
                    say("waiting for the first server at %s:%d (%s)" % (self.leader + (error,)))
                waiting = True
                time.sleep(1)
        say("the first server did not answer within %d s" % self.patience_seconds)
        sys.exit(EXIT_AGAIN)

    def run(self):
        while True:
            connection = self.connect()
            messages = queue.Queue()
            threading.Thread(target=self.listen, args=(connection, messages), daemon=True).start()
            try:
                self.attend(connection, messages)
            except OSError as error:
                say("the meeting is gone: %s" % error)
            finally:
                hang_up(connection)
                self.stop()
            time.sleep(1)

    @staticmethod
    def listen(connection, messages):
        stream = connection.makefile("rb")
        while True:
            message = receive(stream)
            messages.put(message)
            if message is None:
                return

    def beating(self, connection, work, *arguments):
        """Does work that may take minutes, as reading a checkpoint does, while the meeting hears that this server lives."""
        answer = []
        worker = threading.Thread(target=lambda: answer.append(work(*arguments)), daemon=True)
        worker.start()
        while worker.is_alive():
            worker.join(BEAT_SECONDS)
            if worker.is_alive():
                send(connection, {"kind": "alive", "rank": self.rank, "generation": self.generation})
        return answer[0] if answer else None

    def attend(self, connection, messages):
        send(connection, {"kind": "alive", "rank": self.rank, "generation": self.generation})
        self.beating(connection, self.store.verify_newest)
        send(connection, self.report("ready"))
        waiting_since = time.monotonic()
        beat = time.monotonic()
        told = None
        while True:
            try:
                message = messages.get(timeout=0.2)
            except queue.Empty:
                message = {"kind": "nothing"}
            if message is None:
                raise ConnectionResetError("the first server closed it")
            kind = message["kind"]
            if kind == "start":
                told = None
                if message["from"] is None or self.beating(connection, self.store.verify, message["from"]):
                    self.start(message)
                else:
                    send(connection, {"kind": "unfit"})
            elif kind == "stop":
                say("starting anew: %s" % message["reason"])
                self.stop()
                waiting_since = time.monotonic()
                told = None
                self.beating(connection, self.store.verify_newest)
                send(connection, self.report("ready"))
            elif kind == "refuse":
                say(message["reason"])
                sys.exit(EXIT_CONFIGURATION)
            elif kind == "finished":
                sys.exit(0)
            elif kind == "exit":
                sys.exit(told or EXIT_AGAIN)
            elif kind == "beat" and self.launcher is not None:
                self.store.settle(message["common"], self.keep_last)
            if time.monotonic() - beat > BEAT_SECONDS:
                beat = time.monotonic()
                send(connection, self.report("beat"))
            if self.launcher is None:
                if time.monotonic() - waiting_since > self.patience_seconds:
                    say("not all servers came within %d s" % self.patience_seconds)
                    sys.exit(EXIT_AGAIN)
            elif told is None and self.launcher.code() is not None:
                told = self.launcher.code()
                # A launcher that a signal ended has a negative code, which no container can end with.
                told = told if told >= 0 else 128 - told
                say("the launcher ended with %d" % told)
                send(connection, {"kind": "done" if told == 0 else "failed"})

    def start(self, message):
        start, attempt = message["from"], message["attempt"]
        self.store.prepare(start)
        environment = dict(os.environ)
        if start is None:
            say("starting from nothing")
        else:
            say("starting from %s" % start)
            environment["RACKWRIGHT_CHECKPOINT_RESUME_FROM"] = os.path.join(self.store.root, start)
            environment["RACKWRIGHT_CHECKPOINT_RESUME_STEP"] = str(step_of(start))
        self.starting = True
        self.launcher = Launcher([argument.replace("@attempt@", attempt) for argument in self.command], environment)
        self.starting = False
        if self.ending:
            sys.exit(EXIT_TERMINATED)

    def terminated(self, _number, _frame):
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)
        # A launcher that is just being started must be known before it can be ended.
        self.ending = True
        if not self.starting:
            sys.exit(EXIT_TERMINATED)

    def stop(self):
        if self.launcher is not None:
            self.launcher.end(self.grace_seconds)
            self.launcher = None


def main():
    if len(sys.argv) < 3 or sys.argv[1] != "--":
        sys.exit(__doc__)
    command = sys.argv[2:]
    refuse_other_stage(command)
    adopt_orphans()
    member = Member(command)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, member.terminated)
    if member.rank == 0:
        Meeting(int(os.environ["RACKWRIGHT_SERVERS"]), member.generation, member.leader[1]).start()
    member.run()


if __name__ == "__main__":
    main()
