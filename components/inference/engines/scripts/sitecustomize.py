"""Runs in every Python process of an engine's container, before the engine: waits for PyTorch to be there and hands over to
allocator_metrics.py. Costs a thread that sleeps. Whatever goes wrong here is said once and goes no further.
"""
import _signal
import _thread
import os
import sys
import time

FOLDER = os.path.dirname(os.path.abspath(__file__))
# How long a fork waits for the thread to be between two pieces of work.
FORK_PATIENCE_SECONDS = 1.0


def say(text):
    try:
        os.write(2, ("rackwright: memory of PyTorch is not measured here: %s\n" % text).encode("utf-8", "replace"))
    except OSError:
        pass


class Watcher:
    """One thread of the kind that no process waits for at its end, and that `threading` does not count."""

    def __init__(self, interval_seconds):
        self.interval_seconds = interval_seconds
        self.lock = _thread.allocate_lock()
        self.forking = None
        self.exporter = None

    def start(self):
        _thread.start_new_thread(self.run, ())

    def run(self):
        try:
            # The engine's signals are for its own threads; faults are for the thread that has them.
            faults = {_signal.SIGSEGV, _signal.SIGBUS, _signal.SIGFPE, _signal.SIGILL, _signal.SIGABRT}
            _signal.pthread_sigmask(_signal.SIG_BLOCK, set(_signal.valid_signals()) - faults)
            # Looked for in what is imported already: importing PyTorch takes seconds and a GPU's memory.
            while "torch.cuda" not in sys.modules:
                time.sleep(self.interval_seconds)
            with self.lock:
                self.exporter = load("allocator_metrics").Exporter(self.lock, self.interval_seconds, say)
            self.exporter.run()
        except BaseException as error:
            say("%s: %s" % (type(error).__name__, error))

    def before_fork(self):
        # A child must not inherit a lock that a thread holds which it does not have: neither this one nor one below it.
        if self.lock.acquire(True, FORK_PATIENCE_SECONDS):
            self.forking = _thread.get_ident()

    def after_fork_in_parent(self):
        if self.forking == _thread.get_ident():
            self.forking = None
            self.lock.release()

    def after_fork_in_child(self):
        try:
            exporter, self.exporter = self.exporter, None
            if exporter is not None:
                exporter.forget()
            self.lock = _thread.allocate_lock()
            self.forking = None
            self.start()
        except BaseException as error:
            say("%s: %s" % (type(error).__name__, error))


def load(name):
    import importlib.util

    spec = importlib.util.spec_from_file_location(name, os.path.join(FOLDER, name + ".py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def watch():
    # An interpreter inside of another one waits for its threads and cannot have this one.
    allowed = getattr(_thread, "_is_main_interpreter", None) or getattr(_thread, "daemon_threads_allowed", None)
    if allowed is not None and not allowed():
        return
    watcher = Watcher(max(0.05, float(os.environ.get("RACKWRIGHT_ALLOCATOR_INTERVAL_SECONDS", "15"))))
    os.register_at_fork(before=watcher.before_fork, after_in_parent=watcher.after_fork_in_parent, after_in_child=watcher.after_fork_in_child)
    watcher.start()


def run_further():
    """Python runs one sitecustomize, the first on its path. What the image has in its own is not to be lost."""
    from importlib.machinery import PathFinder

    path = [entry for entry in sys.path if os.path.abspath(entry) != FOLDER]
    spec = PathFinder.find_spec("sitecustomize", path)
    if spec is None or spec.loader is None:
        return
    from importlib.util import module_from_spec

    module = module_from_spec(spec)
    sys.modules["sitecustomize"] = module
    spec.loader.exec_module(module)


try:
    watch()
except BaseException as fault:
    say("%s: %s" % (type(fault).__name__, fault))
run_further()
