"""What one process of a service answers: the kit beside bare Flask and other servers.

``python -m tests.benchmarks.throughput [--views hello,all] [--rounds 9] [--json]``

Each server has one process and one thread, and all of them are up at the same time. In
every round each is asked once, in another order, and its ratio to bare Flask on
gunicorn's own worker of that round is kept: printed are the median and, in brackets,
the quartiles. Two bare ones show how far the same differs from the same. The CPU ratio
counts the whole CPU time of the worker, of its background threads as well; it is
steadier than the throughput on a machine that others use. With ``new`` each request has
a connection of its own; with ``kept`` each client has one for all of its requests, and
the base is gunicorn's ``gthread``, which keeps connections.
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
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

from tests.benchmarks.telemetry import (
    answers,
    cpu_of,
    ratios,
    serving_sink,
    spread,
    summary,
)
from tests.servers.eventually import eventually
from tests.servers.missing import CannotRun
from tests.servers.processes import Process, free_port, python
from tests.servers.redis import RedisServer
from tests.servers.tree import descendants

CLIENTS = 4
VIEWS = ("hello", "select", "get", "all")
OURS = ("-k", "modern_flask.server.Worker")
SETTINGS = ("-c", "python:modern_flask.server.settings", "--access-logfile", "None")
BIND = ("--no-control-socket", "--bind", "127.0.0.1:{port}")
FLASK = """
import os
from flask import Flask
{imports}
app = {app}
{clients}
@app.get("/orders/<int:number>")
def hello(number):
    return {{"order": number}}

@app.get("/select")
def select():
    with engine.connect() as connection:
        return {{"one": connection.scalar(text("select 1"))}}

@app.get("/get")
def get():
    return {{"value": str(redis.get("a"))}}

@app.get("/all")
def all_of_it():
    with engine.connect() as connection:
        one = connection.scalar(text("select 1"))
    return {{"one": one, "value": str(redis.get("a"))}}
"""
BARE = FLASK.format(
    imports="from redis import Redis\nfrom sqlalchemy import create_engine, text",
    app='Flask("shop")',
    clients='engine = create_engine("sqlite://")\n'
    'redis = Redis.from_url(os.environ["FLASK_REDIS_URL"])\n',
)
KIT = FLASK.format(
    imports="from modern_flask import create_app\nfrom sqlalchemy import text",
    app='create_app("shop", config={"DATABASE_ENGINE_URL": "sqlite://"})',
    clients="engine = app.container.engine()\nredis = app.container.redis()\n",
)
FASTAPI = """
import os
from fastapi import FastAPI
from redis import Redis
from sqlalchemy import create_engine, text
app = FastAPI()
engine = create_engine("sqlite://")
redis = Redis.from_url(os.environ["FLASK_REDIS_URL"])

@app.get("/orders/{number}")
def hello(number: int):
    return {"order": number}

@app.get("/select")
def select():
    with engine.connect() as connection:
        return {"one": connection.scalar(text("select 1"))}

@app.get("/get")
def get():
    return {"value": str(redis.get("a"))}

@app.get("/all")
def all_of_it():
    with engine.connect() as connection:
        one = connection.scalar(text("select 1"))
    return {"one": one, "value": str(redis.get("a"))}
