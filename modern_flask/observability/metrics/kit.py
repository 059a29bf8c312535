"""The kit's own metrics. They give way to a service's metrics of the same names.

They are in a registry of their own, so a service may register any name at any time. The
registry of the process has one collector for all of them, and this collector claims no
name.

With several workers, all metrics are read from the same files. There, the kit's names
have a prefix, so that values of the service are never added to values of the kit.

Only this module uses private names of prometheus_client's registry.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable, Iterator
from types import ModuleType
from typing import Any

from prometheus_client import (
    GC_COLLECTOR,
    PLATFORM_COLLECTOR,
    PROCESS_COLLECTOR,
    REGISTRY,
    CollectorRegistry,
    Metric,
)
from prometheus_client.registry import Collector

from . import multiprocess

__all__ = ["KIT", "PREFIX", "STANDARD", "give_way", "is_registered", "warn_of_clashes"]

KIT = CollectorRegistry()
PREFIX = "modern_flask:" if multiprocess.find_folder() else ""
STANDARD: tuple[Collector, ...] = (GC_COLLECTOR, PLATFORM_COLLECTOR, PROCESS_COLLECTOR)
"""The collectors of prometheus_client itself, which read one process."""

_SUFFIXES = {
    "counter": ("_total", "_created"),
    "histogram": ("_bucket", "_count", "_sum", "_created"),
}

logger = logging.getLogger(__name__)
_warned: set[str] = set()


def is_registered(collector: Collector) -> bool:
    """Whether the process's registry has ``collector``: a service may remove it."""
    return collector in REGISTRY._collector_to_names


def give_way(own: Iterable[Metric], others: Iterable[Metric] = ()) -> Iterator[Metric]:
    """Yield the metrics in ``own``, except those whose names the service uses.

    For each metric that is left out, one line is logged, once in a process.

    Args:
        own: Metrics of the kit, under their own names.
        others: Metrics of the service that its other workers have written.
    """
    taken = {name for family in others for name in _find_names(family)}
    for family in own:
        names = _find_names(family)
        owners = [_find_owner(name) for name in names]
        owner = next((found for found in owners if found is not None), None)
        if owner is None and taken.isdisjoint(names):
            yield family
        elif family.name not in _warned:
            _warned.add(family.name)
            logger.warning(
                "The kit's metric %s is left out, because the service has a metric of "
                "that name: %s. Rename the service's metric to have both.",
                family.name,
                _describe_owner(owner),
            )


def warn_of_clashes() -> None:
    """Log which of the kit's metrics are left out, as far as that is known now."""
    for collector in list(KIT._collector_to_names):
        described: Any = getattr(collector, "describe", tuple)
        for _ in give_way(map(drop_prefix, described())):
            pass


def drop_prefix(family: Metric) -> Metric:
    """Give a metric of the kit its name without the prefix."""
    start = len(PREFIX)
    if start and family.name.startswith(PREFIX):
        family.name = family.name[start:]
        family.samples = [
            sample._replace(name=sample.name[start:]) for sample in family.samples
        ]
    return family


def _find_names(family: Metric) -> list[str]:
    """Return every name that the metric's samples may have."""
    return [
        family.name,
        *(family.name + suffix for suffix in _SUFFIXES.get(family.type, ())),
    ]


def _find_owner(name: str) -> Collector | None:
    """Return the service's collector of ``name``."""
    found = REGISTRY._names_to_collectors.get(name)
    return None if found in STANDARD else found


def _describe_owner(collector: Collector | None) -> str:
    """Name the variable of a module that holds ``collector``, or its class."""
    if collector is None:
        return "another worker has it"
    kind = type(collector).__name__
    for module in list(sys.modules.values()):
        if isinstance(module, ModuleType):
            for name, value in list(vars(module).items()):
                if value is collector:
                    place = getattr(module, "__file__", None)
                    return f"the {kind} {module.__name__}.{name}, {place}"
    return f"a {kind}, {collector!r}"


class _Kit(Collector):
    """All metrics of the kit, in the registry of the process."""

    def describe(self) -> Iterator[Metric]:
        yield from ()

    def collect(self) -> Iterator[Metric]:
        yield from give_way(map(drop_prefix, KIT.collect()))


REGISTRY.register(_Kit())
