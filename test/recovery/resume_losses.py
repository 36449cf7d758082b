"""Whether training that is killed goes on with the very same losses, under the shipped run_together.py.

    python3 resume_losses.py [--device cpu|cuda|plain] [--launcher torchrun] [--steps 2500] [--every 1000] [--kill-at 1500]

Trains a small model three times: undisturbed; killed with -9 at a step and started again; and so with the newest checkpoint
damaged by one turned bit, which is skipped. Prints what came of it as JSON. Exit code 0: the losses of all three are the same
in every bit, and each went on from the step that it should. `plain` needs no PyTorch: a model in Python's own arithmetic.
"""
import argparse
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.realpath(__file__))
SCRIPTS = os.path.join(HERE, "..", "..", "components", "training", "scripts")


# ---------------------------------------------------------------- the training program


def plain_model():
    """A linear model with momentum on numbers of a generator whose state is part of the checkpoint."""
    state = {"weights": [0.0] * 8, "momentum": [0.0] * 8, "seed": 12345}

    def number():
        state["seed"] = (state["seed"] * 6364136223846793005 + 1442695040888963407) % (1 << 64)
        return state["seed"] / float(1 << 63) - 1.0

    def step():
        row = [number() for _ in range(8)]
        error = sum(w * x for w, x in zip(state["weights"], row)) - sum((i + 1) * x for i, x in enumerate(row)) - 0.1 * number()
        for i, x in enumerate(row):
            state["momentum"][i] = 0.9 * state["momentum"][i] + 2 * error * x
            state["weights"][i] -= 0.003 * state["momentum"][i]
        return error * error

    def save(path):
        with open(path, "w") as file:
            json.dump(state, file)

    def load(path):
        with open(path) as file:
            state.update(json.load(file))

    return step, save, load


