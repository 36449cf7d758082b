"""A training program without a framework: counts steps, writes checkpoints as docs/training.md says, and can break.

    trainer.py STEPS JOURNAL [--break-at STEP (while it writes that step's checkpoint)] [--fail-at STEP] ATTEMPT
"""
import os
import signal
import subprocess
import sys
import time

steps, journal = int(sys.argv[1]), sys.argv[2]
options = dict(zip(sys.argv[3::2], sys.argv[4::2]))
root = os.environ["RACKWRIGHT_CHECKPOINT_DIRECTORY"]
every = int(os.environ["RACKWRIGHT_CHECKPOINT_EVERY_STEPS"])
rank = os.environ["RACKWRIGHT_RANK"]
tool = os.environ["CHECKPOINT_TOOL"]
once = os.path.join(os.path.dirname(journal), "broken-%s" % rank)


attempt = sys.argv[-1]
parent = os.getppid()


def live():
    """A container that is killed takes all of its processes with it."""
    if os.getppid() != parent:
        os._exit(9)


def together(step):
    """Waits for the other servers, as collectives do: for ever, when one is gone."""
    def progress(server):
        return "%s-%s-%s" % (journal, attempt, server)
    with open(progress(rank) + ".new", "w") as file:
        file.write(str(step))
    os.replace(progress(rank) + ".new", progress(rank))
    for server in range(int(os.environ["RACKWRIGHT_SERVERS"])):
        while not os.path.exists(progress(server)) or int(open(progress(server)).read()) < step:
            live()
            time.sleep(0.005)


def note(text):
    with open(journal, "a") as file:
        file.write("%s %s\n" % (rank, text))


begin = int(os.environ.get("RACKWRIGHT_CHECKPOINT_RESUME_STEP", "0"))
if begin:
    with open(os.path.join(os.environ["RACKWRIGHT_CHECKPOINT_RESUME_FROM"], "rank-%s.txt" % rank)) as file:
        assert int(file.read()) == begin, "another step's weights"
note("from %d %s" % (begin, attempt))
for step in range(begin + 1, steps + 1):
    time.sleep(0.02)
    live()
    together(step)
    if options.get("--fail-at") == str(step) and not os.path.exists(once):
        open(once, "w").close()
        sys.exit(3)
    if step % every:
        continue
    directory = os.path.join(root, "step-%d" % step)
    os.makedirs(directory, exist_ok=True)
    with open(os.path.join(directory, "rank-%s.txt" % rank), "w") as file:
        file.write(str(step))
        if options.get("--break-at") == str(step) and not os.path.exists(once):
            open(once, "w").close()
            os.kill(os.getppid(), signal.SIGKILL)
            os._exit(9)
    subprocess.run([sys.executable, tool, "complete", directory], check=True)
note("done")
