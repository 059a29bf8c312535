"""What a backend that is out of order costs a request: nothing, if all is well.

``python -m tests.benchmarks.outage [--rounds 71] [--requests 400] [--json]``

The kit's service runs once for each state of its backend, all of them at the same time,
and each backend stays as it is to the end. In every round each service is asked once,
in another order, and its ratio to the one with a healthy backend of that round is kept:
printed are the median and, in brackets, the quartiles. A second healthy one shows how
far the same differs from the same; the last column says whether a state's median is
above that pair's lower quartile. Without a backend no span is made at all, which is why
that service is faster.
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
from http.server import ThreadingHTTPServer
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tests.benchmarks.programs import KIT
from tests.benchmarks.telemetry import (
    Sink,
    Variant,
    measure,
    ratios,
    spread,
    start,
    summary,
)
from tests.servers.processes import free_port

PACKAGES = ("flask", "gunicorn", "opentelemetry-sdk", "requests")
LATE = 5.0  # seconds until the slow one answers
ENDED = threading.Event()


class Slow(Sink):
    """Takes spans, late."""

    def do_POST(self) -> None:
        ENDED.wait(LATE)
        super().do_POST()


class Failing(Sink):
    """Refuses spans, each time anew."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(500)
        self.send_header("Content-Length", "0")
        self.end_headers()


@contextmanager
def answering(handler: type[Sink]) -> Iterator[int]:
    """A backend's port."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


@contextmanager
def silent() -> Iterator[int]:
    """The kernel takes connections; nobody ever reads of them."""
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listening:
        yield listening.getsockname()[1]


def variants(stack: ExitStack) -> list[Variant]:
    ports = {
        "healthy": stack.enter_context(answering(Sink)),
        "healthy, again (A/A)": stack.enter_context(answering(Sink)),
        "refused": free_port(),
        "silent": stack.enter_context(silent()),
        f"answers after {LATE:g} s": stack.enter_context(answering(Slow)),
        "answers 500": stack.enter_context(answering(Failing)),
    }
    found = [
        Variant(name, KIT, {"OTEL_EXPORTER_ZIPKIN_ENDPOINT": endpoint(port)})
        for name, port in ports.items()
    ]
    return [*found, Variant("none: tracing off", KIT)]


def endpoint(port: int) -> str:
    return f"http://127.0.0.1:{port}/api/v2/spans"


def main() -> None:
    options = parse()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        stack.callback(ENDED.set)
        found = variants(stack)
        for number, variant in enumerate(found):
            start(variant, folder / str(number), "", stack)
        begun = time.monotonic()
        for round_ in range(options.rounds + 1):
            for variant in random.sample(found, len(found)):
                measure(variant, options.requests, warm=round_ > 0)
        seconds = time.monotonic() - begun
        # The sooner the end, the less is waited for of the last batch.
        ENDED.set()
    report(options, found, seconds)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="What an outage costs a request.")
    parser.add_argument("--rounds", type=int, default=71)
    parser.add_argument("--requests", type=int, default=400, help="in each round")
    parser.add_argument("--json", action="store_true", help="print JSON, no table")
    return parser.parse_args()


def rows_of(found: list[Variant]) -> list[dict[str, Any]]:
    healthy, again = found[:2]
    same = summary(ratios(again.throughput, healthy.throughput))
    rows = []
    for each in found:
        ratio = summary(ratios(each.throughput, healthy.throughput))
        rows.append(
            {
                "backend": each.name,
                "requests_per_second": statistics.median(each.throughput),
                "throughput_ratio": ratio,
                "no_slower": ratio["median"] >= same["low"],
            }
        )
    return rows


def report(options: argparse.Namespace, found: list[Variant], seconds: float) -> None:
    rows = rows_of(found)
    about = {
        "python": platform.python_version(),
        **{name: version(name) for name in PACKAGES},
        "cpus": os.cpu_count(),
        "rounds": options.rounds,
        "requests": options.requests,
        "outage_seconds": round(seconds),
    }
    if options.json:
        print(json.dumps({"about": about, "rows": rows}, indent=2))
        return
    print(", ".join(f"{name} {value}" for name, value in about.items()))
    print("| backend | requests/s | throughput ratio | no slower than the A/A spread |")
    print("|---|---|---|---|")
    for row in rows:
        print(
            f"| {row['backend']} | {row['requests_per_second']:.0f} "
            f"| {spread(row['throughput_ratio'])} "
            f"| {'yes' if row['no_slower'] else 'no'} |"
        )


if __name__ == "__main__":
    main()
