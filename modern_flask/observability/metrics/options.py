"""Reads the names and the buckets of the metrics from the configuration."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any

from prometheus_client import Histogram

from ...config.values import find_key, find_origin
from ...errors import UnknownChoice
from ..errors import BadBuckets
from .families import DURATIONS

__all__ = ["Names", "choose_buckets", "read_names"]

_DEFAULT = tuple(float(bound) for bound in Histogram.DEFAULT_BUCKETS)
_INFINITY = float("inf")

logger = logging.getLogger(__name__)
_chosen: tuple[float, ...] | None = None


class Names(Enum):
    """The names under which the durations of requests are exposed."""

    OLD = "old"
    OTEL = "otel"
    BOTH = "both"


def read_names(settings: Mapping[str, Any]) -> Names:
    """Read ``names``. Each of the two histograms costs its series, so one is enough.

    Raises:
        UnknownChoice: It is not ``old``, ``otel`` or ``both``.
    """
    chosen = settings.get("names")
    if chosen is None:
        return Names.OLD
    for names in Names:
        if chosen == names.value:
            return names
    key, origin = find_key(settings, "names"), find_origin(settings, "names")
    raise UnknownChoice(key, chosen, "name", origin, [each.value for each in Names])


def choose_buckets(settings: Mapping[str, Any]) -> None:
    """Set the buckets of all durations, once in a process.

    The families belong to the process. If a later app wants other buckets, a warning is
    logged, and the first app's buckets stay.

    Raises:
        BadBuckets: ``buckets`` is not a list of increasing positive numbers.
    """
    global _chosen
    wanted = read_buckets(settings)
    if _chosen is None:
        _chosen = wanted or _DEFAULT
        if wanted:
            for family in DURATIONS:
                family.set_buckets(wanted)
    elif wanted and wanted != _chosen:
        logger.warning(
            "%s has no effect: the metrics of this process already have the buckets "
            "%s, which another app has chosen.",
            find_key(settings, "buckets"),
            ", ".join(f"{bound:g}" for bound in _chosen if bound != _INFINITY),
        )


def read_buckets(settings: Mapping[str, Any]) -> tuple[float, ...] | None:
    """Read ``buckets``: a list of seconds, or a text with commas."""
    given = settings.get("buckets")
    if given is None:
        return None
    parts = given.split(",") if isinstance(given, str) else given
    if isinstance(given, int | float):
        parts = [given]
    try:
        if not isinstance(parts, Sequence) or any(type(x) is bool for x in parts):
            raise TypeError
        found = tuple(float(part) for part in parts)
    except (TypeError, ValueError):
        found = ()
    rises = all(low < high for low, high in zip((0.0, *found), found, strict=False))
    if not found or not rises or found[-1] == _INFINITY:
        key, origin = find_key(settings, "buckets"), find_origin(settings, "buckets")
        raise BadBuckets(key, given, origin)
    return (*found, _INFINITY)
