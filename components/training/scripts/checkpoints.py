"""Checkpoints of one training job on one server: which are whole, which may go.

    python3 checkpoints.py complete DIR     make DIR durable, write its manifest of checksums, then mark it as whole
    python3 checkpoints.py verify DIR       compare DIR with its manifest
    python3 checkpoints.py list ROOT        print the names of the whole checkpoints, oldest first

What is a whole checkpoint is said in docs/training.md.
"""
import concurrent.futures
import hashlib
import json
import os
import re
import shutil
import sys
import time
import zipfile

NAME = re.compile(r"^(step-|global_step)(\d{1,15})$")
MARKER = ".complete"
MANIFEST = ".manifest.sha256"
ASIDE = ".aside"
AGREED = ".agreed"
DOOMED = ".deleting-"


def step_of(name):
    return int(NAME.match(name).group(2))


def by_step(names):
    return sorted(names, key=lambda name: (step_of(name), name))


def _read(path, limit=200):
    """The beginning of a small text file, or None. What cannot be decoded is no marker of ours."""
    try:
        with open(path, "rb") as file:
            return file.read(limit).decode("ascii").strip()
    except (OSError, UnicodeDecodeError):
        return None


def _sync(path):
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_durably(path, text):
    """A file with this text or the one before it, whatever happens in between."""
    draft = "%s.%d" % (path, os.getpid())
    with open(draft, "w", encoding="ascii") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(draft, path)
    _sync(os.path.dirname(path))


def _checksum(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        for block in iter(lambda: file.read(1 << 22), b""):
            digest.update(block)
    return digest.hexdigest()


def checksums(directory, names=None):
    """SHA-256 of the files below a folder, by their names relative to it; None for one that cannot be read."""
    if names is None:
        names = [os.path.relpath(os.path.join(folder, name), directory) for folder, _, files in os.walk(directory) for name in files]
        # What is being written beside them is no part of the checkpoint.
        names = [name for name in names if name not in (MARKER, MANIFEST) and not name.startswith((MARKER + ".", MANIFEST + "."))]

    def digest(name):
        try:
            return _checksum(os.path.join(directory, name))
        except OSError:
            return None

    # Hashing lets other threads run; more of them than drives can feed are of no use.
    with concurrent.futures.ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1)) as pool:
        return dict(zip(names, pool.map(digest, names)))


def manifest_fault(directory):
    """Why a checkpoint is not what its manifest says, or None. One without a manifest cannot be judged by it."""
    try:
        with open(os.path.join(directory, MANIFEST), encoding="utf-8", errors="surrogateescape") as file:
            lines = [line.rstrip("\n").split("  ", 1) for line in file]
    except FileNotFoundError:
        return None
    except OSError as error:
        return str(error)
    if any(len(line) != 2 or not re.match(r"^[0-9a-f]{64}$", line[0]) for line in lines):
        return "its manifest is damaged"
    wanted = {name: digest for digest, name in lines}
    found = checksums(directory, list(wanted))
    missing = sorted(name for name, digest in found.items() if digest is None)
    if missing:
        return "%s is missing or cannot be read" % missing[0]
    changed = sorted(name for name, digest in found.items() if digest != wanted[name])
    return "%s is not what was written: its checksum differs" % changed[0] if changed else None


class Cadence:
    """
    When to write a checkpoint: every so many steps, and after so many minutes at the latest, as the environment says.
    With several processes let one ask and tell the others, for their clocks differ.
    """

    def __init__(self, setting=os.environ, clock=time.monotonic):
        self.every_steps = int(setting["RACKWRIGHT_CHECKPOINT_EVERY_STEPS"])
        minutes = setting.get("RACKWRIGHT_CHECKPOINT_EVERY_MINUTES")
        self.every_seconds = None if minutes is None else 60 * float(minutes)
        self.clock = clock
        self.last = clock()

    def due(self, step):
        """Whether a checkpoint is to be written after this step. Counts as written when it says so."""
        late = self.every_seconds is not None and self.clock() - self.last >= self.every_seconds
        if not late and step % self.every_steps:
            return False
        self.last = self.clock()
        return True


