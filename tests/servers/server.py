"""The base of every private server: its port, its folder, its start and its end."""

import os
import re
import shutil
import signal
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self

from tests.servers.eventually import eventually
from tests.servers.missing import NotOurs
from tests.servers.processes import Died, Process, free_port
from tests.servers.tree import living_in

ATTEMPTS = 5
"""How many ports are tried; another process may take one before the server does."""

TAKEN = re.compile("address already in use|eaddrinuse", re.IGNORECASE)

LEAVE_DEADLINE = 5.0
"""Seconds for the last processes to end after the last test."""

FOLDERS: list[Path] = []
"""The folder of every started server; see :func:`left_behind`."""


class Server:
    """A private server: free port, new folder, loopback only.

    A subclass says how to run it. The environment variable that :attr:`variable` names
    may hold the URL of a running server, which is then used and never stopped.
    """

    name: ClassVar[str]
    variable: ClassVar[str]
    ready: ClassVar[str]
    """A pattern of the line that the server prints once it answers."""

    start_deadline: ClassVar[float] = 60.0
    stop_deadline: ClassVar[float] = 30.0
    farewell: ClassVar[signal.Signals] = signal.SIGTERM

    def __init__(self) -> None:
        self.given = os.environ.get(self.variable, "")
        self.port = 0
        self.folder = Path()
        self.process: Process | None = None
        self._frozen = False

    def prepare(self) -> None:
        """Find the binaries, and write the files that the first start needs."""
        raise NotImplementedError

    def command(self) -> list[str]:
        """The command that runs it on ``self.port``."""
        raise NotImplementedError

    def environment(self) -> Mapping[str, str | None]:
        """Variables that it needs; ``None`` removes one."""
        return {}

    def own_url(self) -> str:
        """The URL of the server that we run on ``self.port``."""
        raise NotImplementedError

    def drop(self) -> None:
        """Delete what the tests have created in a server that is not ours."""

    @property
    def url(self) -> str:
        return self.given or self.own_url()

    def __enter__(self) -> Self:
        if self.given:
            return self
        self.folder = own_folder()
        try:
            self.prepare()
            self._start_anywhere()
        except BaseException:
            self._leave()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.given:
            self.drop()
        else:
            self._leave()

    def _leave(self) -> None:
        self.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def close(self) -> None:
        """End every process of the server for good."""
        self.kill()

    def _start_anywhere(self) -> None:
        for attempt in range(1, ATTEMPTS + 1):
            self.port = free_port()
            try:
                self.start()
                return
            except Died as death:
                if attempt == ATTEMPTS or not TAKEN.search(str(death)):
                    raise

    def start(self) -> None:
        """Run it on its port and wait until it answers."""
        self._check_ours()
        self.process = Process(
            *self.command(),
            log=self.folder / "server.log",
            env=self.environment(),
            cwd=self.folder,
        )
        try:
            self.process.wait_for_line(self.ready, self.start_deadline)
        except BaseException:
            self.kill()
            raise

    def stop(self) -> None:
        """Stop it properly; its data stay."""
        self.resume()
        if self.process is not None:
            self.process.stop(self.farewell, self.stop_deadline)
            self.process = None

    def kill(self) -> None:
        """``kill -9`` all its processes at once."""
        self._check_ours()
        self._frozen = False
        if self.process is not None:
            self.process.kill()
            self.process = None

    def pause(self) -> None:
        """Freeze it: connections stay open, and it does not answer."""
        self._check_ours()
        if self.process is not None:
            self.process.freeze()
            self._frozen = True

    def resume(self) -> None:
        """End a pause."""
        self._check_ours()
        if self.process is not None and self._frozen:
            self.process.thaw()
        self._frozen = False

    def restart(self) -> None:
        """Stop it and start it again on the same port."""
        self.stop()
        self.start()

    def heal(self) -> None:
        """Make it run again, whatever a test has done to it."""
        if self.given:
            return
        self.resume()
        if self.process is None or self.process.returncode is not None:
            self.kill()
            self.start()

    def _check_ours(self) -> None:
        if self.given:
            raise NotOurs(self.name, self.variable)


def own_folder() -> Path:
    """A folder for one server, which another user may pass through."""
    folder = Path(tempfile.mkdtemp(prefix="modern-flask-"))
    folder.chmod(0o711)
    FOLDERS.append(folder)
    return folder


def left_behind() -> dict[int, str]:
    """Processes of servers that should have ended: process ID -> command."""
    return {pid: name for folder in FOLDERS for pid, name in living_in(folder).items()}


def check_nothing_is_left() -> None:
    """Wait for processes that are ending; one that still runs is a mistake."""
    eventually(lambda: not left_behind(), timeout=LEAVE_DEADLINE)
