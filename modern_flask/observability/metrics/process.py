"""The metrics of the process, for several workers together.

Several workers are one instance for Prometheus, so these metrics keep the names and the
single series that one process has, and dashboards and alerts work in both modes:

- CPU time and memory are added up over the server's parent process and its workers.
- Open files are those of the process that has the most, because the limit applies to
  each process.
- The start time is that of the oldest process.

The parent process knows the CPU time of workers that have ended, so the sum does not
decrease. The source is ``/proc/PID/stat`` (proc(5)).
"""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from prometheus_client import (
    GC_COLLECTOR,
    PLATFORM_COLLECTOR,
    PROCESS_COLLECTOR,
    Metric,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from . import multiprocess
from .exposition import outside
from .kit import is_registered
from .writer import expose

__all__ = ["expose_processes"]

_GAUGES: dict[str, tuple[str, Callable[[list[float]], float]]] = {
    "process_virtual_memory_bytes": ("Virtual memory size in bytes.", sum),
    "process_resident_memory_bytes": ("Resident memory size in bytes.", sum),
    "process_start_time_seconds": (
        "Start time of the process since unix epoch in seconds.",
        min,
    ),
    "process_open_fds": ("Number of open file descriptors.", max),
    "process_max_fds": ("Maximum number of open file descriptors.", min),
}
_CPU = "process_cpu_seconds"
_CPU_TEXT = "Total user and system CPU time spent in seconds."
_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
_ATTEMPTS = 5


def expose_processes() -> None:
    """Expose the processes of all workers, if there are several."""
    if multiprocess.find_folder() is not None and _processes not in outside:
        outside.append(_processes)
        expose(_collections)


class _Processes(Collector):
    def collect(self) -> Iterator[Metric]:
        if is_registered(PLATFORM_COLLECTOR):
            yield from PLATFORM_COLLECTOR.collect()
        if is_registered(PROCESS_COLLECTOR):
            yield from _describe_processes()


def _describe_processes() -> Iterator[Metric]:
    found = _read_all()
    for name, (text, combine) in _GAUGES.items():
        values = [each[name] for each in found if name in each]
        if values:
            yield GaugeMetricFamily(name, text, value=combine(values))
    if found:
        total = sum(each[_CPU] for each in found)
        yield CounterMetricFamily(_CPU, _CPU_TEXT, value=total)


def _read_all() -> Sequence[dict[str, float]]:
    """Read the parent process and its workers at one moment.

    The CPU time of a worker that ends goes to its parent. So if the parent's time
    changes during the read, a worker would count twice, or not at all.
    """
    parent = multiprocess.find_parent()
    found: list[dict[str, float]] = []
    for _ in range(_ATTEMPTS):
        before = _read_ended(parent)
        pids = [*multiprocess.find_workers(), *([parent] if parent else [])]
        found = [each for pid in set(pids) if (each := _read(pid))]
        if _read_ended(parent) == before:
            break
    return found


def _read_ended(parent: int | None) -> list[str]:
    fields = _read_fields(parent) if parent else None
    return fields[13:15] if fields else []


def _read(pid: int) -> dict[str, float]:
    """Read one process; empty if it has ended and its parent knows."""
    fields = _read_fields(pid)
    if fields is None:
        return {}
    found = {
        # utime, stime, cutime and cstime: those of children that have ended count too.
        _CPU: sum(map(float, fields[11:15])) / _TICKS,
        "process_virtual_memory_bytes": float(fields[20]),
        "process_resident_memory_bytes": float(fields[21]) * _PAGE,
        "process_start_time_seconds": _read_boot_time() + float(fields[19]) / _TICKS,
    }
    with suppress(OSError, ValueError):
        found["process_open_fds"] = float(len(os.listdir(f"/proc/{pid}/fd")))
        for line in Path(f"/proc/{pid}/limits").read_text().splitlines():
            if line.startswith("Max open file"):
                found["process_max_fds"] = float(line.split()[3])
    return found


def _read_fields(pid: int) -> list[str] | None:
    """Read the fields of ``/proc/PID/stat`` from the third on, the state."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return None


def _read_boot_time() -> float:
    for line in Path("/proc/stat").read_text().splitlines():
        if line.startswith("btime "):
            return float(line.split()[1])
    return 0.0


class _Collections(Collector):
    """The garbage collector's counters, since this process began."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        # A forked child inherits its parent's counters.
        self._before = gc.get_stats()

    def collect(self) -> Iterator[Metric]:
        if not is_registered(GC_COLLECTOR):
            return
        for family in GC_COLLECTOR.collect():
            kind = family.name.removeprefix("python_gc_").removeprefix("objects_")
            for index, sample in enumerate(family.samples):
                before = self._before[index][kind]
                value = sample.value - before
                family.samples[index] = sample._replace(value=value)
            yield family


_processes = _Processes()
_collections = _Collections()
os.register_at_fork(after_in_child=_collections.reset)
