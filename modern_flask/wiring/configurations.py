"""The configurations of a container: the values for them and the values in them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from dependency_injector import providers
from dependency_injector.containers import DynamicContainer

from . import library

__all__ = ["find_configurations", "get_defaults", "get_loaded"]

_CONFIG = providers.Configuration.DEFAULT_NAME


def find_configurations(container: DynamicContainer) -> list[providers.Configuration]:
    """Find the container's configuration and those of its base classes.

    If a subclass redeclares ``config``, the sections of its base classes still read the
    old one. So all of them must get the service's values.
    """
    own: Any = container.providers[_CONFIG]
    found = [own]
    inside: set[Any] = set()
    subs: Any = container.traverse(types=[providers.Container])
    for sub in subs:
        inside.update(_iterate_all(sub.providers.values()))
    for provider in _iterate_all(container.providers.values()):
        root = library.root_of(provider)
        if root is None or root in found or root in inside:
            continue
        if root not in container.providers.values() and root.get_name() == _CONFIG:
            found.append(root)
    return found


def _iterate_all(start: Iterable[Any]) -> Iterator[providers.Provider[Any]]:
    seen: set[Any] = set()
    waiting = list(start)
    for provider in waiting:
        if provider not in seen:
            seen.add(provider)
            yield provider
            waiting.extend(provider.related)


def get_defaults(container: DynamicContainer) -> dict[str, Any]:
    """Return the configuration's defaults: ``Configuration(default=...)``."""
    config: Any = container.providers[_CONFIG]
    return dict(config.get_default() or {})


def get_loaded(container: DynamicContainer) -> dict[str, Any]:
    """Return the values that were loaded by hand into the container's configuration."""
    config: Any = container.providers[_CONFIG]
    defaults = get_defaults(container)
    return {
        key: value
        for key, value in dict(config() or {}).items()
        if key not in defaults or defaults[key] != value
    }
