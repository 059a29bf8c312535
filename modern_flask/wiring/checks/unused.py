"""Find keys and providers that have no effect. These are warnings, not faults."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from dependency_injector import providers

from ...config.values import Values
from ...errors import join_names
from .. import library
from ..container_instance import find_stale_users
from ..graph import Graph
from ..settings import Choice, Settings
from .checked_app import CheckedApp

__all__ = ["find_unused"]

_UNSET = object()


def find_unused(checked: CheckedApp) -> list[str]:
    """Return one text for each key without effect and each provider without use."""
    container = checked.graph.container
    return [
        *_find_not_chosen(container),
        *_find_unread(container),
        *_find_abstract(container),
        *_find_foreign(container),
        *_find_replaced(container),
        *_find_late(checked),
    ]


def _find_replaced(container: Any) -> Iterator[str]:
    """Find providers that don't see what ``set_provider`` has replaced."""
    for name, users in find_stale_users(container).items():
        yield (
            f"{name} was replaced by set_provider, but {join_names(users)} still "
            f"use{'s' * (len(users) == 1)} the declared one: call "
            f"container.{name}.override(...) instead."
        )


def _find_late(checked: CheckedApp) -> Iterator[str]:
    """Find keys of the container that were set in ``app.config`` too late.

    The values were published to the container once, by ``create_app`` or ``init_app``.
    """
    published, seen = checked.bound.published, checked.graph.container.config() or {}
    changed = {
        str(key)
        for key, value in checked.app.config.items()
        if not _is_same(value, published.get(key, _UNSET))
        and not _is_same(value, seen.get(key, _UNSET))
    }
    late = sorted(_select_read(changed, checked)) if changed else []
    if late:
        was, them = ("was", "it") if len(late) == 1 else ("were", "them")
        yield (
            f"{join_names(late)} {was} set in app.config after create_app or init_app, "
            f"so the container does not see {them}: pass {them} to "
            f"create_app(config=...), or set {them} before init_app."
        )


def _select_read(keys: set[str], checked: CheckedApp) -> set[str]:
    """Return those of ``keys`` that a provider or an injected function reads."""
    injected = [each.provider for each in checked.injections]
    prefixes, options = [], set()
    for provider in (*checked.graph.all_providers(), *injected):
        if isinstance(provider, Settings):
            prefixes.append(provider.whole_prefix)
        elif path := library.path_of(provider):
            options.add(path[0])
    return {key for key in keys if key in options or key.startswith(tuple(prefixes))}


def _is_same(one: Any, other: Any) -> bool:
    if one is other:
        return True
    try:
        return bool(one == other)
    except Exception:  # code of the service
        return False


def _find_not_chosen(container: Any) -> Iterator[str]:
    for choice in container.providers.values():
        if isinstance(choice, Choice) and (found := choice.find_unused()):
            branches = join_names(sorted(choice.providers), "or")
            yield (
                f"{choice.key} is not set. Without it, these keys have no effect: "
                f"{join_names(found)}. Set it to {branches}."
            )


def _find_unread(container: Any) -> Iterator[str]:
    """Find keys that no section reads.

    An example is ``DATABASE_URL``: the sections begin with ``DATABASE_ENGINE_``.
    """
    values = container.config()
    if not isinstance(values, Values):
        return
    prefixes = {
        provider.prefix
        for provider in Graph(container).all_providers()
        if isinstance(provider, Settings)
    }
    longer = sorted(prefix for prefix in prefixes if prefix.count("_") > 1)
    for word in sorted({prefix.partition("_")[0] + "_" for prefix in longer}):
        kin = [prefix for prefix in longer if prefix.startswith(word)]
        for key in sorted(values):
            if key.startswith(word) and not key.startswith(tuple(prefixes)):
                yield (
                    f"{key} ({values.origin(key)}) has no effect: the keys of that "
                    f"kind begin with {join_names(kin, 'or')}."
                )


_FOREIGN = {
    "CELERY": "CELERY_BROKER_URL, CELERY_RESULT_BACKEND and the like, one key each",
    "BROKER_URL": "CELERY_BROKER_URL",
    "SQLALCHEMY_DATABASE_URI": "DATABASE_ENGINE_URL",
    "SQLALCHEMY_ENGINE_OPTIONS": "DATABASE_ENGINE_POOL_SIZE and the like, one key each",
    "SQLALCHEMY_ECHO": "DATABASE_ENGINE_ECHO",
    "REDIS_URI": "REDIS_URL",
    "REDISURL": "REDIS_URL",
}
"""Keys from Flask's tutorials and extensions, with the kit's keys for them."""

_READ_BY = {"SQLALCHEMY_": "sqlalchemy"}
"""By prefix: the name in ``app.extensions`` of the extension that reads the keys."""


def _find_foreign(container: Any) -> Iterator[str]:
    values = container.config()
    app = container.providers["app"]() if "app" in container.providers else None
    extensions = getattr(app, "extensions", {})
    for key in sorted(
        _FOREIGN.keys() & set(values if isinstance(values, Values) else ())
    ):
        read = any(
            key.startswith(prefix) and name in extensions
            for prefix, name in _READ_BY.items()
        )
        if not read:
            yield f"{key} ({values.origin(key)}) has no effect: set {_FOREIGN[key]}."


def _find_abstract(container: Any) -> Iterator[str]:
    """Find abstract providers without an override. Injecting one is a fault instead."""
    for name, provider in container.providers.items():
        kind = type(provider).__name__
        abstract = isinstance(
            provider,
            providers.AbstractCallable
            | providers.AbstractCoroutine
            | providers.AbstractFactory
            | providers.AbstractSingleton,
        )
        if abstract and provider.last_overriding is None:
            yield f"{name} is an {kind} that nothing overrides: it can't be injected."