def torch_model(device):
    """Dropout makes the losses depend on the random state, Adam on its moments: both are part of the checkpoint."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    import torch

    torch.manual_seed(7)
    torch.use_deterministic_algorithms(True)
    torch.set_num_threads(1)
    model = torch.nn.Sequential(torch.nn.Linear(32, 64), torch.nn.ReLU(), torch.nn.Dropout(0.2), torch.nn.Linear(64, 1)).to(device)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, step_size=700, gamma=0.5)

    def step():
        inputs = torch.randn(16, 32, device=device)
        loss = ((model(inputs) - inputs.sum(dim=1, keepdim=True).sin()) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        return loss.item()

    def save(path):
        random = {"cpu": torch.get_rng_state()}
        if device == "cuda":
            random["cuda"] = torch.cuda.get_rng_state()
        torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict(), "schedule": schedule.state_dict(), "random": random}, path)

    def load(path):
        kept = torch.load(path, map_location="cpu")
        model.load_state_dict(kept["model"])
        optimizer.load_state_dict(kept["optimizer"])
        schedule.load_state_dict(kept["schedule"])
        torch.set_rng_state(kept["random"]["cpu"])
        if device == "cuda":
            torch.cuda.set_rng_state(kept["random"]["cuda"])

    return step, save, load


def train(device, steps, journal, kill_at):
    sys.path.insert(0, SCRIPTS)
    from checkpoints import Cadence, mark_complete

    step, save, load = plain_model() if device == "plain" else torch_model(device)
    begin = int(os.environ.get("RACKWRIGHT_CHECKPOINT_RESUME_STEP", "0"))
    if begin:
        load(os.path.join(os.environ["RACKWRIGHT_CHECKPOINT_RESUME_FROM"], "state.pt"))
    cadence = Cadence()
    with open(journal, "a") as losses:
        losses.write("from %d\n" % begin)
        for number in range(begin + 1, steps + 1):
            losses.write("%d %s\n" % (number, step().hex()))
            losses.flush()
            if cadence.due(number):
                folder = os.path.join(os.environ["RACKWRIGHT_CHECKPOINT_DIRECTORY"], "step-%d" % number)
                os.makedirs(folder, exist_ok=True)
                save(os.path.join(folder, "state.pt"))
                mark_complete(folder)
            if number == kill_at:
                # Whoever waits for this kills everything; nothing here ends by itself.
                open(journal + ".reached", "w").close()
                time.sleep(600)


# ---------------------------------------------------------------- what is done to it


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Run:
    def __init__(self, options, folder):
        self.options, self.folder = options, folder
        self.checkpoints, self.journal = os.path.join(folder, "job"), os.path.join(folder, "journal")
        os.makedirs(self.checkpoints)
        self.said = ""

    def start(self, kill_at=0):
        program = [os.path.realpath(__file__), "--train", self.options.device, str(self.options.steps), self.journal, str(kill_at)]
        if self.options.launcher == "torchrun":
            # The older spelling of the flags, which every release takes.
            command = ["torchrun", "--nnodes", "1", "--nproc_per_node", "1", "--node_rank", "0", "--rdzv_backend", "static", "--rdzv_id", "@attempt@", "--master_addr", "127.0.0.1", "--master_port", str(free_port()), "--max_restarts", "0"] + program
        else:
            command = [sys.executable] + program
        environment = dict(
            os.environ,
            RACKWRIGHT_CHECKPOINT_DIRECTORY=self.checkpoints, RACKWRIGHT_CHECKPOINT_EVERY_STEPS=str(self.options.every), RACKWRIGHT_CHECKPOINT_KEEP_LAST="3",
            RACKWRIGHT_SERVERS="1", RACKWRIGHT_RANK="0", RACKWRIGHT_PROCESSES="1", RACKWRIGHT_LEADER="127.0.0.1", RACKWRIGHT_MEETING_PORT=str(free_port()),
            RACKWRIGHT_GENERATION="g", RACKWRIGHT_PATIENCE_SECONDS="60", RACKWRIGHT_GRACE_SECONDS="5", RACKWRIGHT_BEAT_SECONDS="0.2", PYTHONDONTWRITEBYTECODE="1",
        )
        return subprocess.Popen([sys.executable, os.path.join(SCRIPTS, "run_together.py"), "--"] + command, env=environment, stderr=subprocess.PIPE, text=True)

    def finish(self):
        process = self.start()
        self.said = process.communicate()[1]
        if process.returncode != 0:
            sys.exit("the run in %s ended with %d:\n%s" % (self.folder, process.returncode, self.said))

    def kill_at(self, step):
        """SIGKILL to run_together.py, its launcher and the program, all at once, as a crash of the server is."""
        process = self.start(step)
        while not os.path.exists(self.journal + ".reached"):
            if process.poll() is not None:
                sys.exit("the run ended before step %d:\n%s" % (step, process.communicate()[1]))
            time.sleep(0.01)
        victims = [process.pid]
        for victim in victims:
            with os.scandir("/proc") as entries:
                victims += [int(entry.name) for entry in entries if entry.name.isdigit() and parent_of(entry.name) == victim]
        for victim in victims:
            os.kill(victim, signal.SIGKILL)
        process.communicate()

    def losses(self):
        """(step the last start went on from, losses by step: what a later start wrote wins)."""
        begin, losses = 0, {}
        with open(self.journal) as file:
            for line in file:
                step, value = line.split()
                if step == "from":
                    begin = int(value)
                else:
                    losses[int(step)] = value
        return begin, losses


def parent_of(process):
    try:
        with open("/proc/%s/stat" % process, "rb") as file:
            return int(file.read().rsplit(b")", 1)[1].split()[1])
    except OSError:
        return 0


def turn_a_bit(path):
    with open(path, "r+b") as file:
        file.seek(os.path.getsize(path) // 2)
        byte = file.read(1)[0]
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte ^ 0x10]))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=["plain", "cpu", "cuda"], default="cpu")
    parser.add_argument("--launcher", choices=["python", "torchrun"], default="python")
    parser.add_argument("--steps", type=int, default=2500)
    parser.add_argument("--every", type=int, default=1000)
    parser.add_argument("--kill-at", type=int, default=1500)
    options = parser.parse_args()
    root = tempfile.mkdtemp(prefix="rackwright-losses-")
    try:
        whole = Run(options, os.path.join(root, "whole"))
        whole.finish()
        _, wanted = whole.losses()

        killed = Run(options, os.path.join(root, "killed"))
        killed.kill_at(options.kill_at)
        killed.finish()
        begin, losses = killed.losses()

        damaged = Run(options, os.path.join(root, "damaged"))
        damaged.kill_at(2 * options.every + 1)
        turn_a_bit(os.path.join(damaged.checkpoints, "step-%d" % (2 * options.every), "state.pt"))
        damaged.finish()
        damaged_begin, damaged_losses = damaged.losses()

        result = {
            "device": options.device, "launcher": options.launcher, "steps": options.steps, "killedAt": options.kill_at,
            "wentOnFrom": begin, "sameLosses": losses == wanted, "lastLoss": float.fromhex(wanted[options.steps]),
            "damaged": "step-%d" % (2 * options.every), "wentOnFromAfterDamage": damaged_begin, "sameLossesAfterDamage": damaged_losses == wanted,
            "said": [line for line in damaged.said.splitlines() if "skipping" in line or "starting" in line],
        }
        if options.device != "plain":
            import torch
            result["torch"] = torch.__version__
            if options.device == "cuda":
                result["gpu"] = torch.cuda.get_device_name(0)
        print(json.dumps(result, indent=2))
        good = result["sameLosses"] and result["sameLossesAfterDamage"] and begin == options.kill_at // options.every * options.every and damaged_begin == options.every and len(wanted) == options.steps
        sys.exit(0 if good else 1)
    finally:
        shutil.rmtree(root, ignore_errors=True)


if __name__ == "__main__":
    if len(sys.argv) == 6 and sys.argv[1] == "--train":
        train(sys.argv[2], int(sys.argv[3]), sys.argv[4], int(sys.argv[5]))
    else:
        main()
