"""What telemetry costs a request: ratios to bare Flask on the same server.

``python -m tests.benchmarks.telemetry [--rounds 31] [--requests 400] [--json]``

Each Flask is one gunicorn with one sync worker and one thread, FastAPI is one uvicorn
with what its extra ``standard`` brings; all of them are up at the same time. In every
round each is asked once, in another order, and its ratio to bare Flask of that round is
kept: printed are the median and, in brackets, the quartiles. Two bare ones show how far
the same differs from the same. The CPU ratio
counts the worker's whole CPU time, the sending thread's too, and is steadier than the
throughput on a machine that others use.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import socket
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version
from pathlib import Path

from tests.benchmarks.programs import ASYNC, BARE, HAND_WIRED, KIT, SYNC
from tests.servers.eventually import eventually
from tests.servers.processes import Process, free_port, python
from tests.servers.tree import descendants

GUNICORN = ("gunicorn", "--no-control-socket", "--bind", "127.0.0.1:{port}")
UVICORN = ("uvicorn", "--no-access-log", "--host", "127.0.0.1", "--port", "{port}")
REQUEST = (
    b"GET /orders/7 HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: benchmark\r\n"
    b"Accept: */*\r\nConnection: close\r\n\r\n"
)
CLIENTS = 4
TENTH = {
    "OTEL_TRACES_SAMPLER": "parentbased_traceidratio",
    "OTEL_TRACES_SAMPLER_ARG": "0.1",
}
PACKAGES = (
    *("flask", "gunicorn", "fastapi", "uvicorn"),
    *("opentelemetry-sdk", "opentelemetry-instrumentation", "prometheus-client"),
    *("prometheus-flask-exporter", "prometheus-fastapi-instrumentator"),
)


@dataclass
class Variant:
    """One server and what was measured on it."""

    name: str
    program: str
    environ: dict[str, str] = field(default_factory=dict)
    traced: bool = False
    server: tuple[str, ...] = GUNICORN
    port: int = 0
    worker: int = 0
    throughput: list[float] = field(default_factory=list)  # requests a second
    cpu: list[float] = field(default_factory=list)  # microseconds a request


VARIANTS = (
    Variant("bare Flask", BARE),
    Variant("bare Flask, again (A/A)", BARE),
    Variant("kit, every request recorded and sent, metrics", KIT, traced=True),
    Variant("kit, 10 % sampled, metrics", KIT, TENTH, traced=True),
    Variant("kit, tracing off, metrics", KIT),
    Variant(
        "Flask by hand: FlaskInstrumentor, Zipkin, prometheus-flask-exporter",
        HAND_WIRED,
        traced=True,
    ),
    Variant(
        "FastAPI by hand, sync view: the same, instrumented for it",
        SYNC,
        traced=True,
        server=UVICORN,
    ),
    Variant("FastAPI by hand, async view", ASYNC, traced=True, server=UVICORN),
)


class Sink(BaseHTTPRequestHandler):
    """Takes spans and forgets them."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(202)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Keep quiet."""


def main() -> None:
    options = parse()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        sink = stack.enter_context(serving_sink())
        for number, variant in enumerate(VARIANTS):
            start(variant, folder / str(number), sink, stack)
        for round_ in range(options.rounds + 1):
            for variant in random.sample(VARIANTS, len(VARIANTS)):
                measure(variant, options.requests, warm=round_ > 0)
    report(options)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="What telemetry costs a request.")
    parser.add_argument("--rounds", type=int, default=31)
    parser.add_argument("--requests", type=int, default=400, help="in each round")
    parser.add_argument("--json", action="store_true", help="print JSON, no table")
    return parser.parse_args()


@contextmanager
def serving_sink() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Sink)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/api/v2/spans"
    server.shutdown()
    server.server_close()


def start(variant: Variant, folder: Path, sink: str, stack: ExitStack) -> None:
    folder.mkdir()
    (folder / "shop.py").write_text(variant.program)
    variant.port = free_port()
    traced = {"OTEL_EXPORTER_ZIPKIN_ENDPOINT": sink} if variant.traced else {}
    words = [word.format(port=variant.port) for word in variant.server]
    process = Process(
        *python("-m", *words, "shop:app"),
        log=folder / "log",
        env={**traced, **variant.environ},
        cwd=folder,
    )
    stack.enter_context(process)
    eventually(lambda: answers(variant.port), timeout=30)
    workers = descendants(process.pid)
    variant.worker = workers[0].pid if workers else process.pid


def answers(port: int) -> bool:
    try:
        return ask(port).startswith(b"HTTP/1.1 200")
    except OSError:
        return False


def ask(port: int) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(REQUEST)
        answer = b""
        while part := connection.recv(4096):
            answer += part
    return answer


def measure(variant: Variant, requests: int, warm: bool) -> None:
    """One round; the first of all only warms up."""

    def client() -> None:
        for _ in range(requests // CLIENTS):
            ask(variant.port)

    threads = [threading.Thread(target=client) for _ in range(CLIENTS)]
    used, begun = cpu_of(variant.worker), time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = time.perf_counter() - begun
    if warm:
        variant.throughput.append(requests / seconds)
        variant.cpu.append((cpu_of(variant.worker) - used) / requests * 1e6)


def cpu_of(pid: int) -> float:
    """Seconds of CPU that all threads of a process have used (proc(5), schedstat)."""
    threads = Path(f"/proc/{pid}/task").iterdir()
    return (
        sum(int((each / "schedstat").read_text().split()[0]) for each in threads) / 1e9
    )


def ratios(mine: list[float], bare: list[float]) -> list[float]:
    return [one / other for one, other in zip(mine, bare, strict=True)]


def report(options: argparse.Namespace) -> None:
    bare = VARIANTS[0]
    rows = [
        {
            "variant": each.name,
            "requests_per_second": statistics.median(each.throughput),
            "throughput_ratio": summary(ratios(each.throughput, bare.throughput)),
            "cpu_us": statistics.median(each.cpu),
            "cpu_ratio": summary(ratios(bare.cpu, each.cpu)),
        }
        for each in VARIANTS
    ]
    about = {
        "python": platform.python_version(),
        **{name: version(name) for name in PACKAGES},
        "cpus": os.cpu_count(),
        "rounds": options.rounds,
        "requests": options.requests,
    }
    if options.json:
        print(json.dumps({"about": about, "rows": rows}, indent=2))
        return
    print(", ".join(f"{name} {value}" for name, value in about.items()))
    print("| | requests/s | throughput ratio | CPU us | CPU ratio |")
    print("|---|---|---|---|---|")
    for row in rows:
        through, cpu = row["throughput_ratio"], row["cpu_ratio"]
        assert isinstance(through, dict)
        assert isinstance(cpu, dict)
        print(
            f"| {row['variant']} | {row['requests_per_second']:.0f} "
            f"| {spread(through)} | {row['cpu_us']:.0f} | {spread(cpu)} |"
        )


def summary(found: list[float]) -> dict[str, float]:
    low, median, high = statistics.quantiles(found, n=4)
    return {"median": median, "low": low, "high": high}


def spread(found: dict[str, float]) -> str:
    return f"{found['median']:.2f} ({found['low']:.2f}-{found['high']:.2f})"


if __name__ == "__main__":
    main()
