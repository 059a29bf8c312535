"""Makes one scrape cover several workers, by prometheus_client's multi-process mode.

Each worker writes to its own files in ``PROMETHEUS_MULTIPROC_DIR``. The files of ended
workers are merged into one. So counters never decrease, and the time of a scrape does
not grow with the number of workers that ever ran.
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
from typing import Any, NoReturn

__all__ = [
    "VARIABLE",
    "find_folder",
    "find_parent",
    "find_workers",
    "has_begun",
    "hold_files",
    "may_export",
    "merge_worker",
    "prepare_folder",
    "remove_folder",
]

VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
_RESTARTED = "MODERN_FLASK_RESTARTED"
"""The variable with the id of a process that has begun anew: it must do so once."""
_LOCK = "lock"
_ADDED = ("counter", "histogram", "summary")  # kinds that outlive their worker

logger = logging.getLogger(__name__)
_made: Path | None = None
_parent: int | None = None
# The process that holds the lock, and the file; a forked child has a copy of both.
_exporting: tuple[int, Any] | None = None


def find_folder() -> Path | None:
    """Return the folder that the workers write to; None for a single worker."""
    path = os.environ.get(VARIABLE)
    return Path(path) if path else None


def find_parent() -> int | None:
    """Return the process that starts the workers; None for another server's."""
    return _parent


def find_workers() -> set[int]:
    """Return the processes that have written files. Some of them may have ended."""
    path = find_folder()
    found = path.glob("*.db") if path else ()
    pids = (file.stem.rpartition("_")[2] for file in found)
    return {int(pid) for pid in pids if pid.isdecimal() and pid != "0"}


def prepare_folder(workers: int, *, restart: bool = False) -> None:
    """Make the folder in the master, before any metric family is made.

    If the variable names a folder, files of an earlier run in it are removed.

    Args:
        workers: The number of worker processes.
        restart: Whether this process may begin anew, with the same arguments, if
            prometheus_client was imported too early: it chooses its mode at its import.
    """
    global _made, _parent
    path = find_folder()
    if path is not None and path == _made:
        return
    restarted = os.environ.get(_RESTARTED) == str(os.getpid())
    if path is not None and restarted:
        # This process has made the folder, and so it removes the folder.
        _made = path
    if path is None:
        if workers < 2:
            return
        early = "prometheus_client" in sys.modules
        if early and (restarted or not restart):
            logger.warning(
                "Each of the %d workers exposes only its own metrics, because "
                "prometheus_client was imported before their number was known. Set %s "
                "to an empty folder.",
                workers,
                VARIABLE,
            )
            return
        shared = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
        path = _made = Path(tempfile.mkdtemp(prefix="metrics-", dir=shared))
        os.environ[VARIABLE] = str(path)
        if early:
            _restart()
    _parent = os.getpid()
    path.mkdir(parents=True, exist_ok=True)
    for old in path.glob("*.db"):
        old.unlink()


def _restart() -> NoReturn:
    """Replace this process by a new interpreter that runs the same command."""
    os.environ[_RESTARTED] = str(os.getpid())
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])


def remove_folder() -> None:
    """Remove the folder, if :func:`prepare_folder` has made it in this process."""
    global _made
    if _made is not None and _parent == os.getpid():
        shutil.rmtree(_made, ignore_errors=True)
        os.environ.pop(VARIABLE, None)
        os.environ.pop(_RESTARTED, None)
        _made = None


def may_export() -> bool:
    """Whether this worker sends the metrics of all workers; another one may do so.

    The worker keeps a lock until it ends, and then another worker gets it.
    """
    global _exporting
    path = find_folder()
    if path is None or (_exporting is not None and _exporting[0] == os.getpid()):
        return True
    file = open(path / "exporter", "ab")  # noqa: SIM115
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        return False
    _exporting = (os.getpid(), file)
    return True


def merge_worker(pid: int) -> None:
    """Merge the files of a worker that has ended into those of all dead workers.

    Args:
        pid: A child of this process that has been reaped. A worker that still runs
            would lose its files.
    """
    path = find_folder()
    if path is None:
        return
    from prometheus_client.mmap_dict import MmapedDict
    from prometheus_client.multiprocess import mark_process_dead

    with _lock(path, fcntl.LOCK_EX):
        mark_process_dead(pid, str(path))  # type: ignore[no-untyped-call]
        for kind in _ADDED:
            left = path / f"{kind}_{pid}.db"
            if not left.exists() or not has_begun(left):
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


def has_begun(file: Path) -> bool:
    """Whether the worker has written to ``file``, which it creates empty."""
    return file.stat().st_size > 0


@contextmanager
def hold_files() -> Iterator[None]:
    """Prevent a merge of the files while they are read."""
    path = find_folder()
    if path is None:
        yield
    else:
        with _lock(path, fcntl.LOCK_SH):
            yield


@contextmanager
def _lock(path: Path, how: int) -> Iterator[None]:
    with open(path / _LOCK, "ab") as lock:
        fcntl.flock(lock, how)
        yield
