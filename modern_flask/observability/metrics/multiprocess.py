"""Several workers, one answer: prometheus_client's multi-process mode, kept in order.

Each worker writes to files of its own in ``PROMETHEUS_MULTIPROC_DIR``. The files of a
worker that has ended are merged into one: counters never go back, and a scrape does not
grow with every worker that there ever was.
"""

from __future__ import annotations

import fcntl
import logging
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry
    from prometheus_client.registry import Collector

__all__ = ["bury", "folder", "leave", "outside", "prepare", "reading", "registry"]

VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
_LOCK = "lock"
_ADDED = ("counter", "histogram", "summary")  # kinds of which dead workers count on

outside: list[Collector] = []
"""Tell of what no worker's file holds: whichever worker is scraped asks them itself."""

logger = logging.getLogger(__name__)
_made: Path | None = None


def folder() -> Path | None:
    """Where the workers write; None with one worker."""
    path = os.environ.get(VARIABLE)
    return Path(path) if path else None


def prepare(workers: int) -> None:
    """Make the folder ready, in the master, before any family is made.

    A folder that the variable names is emptied of what an earlier run has left.
    """
    global _made
    path = folder()
    if path is not None and path == _made:
        return
    if path is None:
        if workers < 2:
            return
        if "prometheus_client" in sys.modules:
            logger.warning(
                "Each of the %d workers counts for itself: prometheus_client was "
                "imported before their number was known. Set %s to an empty folder.",
                workers,
                VARIABLE,
            )
            return
        shared = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
        path = _made = Path(tempfile.mkdtemp(prefix="metrics-", dir=shared))
        os.environ[VARIABLE] = str(path)
    path.mkdir(parents=True, exist_ok=True)
    for old in path.glob("*.db"):
        old.unlink()


def leave() -> None:
    """Remove the folder that :func:`prepare` has made."""
    global _made
    if _made is not None:
        shutil.rmtree(_made, ignore_errors=True)
        os.environ.pop(VARIABLE, None)
        _made = None


def bury(pid: int) -> None:
    """Merge what the worker ``pid``, which has ended, has left.

    Call it for own children that were reaped only: a living worker's files would be
    taken away under it.
    """
    path = folder()
    if path is None:
        return
    from prometheus_client.mmap_dict import MmapedDict
    from prometheus_client.multiprocess import mark_process_dead

    with _locked(path, fcntl.LOCK_EX):
        mark_process_dead(pid, str(path))  # type: ignore[no-untyped-call]
        for kind in _ADDED:
            left = path / f"{kind}_{pid}.db"
            if not left.exists() or not _begun(left):
                left.unlink(missing_ok=True)
                continue
            read: Any = MmapedDict.read_all_values_from_file
            kept: Any = MmapedDict(str(path / f"{kind}_0.db"))  # type: ignore[no-untyped-call]
            try:
                for key, value, moment, _ in read(str(left)):
                    before, _ = kept.read_value(key)
                    kept.write_value(key, before + value, moment)
            finally:
                kept.close()
            left.unlink()


def registry() -> CollectorRegistry:
    """All workers together, whoever reads it: ``/metrics`` or a port of its own."""
    from prometheus_client import CollectorRegistry
    from prometheus_client.multiprocess import MultiProcessCollector

    class Workers(MultiProcessCollector):
        def collect(self) -> Any:
            # Before the lock: they may wait for a server, and a burial for the lock.
            told = [family for each in outside for family in each.collect()]
            path: Any = self._path
            with reading():
                # A file that a worker is just making is empty: the library stumbles.
                files = [str(file) for file in Path(path).glob("*.db") if _begun(file)]
                return [*self.merge(files, accumulate=True), *told]  # type: ignore[no-untyped-call]

    found = CollectorRegistry()
    Workers(found)  # type: ignore[no-untyped-call]
    return found


def _begun(file: Path) -> bool:
    return file.stat().st_size > 0


@contextmanager
def reading() -> Iterator[None]:
    """While the files are read, none is merged."""
    path = folder()
    if path is None:
        yield
    else:
        with _locked(path, fcntl.LOCK_SH):
            yield


@contextmanager
def _locked(path: Path, how: int) -> Iterator[None]:
    with open(path / _LOCK, "ab") as lock:
        fcntl.flock(lock, how)
        yield
