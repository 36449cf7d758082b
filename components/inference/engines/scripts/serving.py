"""HTTP around a model that its engine gives no server: health, metrics, requests with a key, and an end that lets requests finish.

One process a GPU. The first one answers HTTP; it hands each request to the others over a pipe, for all of them must compute it together.
"""

import argparse
import hmac
import json
import os
import signal
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

MOST_BODY_BYTES = 16 * 1024 * 1024


def parse(argv):
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", required=True)
    parser.add_argument("--task", required=True, choices=["text-generation", "text-encoder", "image-classification"])
    parser.add_argument("--served-model-name", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--dtype", required=True, choices=["float32", "bfloat16", "float16"])
    parser.add_argument("--quantization", choices=["float8-dynamic", "float8-weight-only", "int8-weight-only", "int4-weight-only"])
    parser.add_argument("--device", required=True, choices=["cuda", "cpu"])
    parser.add_argument("--tensor-parallel-size", type=int, default=1)
    parser.add_argument("--max-model-len", type=int, required=True)
    parser.add_argument("--max-batch-size", type=int, required=True)
    parser.add_argument("--drain-seconds", type=float, required=True)
    return parser.parse_args(argv)


class Workers:
    """The processes of the other GPUs."""

    def __init__(self, count):
        self.processes = [
            subprocess.Popen([sys.executable, *sys.argv], stdin=subprocess.PIPE, env={**os.environ, "RANK": str(rank), "LOCAL_RANK": str(rank)}, start_new_session=True)
            for rank in range(1, count)
        ]

    def alive(self):
        return all(process.poll() is None for process in self.processes)

    def send(self, request):
        line = (json.dumps(request) + "\n").encode()
        for process in self.processes:
            process.stdin.write(line)
            process.stdin.flush()

    def end(self):
        for process in self.processes:
            try:
                process.stdin.close()
                process.wait(timeout=20)
            except (OSError, subprocess.TimeoutExpired):
                process.kill()


class Refused(Exception):
    """A request that is wrong; its text is the answer."""


class Server(ThreadingHTTPServer):
    daemon_threads = True
    # A client that reconnects quickly must not be refused.
    request_queue_size = 128

    def __init__(self, options, answer, workers):
        super().__init__(("0.0.0.0", options.port), Handler)
        self.options = options
        self.answer = answer
        self.workers = workers
        self.key = os.environ["INFERENCE_API_KEY"]
        # One request after the other: the model is not made for threads.
        self.turn = threading.Lock()
        self.count = threading.Lock()
        self.in_flight = 0
        self.answered = 0
        self.failed = 0
        self.seconds = 0.0
        self.ending = False

    def work(self, path, body):
        with self.turn:
            started = time.monotonic()
            request = {"path": path, "body": body}
            self.workers.send(request)
            result = self.answer(request)
            self.seconds += time.monotonic() - started
            return result

    def drain(self):
        deadline = time.monotonic() + self.options.drain_seconds
        while time.monotonic() < deadline:
            with self.count:
                if self.in_flight == 0:
                    break
            time.sleep(0.05)
        self.shutdown()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments):
        if self.path not in ("/health", "/metrics"):
            super().log_message(*arguments)

    def reply(self, status, value):
        text = value if isinstance(value, str) else json.dumps(value)
        data = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/plain; version=0.0.4" if isinstance(value, str) else "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def refuse(self, status, text):
        self.close_connection = True
        self.reply(status, {"error": {"message": text, "type": "invalid_request_error"}})

    def authorised(self):
        given = self.headers.get("Authorization", "")
        return hmac.compare_digest(given.encode(), f"Bearer {self.server.key}".encode())

    def do_GET(self):
        server = self.server
        if self.path == "/health":
            healthy = server.workers.alive() and not server.ending
            self.reply(200 if healthy else 503, {"status": "ok" if healthy else "ending" if server.ending else "a process has ended"})
        elif self.path == "/metrics":
            self.reply(
                200,
                f"# TYPE engine_requests_in_flight gauge\nengine_requests_in_flight {server.in_flight}\n"
                f"# TYPE engine_requests_total counter\nengine_requests_total{{outcome=\"answered\"}} {server.answered}\nengine_requests_total{{outcome=\"failed\"}} {server.failed}\n"
                f"# TYPE engine_busy_seconds_total counter\nengine_busy_seconds_total {server.seconds}\n",
            )
        elif not self.authorised():
            self.refuse(401, "send the key as: Authorization: Bearer KEY")
        elif self.path == "/v1/models":
            self.reply(200, {"object": "list", "data": [{"id": server.options.served_model_name, "object": "model"}]})
        else:
            self.refuse(404, f"there is no {self.path}")

    def do_POST(self):
        server = self.server
        if not self.authorised():
            return self.refuse(401, "send the key as: Authorization: Bearer KEY")
        length = int(self.headers.get("Content-Length") or 0)
        if length > MOST_BODY_BYTES:
            return self.refuse(413, f"a request may have {MOST_BODY_BYTES} bytes")
        with server.count:
            server.in_flight += 1
        try:
            body = json.loads(self.rfile.read(length))
            if not isinstance(body, dict):
                raise Refused("the body must be a JSON object")
            if body.get("stream"):
                raise Refused("this engine does not stream: leave stream out")
            result = server.work(self.path, body)
            server.answered += 1
            self.reply(200, result)
        except (Refused, json.JSONDecodeError) as fault:
            server.failed += 1
            self.refuse(400, str(fault))
        except KeyError as missing:
            server.failed += 1
            self.refuse(404 if missing.args == (self.path,) else 400, f"there is no {missing.args[0]}")
        except Exception as fault:  # noqa: BLE001: a request must not end the server
            server.failed += 1
            print(f"request failed: {type(fault).__name__}: {fault}", file=sys.stderr, flush=True)
            self.refuse(500, "the engine failed; its log says why")
        finally:
            with server.count:
                server.in_flight -= 1


