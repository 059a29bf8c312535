"""All that a developer needs, started by one command and stopped by one Ctrl-C."""

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

from .address import free_address
from .embedded import EmbeddedRedis, tethered

__all__ = ["Plan", "develop"]

STOP_DEADLINE = 10.0  # seconds for a process to leave before it is killed


@dataclass(frozen=True)
class Plan:
    """What to start.

    Args:
        app: What ``--app`` names.
        bind: Where the server listens, ``HOST:PORT``.
        folder: Where the embedded Redis keeps its data.
        needs: Keys that are to name the embedded Redis, and the number of its database.
        tables: Whether a database is configured, whose tables are to be made.
        worker: Whether to start a worker.
        data: Where the rest of the data lies: a name of few letters, and a place.
    """

    app: str
    bind: str
    folder: Path
    needs: Mapping[str, int]
    tables: bool
    worker: bool
    data: Mapping[str, str]


def develop(plan: Plan, say: Callable[[str], None]) -> int:
    """Start all of it, wait for a signal or an end; the exit code.

    Raises:
        AddressUnusable: The server can't listen where it is to; nothing was started.
        MissingExtra: No Redis can be had for a service that needs one.
        RedisDidNotStart, FolderUnusable: There is one, and it does not start.
    """
    plan = replace(plan, bind=free_address(plan.bind))
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with ExitStack() as stack:
        environ = dict(os.environ)
        if plan.needs:
            environ |= _redis(plan, stack, say)
        for name, place in plan.data.items():
            say(f"  {name:<8} {place}")
        if plan.tables:
            made = _run(plan, environ, "create-tables")
            if made:
                return made
        processes = _start(plan, environ, stack)
        for name, process in processes.items():
            say(f"  {name:<8} process {process.pid}")
        say(f"  open     http://{plan.bind}/   (Ctrl-C stops all of it)")
        try:
            return _wait(processes, stop, say)
        finally:
            # At once: each of them takes a second or two to leave.
            for process in processes.values():
                process.terminate()


def _redis(
    plan: Plan, stack: ExitStack, say: Callable[[str], None]
) -> Mapping[str, str]:
    """Start the embedded Redis; the variables that name it."""
    redis = stack.enter_context(EmbeddedRedis(plan.folder))
    root = redis.url.rpartition("/")[0]
    say(f"  redis    {root}, data in {plan.folder}")
    return {f"FLASK_{key}": f"{root}/{number}" for key, number in plan.needs.items()}


def _start(
    plan: Plan, environ: Mapping[str, str], stack: ExitStack
) -> Mapping[str, subprocess.Popen[bytes]]:
    """Start the server and the worker; the stack ends them."""
    commands = {"server": ["serve", "--reload", "--threads", "4", "--bind", plan.bind]}
    if plan.worker:
        commands["worker"] = ["worker", "--concurrency", "1"]
    return {
        name: stack.enter_context(_process(plan, environ, words))
        for name, words in commands.items()
    }


def _wait(
    processes: Mapping[str, subprocess.Popen[bytes]],
    stop: threading.Event,
    say: Callable[[str], None],
) -> int:
    while not stop.wait(0.2):
        for name, process in processes.items():
            if process.poll() is not None:
                say(f"The {name} ended with {process.returncode}; stopping the rest.")
                return process.returncode or 1
    return 0


def _command(plan: Plan, words: Sequence[str]) -> list[str]:
    own = [sys.executable, "-m", "modern_flask.cli", "--app", plan.app]
    return tethered([*own, *words])


def _run(plan: Plan, environ: Mapping[str, str], *words: str) -> int:
    return subprocess.run(_command(plan, words), env=environ, check=False).returncode


@contextmanager
def _process(
    plan: Plan, environ: Mapping[str, str], words: Sequence[str]
) -> Iterator[subprocess.Popen[bytes]]:
    """A process in a session of its own: Ctrl-C is ours to pass on."""
    process = subprocess.Popen(
        _command(plan, words), env=environ, start_new_session=True
    )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(STOP_DEADLINE)
        except subprocess.TimeoutExpired:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
