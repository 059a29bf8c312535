"""Programs that tests run: output in a file, a deadline on each wait, no zombies."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.servers.eventually import eventually
from tests.servers.ports import free_port
from tests.servers.tree import Life, alive, descendants, send

__all__ = ["Died", "Process", "free_port", "python"]


class Died(AssertionError):
    """A program ended, or its time was over, before it printed the expected line."""

    def __init__(self, process: "Process", pattern: str) -> None:
        code = process.returncode
        state = "still runs" if code is None else f"ended with {code}"
        last = "\n".join(process.output.splitlines()[-20:])
        super().__init__(
            f"{process.command[0]} {state}; no line matched {pattern!r}.\n{last}"
        )


class Process:
    """A program in a new session; its children end with it.

    Args:
        command: The program and its arguments.
        log: The file to which its output is appended.
        env: Added to this process's environment; ``None`` removes a variable.
        cwd: Its working directory.
    """

    seconds_to_abort = 5.0

    def __init__(
        self,
        *command: str | Path,
        log: Path,
        env: Mapping[str, str | None] | None = None,
        cwd: Path | None = None,
    ) -> None:
        self.command = [str(word) for word in command]
        self.log = log
        self._ended = False
        self._printed_before = log.stat().st_size if log.exists() else 0
        with log.open("ab") as output:
            self._popen = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                # A Python that gets SIGABRT then prints the stack of each thread.
                env=merged({"PYTHONFAULTHANDLER": "1", **(env or {})}),
                cwd=cwd,
                start_new_session=True,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        return self._popen.pid

    @property
    def returncode(self) -> int | None:
        """The exit code, or the negative signal number; ``None`` while it runs."""
        return self._popen.poll()

    @property
    def output(self) -> str:
        """What this run has printed to both streams."""
        printed = self.log.read_bytes()[self._printed_before :]
        return printed.decode(errors="replace")

    def wait_for_line(self, pattern: str, timeout: float = 30) -> re.Match[str]:
        """Wait until the pattern matches anywhere in a printed line.

        Raises:
            Died: The program ended first, or ``timeout`` seconds have passed.
        """

        def printed() -> tuple[re.Match[str] | None] | None:
            gone = self.returncode is not None
            match = re.search(pattern, self.output, re.MULTILINE)
            return (match,) if match or gone else None

        try:
            answer = eventually(printed, timeout)
        except AssertionError:
            raise Died(self, pattern) from None
        match = answer[0] if answer else None
        if match is None:
            raise Died(self, pattern)
        return match

    def wait(self, timeout: float = 30) -> int:
        """Wait until it ends by itself; its exit code."""
        return self._popen.wait(timeout)

    def stop(self, signum: signal.Signals = signal.SIGTERM, timeout: float = 30) -> int:
        """Send it a signal; kill it if it does not end, and its children.

        A program that does not end prints its stacks first, so that the log says why.

        Args:
            signum: The signal.
            timeout: Seconds until it is killed.

        Returns:
            Its exit code; -6 if it did not end, -9 if it also ignored SIGABRT.
        """
        family = descendants(self.pid) if self.returncode is None else []
        if self.returncode is None:
            self._popen.send_signal(signum)
            try:
                self._popen.wait(timeout)
            except subprocess.TimeoutExpired:
                self._print_stacks(family)
        return self._end(family)

    def _print_stacks(self, family: list[Life]) -> None:
        # It comes before its children: it may wait for one of them.
        self._popen.send_signal(signal.SIGABRT)
        send(signal.SIGABRT, family)
        with suppress(subprocess.TimeoutExpired):
            self._popen.wait(self.seconds_to_abort)

    def kill(self) -> int:
        """``kill -9`` it and all its children, and wait until they are gone."""
        return self._end(descendants(self.pid) if self.returncode is None else [])

    def _end(self, family: list[Life]) -> int:
        if not self._ended:
            # Only once: a later process may have the number of one that was reaped.
            self._popen.kill()
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)
            send(signal.SIGKILL, family)
            self._ended = True
        code = self._popen.wait()
        eventually(lambda: not alive(family))
        return code

    def freeze(self) -> None:
        """Stop it and its children with SIGSTOP: they live and do not answer."""
        self._popen.send_signal(signal.SIGSTOP)
        send(signal.SIGSTOP, descendants(self.pid))

    def thaw(self) -> None:
        """Continue it and its children with SIGCONT."""
        send(signal.SIGCONT, descendants(self.pid))
        self._popen.send_signal(signal.SIGCONT)


def python(*arguments: str | Path) -> list[str]:
    """This interpreter with ``arguments``, such as ``-m modern_flask.cli dev``."""
    return [sys.executable, *map(str, arguments)]


def merged(changes: Mapping[str, str | None]) -> dict[str, str]:
    """This process's environment with ``changes``; ``None`` removes a variable."""
    both = {**os.environ, **changes}
    return {key: value for key, value in both.items() if value is not None}