def mark_complete(directory):
    """To be called when all of this server's files of a checkpoint are written: syncs them, writes the manifest, then sets the marker."""
    directory = os.path.abspath(directory)
    match = NAME.match(os.path.basename(directory))
    if match is None or match.group(1) != "step-":
        raise ValueError("%s is not named step-<number>" % directory)
    # Of an earlier try at the same step: it must not stand for the files of this one.
    for stale in (MARKER, MANIFEST):
        if os.path.exists(os.path.join(directory, stale)):
            os.unlink(os.path.join(directory, stale))
    for folder, _, files in os.walk(directory):
        for name in files:
            _sync(os.path.join(folder, name))
        _sync(folder)
    _sync(os.path.dirname(directory))
    write_durably(os.path.join(directory, MANIFEST), "".join("%s  %s\n" % (digest, name) for name, digest in sorted(checksums(directory).items())))
    write_durably(os.path.join(directory, MARKER), match.group(2) + "\n")


class Checkpoints:
    """
    The folder of one job. `processes` is how many of them train on this server; `leads` is true on the first one. Of
    `keep_every_steps`, where it is given, each multiple is kept for good.
    """

    def __init__(self, root, processes, leads, keep_every_steps=None):
        self.keep_every_steps = keep_every_steps
        self.root = root
        self.processes = processes
        self.leads = leads
        self._known = set()
        self._said = set()
        self._verified = set()
        self._unfit = {}

    def names(self):
        try:
            with os.scandir(self.root) as entries:
                return by_step(entry.name for entry in entries if NAME.match(entry.name) and entry.is_dir(follow_symlinks=False))
        except FileNotFoundError:
            return []

    def complete(self):
        """Names of the checkpoints that are whole on this server, oldest first."""
        names = self.names()
        self._known &= set(names)
        self._verified &= set(names)
        self._unfit = {name: why for name, why in self._unfit.items() if name in names}
        latest = _read(os.path.join(self.root, "latest"))
        for name in names:
            if name in self._known:
                continue
            try:
                fault = self._unfit.get(name) or self._fault(name, latest)
            except OSError as error:
                fault = str(error)
            if fault is None:
                self._known.add(name)
            elif (name, fault) not in self._said:
                self._said.add((name, fault))
                print("rackwright: checkpoint %s is not whole here: %s" % (name, fault), file=sys.stderr, flush=True)
        return by_step(self._known)

    def verify(self, name):
        """Whether a whole checkpoint is what was written. One that is not counts as not whole from now on, and is skipped."""
        if name not in self._verified:
            fault = manifest_fault(os.path.join(self.root, name))
            if fault is not None:
                self._unfit[name] = fault
                self._known.discard(name)
                print("rackwright: skipping checkpoint %s: %s" % (name, fault), file=sys.stderr, flush=True)
                return False
            self._verified.add(name)
        return True

    def verify_newest(self):
        """Skips from the newest on what is not as written, until one is. Older ones are looked at when one is to be started from."""
        for name in reversed(self.complete()):
            if self.verify(name):
                return

    def _fault(self, name, latest):
        directory = os.path.join(self.root, name)
        if name.startswith("global_step"):
            return self._deepspeed_fault(name, directory, latest)
        marker = _read(os.path.join(directory, MARKER))
        if marker is not None:
            # A file system that lost power may show a marker that was never written out: empty, or with other bytes.
            return None if re.match(r"^\d{1,15}$", marker) and int(marker) == step_of(name) else "its marker does not name its step"
        try:
            return None if os.path.getsize(os.path.join(directory, ".metadata")) > 0 else "its .metadata is empty"
        except OSError:
            return "it has neither %s nor .metadata" % MARKER

    def _deepspeed_fault(self, name, directory, latest):
        # DeepSpeed names a checkpoint in `latest` on the first server only, and may do so before others have written theirs.
        if self.leads and not (latest and NAME.match(latest) and step_of(latest) >= step_of(name)):
            return "the file latest does not name it yet"
        parts = [file for file in os.listdir(directory) if file.endswith(".pt")]
        if not parts:
            return "it has no files"
        for part in sorted(parts):
            if not zipfile.is_zipfile(os.path.join(directory, part)):
                return "%s is cut off" % part
        optimizer = [part for part in parts if part.endswith("_optim_states.pt")]
        if optimizer and len(optimizer) < self.processes:
            return "it has %d of %d optimizer shards" % (len(optimizer), self.processes)
        return None

    def agreed(self):
        """The newest checkpoint that was once whole on all servers, or None."""
        name = _read(os.path.join(self.root, AGREED))
        return name if name and NAME.match(name) else None

    def prepare(self, start):
        """Before a start from `start` (None: from nothing): what came after it is of another course and is set aside, not deleted."""
        os.makedirs(os.path.join(self.root, ASIDE), exist_ok=True)
        for entry in os.listdir(self.root):
            if entry.startswith(DOOMED):
                shutil.rmtree(os.path.join(self.root, entry), ignore_errors=True)
        for name in self.names():
            if start is None or step_of(name) > step_of(start):
                self._remove(os.path.join(ASIDE, name))
                os.rename(os.path.join(self.root, name), os.path.join(self.root, ASIDE, name))
                self._known.discard(name)
                self._verified.discard(name)
                self._unfit.pop(name, None)
        latest = os.path.join(self.root, "latest")
        if start is not None and start.startswith("global_step"):
            write_durably(latest, start)
        elif os.path.exists(latest):
            os.replace(latest, os.path.join(self.root, ASIDE, "latest"))

    def settle(self, common, keep_last):
        """`common` are whole on all servers, oldest first: what is older than the newest `keep_last` of them goes."""
        if not common:
            return
        newest = common[-1]
        if self.agreed() != newest:
            write_durably(os.path.join(self.root, AGREED), newest + "\n")
        aside = os.path.join(self.root, ASIDE)
        if os.path.isdir(aside):
            for name in os.listdir(aside):
                if NAME.match(name) and step_of(name) <= step_of(newest):
                    self._remove(os.path.join(ASIDE, name))
        if len(common) < keep_last:
            return
        oldest_kept = step_of(common[-keep_last])
        for name in self.names():
            if step_of(name) < oldest_kept and not self._is_kept_for_good(name):
                self._remove(name)
                self._known.discard(name)

    def _is_kept_for_good(self, name):
        return self.keep_every_steps is not None and step_of(name) % self.keep_every_steps == 0 and name in self._known

    def _remove(self, relative):
        """Out of sight first: one that is half deleted must not look whole."""
        path = os.path.join(self.root, relative)
        doomed = os.path.join(self.root, DOOMED + os.path.basename(relative))
        shutil.rmtree(doomed, ignore_errors=True)
        try:
            os.rename(path, doomed)
        except FileNotFoundError:
            return
        shutil.rmtree(doomed, ignore_errors=True)


