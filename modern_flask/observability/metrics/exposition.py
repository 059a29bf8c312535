"""What a scrape reads: the metrics of the process, or of all workers together."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from prometheus_client import REGISTRY, CollectorRegistry, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from . import multiprocess
from .kit import PREFIX, drop_prefix, give_way

__all__ = ["make_registry", "outside"]

outside: list[Collector] = []
"""Collectors of metrics that are in no file. The scraped worker calls them."""


def make_registry() -> CollectorRegistry:
    """Make the registry for a scrape.

    Its collector claims no names, because they may change; the query ``name[]`` selects
    from all metrics nevertheless.
    """
    folder = multiprocess.find_folder()
    registry = CollectorRegistry(support_collectors_without_names=True)
    registry.register(_Process() if folder is None else _Workers(folder))
    return registry


class _Process(Collector):
    def describe(self) -> Iterator[Metric]:
        yield from ()

    def collect(self) -> Iterator[Metric]:
        yield from REGISTRY.collect()


class _Workers(Collector):
    """Reads the files of all workers."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def describe(self) -> Iterator[Metric]:
        yield from ()

    def collect(self) -> Iterator[Metric]:
        # Call these before taking the lock, because they may wait for a server.
        own = [family for each in outside for family in each.collect()]
        services = []
        for family in self._merge():
            if family.name.startswith(PREFIX):
                own.append(drop_prefix(family))
            else:
                services.append(family)
        yield from services
        yield from give_way(own, services)

    def _merge(self) -> list[Metric]:
        merge: Any = MultiProcessCollector.merge
        with multiprocess.hold_files():
            # The library can't read a file that a worker has just created.
            files = [
                str(file)
                for file in self._folder.glob("*.db")
                if multiprocess.has_begun(file)
            ]
            return list(merge(files, accumulate=True))
