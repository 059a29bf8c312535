"""Processes and their descendants, read from ``/proc``.

Without ``/proc`` a process has no descendants, and no process works in a folder.
"""

import os
import signal
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

PROC = Path("/proc")


class Life(NamedTuple):
    """A process. A later one may have the same number, but not the same start too."""

    pid: int
    started: int


def running() -> dict[Life, int]:
    """Every running process with its parent; zombies don't count."""
    parents = {}
    for entry in PROC.glob("[0-9]*"):
        with suppress(OSError):
            # proc(5). The name may contain blanks and brackets: read after the last.
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
            state, parent, started = fields[0], int(fields[1]), int(fields[19])
            if state not in "ZX":
                parents[Life(int(entry.name), started)] = parent
    return parents


def descendants(root: int) -> list[Life]:
    """The children of ``root``, their children, and so on."""
    parents = running()
    found: list[Life] = []
    generation = {root}
    while generation:
        born = [life for life, parent in parents.items() if parent in generation]
        found += born
        generation = {life.pid for life in born}
    return found


def alive(lives: Iterable[Life]) -> list[Life]:
    """The ones that still run."""
    return sorted(running().keys() & set(lives))


def send(signum: signal.Signals, lives: Iterable[Life]) -> None:
    """Signal the ones that still run."""
    for life in alive(lives):
        with suppress(ProcessLookupError):
            os.kill(life.pid, signum)


def living_in(folder: Path) -> dict[int, str]:
    """Processes that work in ``folder`` or name it in their command: ID -> command."""
    found, name = {}, os.fsencode(folder)
    for pid in (life.pid for life in running()):
        with suppress(OSError):
            entry = PROC / str(pid)
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ")
            place = os.fsencode(os.readlink(entry / "cwd")).split(b" (deleted)")[0]
            if name in command or (place + b"/").startswith(name + b"/"):
                found[pid] = command.decode(errors="replace").strip()
    return found