def choose(servers):
    """
    Where to start, from what each server reports: {"complete": [...], "agreed": name or None} by rank.
    Returns (start, problem): the newest that all have, or None for a start from nothing; `problem` forbids a start.
    """
    shared = None
    for report in servers.values():
        shared = set(report["complete"]) if shared is None else shared & set(report["complete"])
    common = by_step(shared or ())
    start = common[-1] if common else None
    agreed = by_step(report["agreed"] for report in servers.values() if report["agreed"])
    if start is None and agreed:
        has = "; ".join("server %d has %s" % (rank, ", ".join(report["complete"]) or "none") for rank, report in sorted(servers.items()))
        return None, "%s was whole on all servers once, and now no checkpoint is: %s. Restore the missing one, or move away all of the job's folders to begin anew." % (agreed[-1], has)
    return start, None


if __name__ == "__main__":
    if len(sys.argv) == 3 and sys.argv[1] == "complete":
        mark_complete(sys.argv[2])
    elif len(sys.argv) == 3 and sys.argv[1] == "verify":
        fault = manifest_fault(sys.argv[2])
        sys.exit(None if fault is None else "%s: %s" % (sys.argv[2], fault))
    elif len(sys.argv) == 3 and sys.argv[1] == "list":
        print(json.dumps(Checkpoints(sys.argv[2], 1, True).complete()))
    else:
        sys.exit(__doc__)