"""
PATHS = {"hello": "/orders/7", "select": "/select", "get": "/get", "all": "/all"}
PACKAGES = ("flask", "gunicorn", "granian", "fastapi", "uvicorn")


@dataclass
class Variant:
    """One server and what was measured on it, by kind of connection and view."""

    name: str
    program: str
    server: tuple[str, ...]
    kinds: tuple[str, ...] = ("new", "kept")
    traced: bool = False
    port: int = 0
    worker: int = 0
    throughput: dict[tuple[str, str], list[float]] = field(default_factory=dict)
    cpu: dict[tuple[str, str], list[float]] = field(default_factory=dict)


def make_variants() -> list[Variant]:
    gunicorn = ("gunicorn", *BIND)
    gthread = (*gunicorn, "-k", "gthread", "--threads", "1")
    granian = ("granian", "--interface", "wsgi", "--workers", "1", "--port", "{port}")
    uvicorn = ("uvicorn", "--no-access-log", "--port", "{port}")
    return [
        Variant("bare Flask, gunicorn sync", BARE, gunicorn, ("new",)),
        Variant("the same again (A/A)", BARE, gunicorn, ("new",)),
        Variant("bare Flask, gunicorn gthread", BARE, gthread),
        Variant("bare Flask, Granian", BARE, granian),
        Variant("bare Flask, the kit's worker", BARE, (*gunicorn, *OURS)),
        Variant("kit, metrics", KIT, (*gunicorn, *SETTINGS)),
        Variant(
            "kit, metrics and every span sent",
            KIT,
            (*gunicorn, *SETTINGS),
            traced=True,
        ),
        Variant("FastAPI, uvicorn, nothing observed", FASTAPI, uvicorn),
    ]


def main() -> None:
    options = parse()
    variants = make_variants()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        redis = start_redis(stack)
        sink = stack.enter_context(serving_sink())
        for number, variant in enumerate(variants):
            start(variant, folder / str(number), sink, redis, stack)
        for round_ in range(options.rounds + 1):
            for view in options.views:
                for kind in ("new", "kept"):
                    asked = [each for each in variants if kind in each.kinds]
                    for variant in random.sample(asked, len(asked)):
                        measure(variant, kind, view, options.requests, round_ > 0)
    report(variants, options)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="What one process answers.")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--requests", type=int, default=400, help="in each round")
    parser.add_argument("--views", default=",".join(VIEWS), help="which views")
    parser.add_argument("--json", action="store_true", help="print JSON, no table")
    options = parser.parse_args()
    options.views = options.views.split(",")
    return options


def start_redis(stack: ExitStack) -> str:
    try:
        return stack.enter_context(RedisServer()).url
    except CannotRun as missing:
        raise SystemExit(str(missing)) from None


def start(
    variant: Variant, folder: Path, sink: str, redis: str, stack: ExitStack
) -> None:
    folder.mkdir()
    (folder / "shop.py").write_text(variant.program)
    variant.port = free_port()
    environ: dict[str, str | None] = {"FLASK_REDIS_URL": redis}
    if variant.traced:
        environ["OTEL_EXPORTER_ZIPKIN_ENDPOINT"] = sink
    words = [word.format(port=variant.port) for word in variant.server]
    process = Process(
        *python("-m", *words, "shop:app"), log=folder / "log", env=environ, cwd=folder
    )
    stack.enter_context(process)
    eventually(lambda: answers(variant.port), timeout=60)
    workers = descendants(process.pid)
    variant.worker = workers[0].pid if workers else process.pid


def make_request(view: str, kind: str) -> bytes:
    last = "Connection: close\r\n" if kind == "new" else ""
    return (
        f"GET {PATHS[view]} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        f"User-Agent: benchmark\r\nAccept: */*\r\n{last}\r\n"
    ).encode()


def ask_new(port: int, request: bytes, number: int) -> None:
    for _ in range(number):
        with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
            connection.sendall(request)
            answer = b""
            while part := connection.recv(65536):
                answer += part
        assert answer.startswith(b"HTTP/1.1 200"), answer


def ask_kept(port: int, request: bytes, number: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        for _ in range(number):
            connection.sendall(request)
            answer = connection.recv(65536)
            while not answer.rstrip(b"\n").endswith(b"}"):
                answer += connection.recv(65536)
            assert answer.startswith(b"HTTP/1.1 200"), answer


def measure(variant: Variant, kind: str, view: str, requests: int, keep: bool) -> None:
    """Ask one server; the first round of all only warms up."""
    ask = ask_new if kind == "new" else ask_kept
    words = (variant.port, make_request(view, kind), requests // CLIENTS)
    threads = [threading.Thread(target=ask, args=words) for _ in range(CLIENTS)]
    used, begun = cpu_of(variant.worker), time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = time.perf_counter() - begun
    if keep:
        cpu = (cpu_of(variant.worker) - used) / requests * 1e6
        variant.throughput.setdefault((kind, view), []).append(requests / seconds)
        variant.cpu.setdefault((kind, view), []).append(cpu)


def make_rows(variants: Sequence[Variant], views: Sequence[str]) -> list[dict]:
    rows = []
    for view in views:
        for kind, base in (("new", variants[0]), ("kept", variants[2])):
            for each in variants:
                if kind in each.kinds:
                    rows.append(make_row(each, base, kind, view))
    return rows


def make_row(variant: Variant, base: Variant, kind: str, view: str) -> dict:
    key = (kind, view)
    mine, bare = variant.throughput[key], base.throughput[key]
    return {
        "view": view,
        "connections": kind,
        "variant": variant.name,
        "requests_per_second": statistics.median(mine),
        "throughput_ratio": summary(ratios(mine, bare)),
        "cpu_us": statistics.median(variant.cpu[key]),
        "cpu_ratio": summary(ratios(base.cpu[key], variant.cpu[key])),
    }


def report(variants: Sequence[Variant], options: argparse.Namespace) -> None:
    rows = make_rows(variants, options.views)
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
    print(
        "| view | connections | | requests/s | throughput ratio | CPU us | CPU ratio |"
    )
    print("|---|---|---|---|---|---|---|")
    for row in rows:
        print(
            f"| {row['view']} | {row['connections']} | {row['variant']} "
            f"| {row['requests_per_second']:.0f} | {spread(row['throughput_ratio'])} "
            f"| {row['cpu_us']:.0f} | {spread(row['cpu_ratio'])} |"
        )


if __name__ == "__main__":
    main()