def whole(body, name, default, most):
    value = body.get(name, default)
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= most:
        raise Refused(f"{name} must be a whole number from 1 to {most}")
    return value


def texts(body, name):
    value = body.get(name)
    listed = [value] if isinstance(value, str) else value
    if not isinstance(listed, list) or not listed or not all(isinstance(text, str) for text in listed):
        raise Refused(f"{name} must be a text or a list of texts")
    return listed


def completions(options, generate):
    """OpenAI's /v1/completions for generate(prompts, max_tokens, temperature) -> texts."""

    def answer(body):
        prompts = texts(body, "prompt")
        if len(prompts) > options.max_batch_size:
            raise Refused(f"at most {options.max_batch_size} prompts together")
        temperature = body.get("temperature", 1.0)
        if not isinstance(temperature, (int, float)) or not 0 <= temperature <= 2:
            raise Refused("temperature must be from 0 to 2")
        results = generate(prompts, whole(body, "max_tokens", 16, options.max_model_len), temperature)
        choices = [{"index": index, "text": text, "finish_reason": "stop"} for index, text in enumerate(results)]
        return {"object": "text_completion", "created": int(time.time()), "model": options.served_model_name, "choices": choices}

    return {"/v1/completions": answer}


def main(load):
    """Loads a model with load(options) -> {path: function of the request's body} and serves it until it is told to end."""
    options = parse(sys.argv[1:])
    rank = int(os.environ.setdefault("RANK", "0"))
    os.environ.setdefault("LOCAL_RANK", "0")
    os.environ["WORLD_SIZE"] = str(options.tensor_parallel_size)
    os.environ.setdefault("MASTER_ADDR", "127.0.0.1")
    os.environ.setdefault("MASTER_PORT", "29501")
    workers = Workers(options.tensor_parallel_size if rank == 0 else 1)
    routes = load(options)

    def answer(request):
        return routes[request["path"]](request["body"])

    if rank > 0:
        for line in sys.stdin:
            try:
                answer(json.loads(line))
            except (Refused, KeyError):
                pass
        return
    server = Server(options, answer, workers)

    def end(*_):
        if not server.ending:
            server.ending = True
            threading.Thread(target=server.drain, daemon=True).start()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    print(f"serving {options.served_model_name} on port {options.port}", flush=True)
    server.serve_forever(poll_interval=0.1)
    workers.end()
    if server.in_flight > 0:
        print(f"ended after {options.drain_seconds:g} s with {server.in_flight} request{'' if server.in_flight == 1 else 's'} unanswered", file=sys.stderr, flush=True)
        # A thread that computes on a GPU while Python shuts down brings the process down with SIGABRT.
        os._exit(1)
