"""What is set in the configuration and has no effect."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ...config.values import Values
from ...errors import listed
from ..graph import Graph
from ..settings import Choice, Settings

__all__ = ["idle"]


def idle(container: Any) -> list[str]:
    """What no key chooses and what no component reads, one text for each."""
    return [*_not_chosen(container), *_unread(container)]


def _not_chosen(container: Any) -> Iterator[str]:
    for choice in container.providers.values():
        if isinstance(choice, Choice) and (found := choice.idle()):
            yield (
                f"{choice.key} is not set, and without it these have no effect: "
                f"{listed(found)}. Set it to {listed(sorted(choice.providers), 'or')}."
            )


def _unread(container: Any) -> Iterator[str]:
    """``DATABASE_URL``: the sections begin with a word more."""
    values = container.config()
    if not isinstance(values, Values):
        return
    prefixes = {
        provider.prefix
        for provider in Graph(container).everything()
        if isinstance(provider, Settings)
    }
    longer = sorted(prefix for prefix in prefixes if prefix.count("_") > 1)
    for word in sorted({prefix.partition("_")[0] + "_" for prefix in longer}):
        kin = [prefix for prefix in longer if prefix.startswith(word)]
        for key in sorted(values):
            if key.startswith(word) and not key.startswith(tuple(prefixes)):
                yield (
                    f"{key} ({values.origin(key)}) has no effect: the keys of that "
                    f"kind begin with {listed(kin, 'or')}."
                )
