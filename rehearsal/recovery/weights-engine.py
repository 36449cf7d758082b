"""Stands in for an inference engine on an emulated server. It answers nothing before it has read all of its weights and found
them as their manifest says, and is not ready before it has answered itself a few times. After that each answer reads from every
drive of the tier, past the page cache; what it cannot read is a failed health check and a failed request."""

import argparse
import hashlib
import http.client
import http.server
import json
import mmap
import os
import pathlib
import sys
import threading
import time

PIECE_BYTES = 4096
PART_SECONDS = 0.1
WARM_UP_REQUESTS = 20


def load(folder, step_bytes):
    """Verifies every file of the manifest. Returns (file descriptor, offset) of one piece in each stretch of the shards."""
    pieces = []
    for line in (folder / "manifest.sha256").read_text().splitlines():
        wanted, name = line[:64], line[66:]
        descriptor = os.open(folder / name, os.O_RDONLY | os.O_DIRECT)
        size = os.fstat(descriptor).st_size
        found = hashlib.sha256()
        with mmap.mmap(-1, 1 << 20) as buffer:
            for offset in range(0, size, 1 << 20):
                found.update(buffer[: os.preadv(descriptor, [buffer], offset)])
        if found.hexdigest() != wanted:
            sys.exit(f"{folder / name} has the checksum {found.hexdigest()}, wanted is {wanted}")
        if name.endswith(".safetensors"):
            pieces.append([(descriptor, offset) for offset in range(0, size, step_bytes)])
    return pieces


def serve(options):
    shards = load(options.folder, options.step_bytes)
    served = 0
    warm = threading.Event()

    def read_weights():
        # Direct reads want memory that is aligned as pages are.
        with mmap.mmap(-1, PIECE_BYTES) as buffer:
            for descriptor, offset in shards[served % len(shards)]:
                os.preadv(descriptor, [buffer], offset)

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # An answer in several packets would otherwise wait for acknowledgements of each.
        disable_nagle_algorithm = True

        def respond(self, status, text):
            self.send_response(status)
            self.send_header("content-type", "text/plain")
            self.send_header("content-length", str(len(text)))
            self.end_headers()
            self.wfile.write(text.encode())

        def do_GET(self):
            try:
                read_weights()
            except OSError as error:
                self.respond(503, f"{error}\n")
            else:
                self.respond(200 if warm.is_set() else 503, "ok\n" if warm.is_set() else "warming up\n")

        def do_POST(self):
            nonlocal served
            served += 1
            request = self.headers.get("x-request-id", "")
            # In one piece, whatever other threads write.
            if request:
                os.write(sys.stdout.fileno(), (json.dumps({"id": request, "at": round(time.time() * 1000)}) + "\n").encode())
            try:
                read_weights()
            except OSError as error:
                self.respond(500, f"{error}\n")
                return
            parts = int(self.headers.get("x-parts", "1"))
            last = f"{request} {options.name}\n"
            self.send_response(200)
            self.send_header("content-type", "text/plain")
            self.send_header("content-length", str((parts - 1) * len("part\n") + len(last)))
            self.end_headers()
            for _ in range(parts - 1):
                self.wfile.write(b"part\n")
                time.sleep(PART_SECONDS)
            self.wfile.write(last.encode())

        def log_message(self, *_):
            pass

    class Server(http.server.ThreadingHTTPServer):
        request_queue_size = 128

    server = Server(("", options.port), Handler)

    def warm_up():
        """As engines do before they are ready: the first answers of a program that was just started are slow ones."""
        for count in range(WARM_UP_REQUESTS):
            connection = http.client.HTTPConnection("127.0.0.1", options.port)
            connection.request("POST" if count % 2 else "GET", "/")
            connection.getresponse().read()
            connection.close()
        warm.set()

    threading.Thread(target=warm_up, daemon=True).start()
    server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=pathlib.Path, required=True, help="of the model")
    parser.add_argument("--name", required=True, help="written into every answer")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--step-bytes", type=int, required=True, help="from one piece to the next: the chunk of the array")
    serve(parser.parse_args())
