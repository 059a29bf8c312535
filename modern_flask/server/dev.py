"""The development setup. One command starts it, and one Ctrl-C stops it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from .address import find_free_address
from .embedded_redis import EmbeddedRedis
from .parent_death import tether

__all__ = ["Plan", "develop"]

_STOP_DEADLINE = 10.0
"""Seconds that a process has to end before it is killed."""

_POLL = 0.2
"""Seconds between two checks of the processes."""

_ALONE = ("--without-mingle", "--without-gossip")
"""The only worker does not look for others, which would take a second."""


@dataclass(frozen=True)
class Plan:
    """The parts that ``dev`` starts.

    Args:
        app: The value of ``--app``.
        bind: The address of the server, ``HOST:PORT``.
        folder: The folder for the data of the embedded Redis.
        databases: The keys to set to the embedded Redis, each with the number of its
            Redis database.
        tables: Whether a database is configured, so that its tables must be created.
        worker: Whether to start a Celery worker.
        data: The places of the other data, by a short name.
    """

    app: str
    bind: str
    folder: Path
    databases: Mapping[str, int]
    tables: bool
    worker: bool
    data: Mapping[str, str]


def develop(plan: Plan, echo: Callable[[str], None]) -> int:
    """Start everything, and wait for a signal or the end of a process.

    Args:
        plan: The parts to start.
        echo: Prints a line.

    Returns:
        The exit code.

    Raises:
        AddressUnusable: The server can't listen at its address; nothing was started.
        RedisNotFound: The service needs the embedded Redis, but there is no binary.
        RedisDidNotStart, FolderUnusable: The embedded Redis does not start.
    """
    plan = replace(plan, bind=find_free_address(plan.bind))
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with ExitStack() as stack:
        environ = dict(os.environ)
        if plan.databases:
            environ |= _start_redis(plan, stack, echo)
        for name, place in plan.data.items():
            echo(f"  {name:<8} {place}")
        if plan.tables:
            failed = _run_command(plan, environ, "create-tables")
            if failed:
                return failed
        processes = _start_processes(plan, environ, stack)
        for name, process in processes.items():
            echo(f"  {name:<8} process {process.pid}")
        echo(f"  open     http://{plan.bind}/   (Ctrl-C stops all of it)")
        try:
            return _wait(processes, stop, echo)
        finally:
            # Stop all at the same time, because each takes a second or two to end.
            for process in processes.values():
                process.terminate()


def _start_redis(
    plan: Plan, stack: ExitStack, echo: Callable[[str], None]
) -> Mapping[str, str]:
    """Start the embedded Redis, and return the variables that configure its use."""
    redis = stack.enter_context(EmbeddedRedis(plan.folder))
    root = redis.url.rpartition("/")[0]
    echo(f"  redis    {root}, data in {plan.folder}")
    return {f"FLASK_{key}": f"{root}/{n}" for key, n in plan.databases.items()}


def _start_processes(
    plan: Plan, environ: Mapping[str, str], stack: ExitStack
) -> Mapping[str, subprocess.Popen[bytes]]:
    """Start the server and the worker; ``stack`` ends them."""
    commands = {"server": ["serve", "--reload", "--threads", "4", "--bind", plan.bind]}
    if plan.worker:
        commands["worker"] = ["worker", "--concurrency", "1", *_ALONE]
    return {
        name: stack.enter_context(_open_process(plan, environ, words))
        for name, words in commands.items()
    }


def _wait(
    processes: Mapping[str, subprocess.Popen[bytes]],
    stop: threading.Event,
    echo: Callable[[str], None],
) -> int:
    while not stop.wait(_POLL):
        for name, process in processes.items():
            if process.poll() is not None:
                echo(f"The {name} ended with {process.returncode}; stopping the rest.")
                return process.returncode or 1
    return 0


def _make_command(plan: Plan, words: Sequence[str]) -> list[str]:
    own = [sys.executable, "-m", "modern_flask.cli", "--app", plan.app]
    return tether([*own, *words])


def _run_command(plan: Plan, environ: Mapping[str, str], *words: str) -> int:
    command = _make_command(plan, words)
    return subprocess.run(command, env=environ, check=False).returncode


@contextmanager
def _open_process(
    plan: Plan, environ: Mapping[str, str], words: Sequence[str]
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a process in a new session, so that only this process receives Ctrl-C."""
    process = subprocess.Popen(
        _make_command(plan, words), env=environ, start_new_session=True
    )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(_STOP_DEADLINE)
        except subprocess.TimeoutExpired:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
