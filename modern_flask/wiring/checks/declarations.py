"""Find targets that do not exist, and providers that are only partly replaced."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from dependency_injector import providers

from ...errors import find_nearest, join_names
from ..edges import dependencies
from ..errors import WiringFault
from ..providers import Late
from ..settings import is_configured
from .checked_app import CheckedApp

__all__ = ["MissingTarget", "Redeclared", "check_redeclared", "check_targets"]


class MissingTarget(WiringFault):
    """The dotted path of a provider does not exist."""

    def __init__(self, name: str, target: str, near: Sequence[str]) -> None:
        self.name, self.target, self.nearest = name, target, tuple(near)
        super().__init__(
            f'{name} is made by "{target}", which does not exist.',
            ("did you mean", join_names(self.nearest, "or")),
        )


class Redeclared(WiringFault):
    """A subclass redeclares a provider, but inherited ones still use the old one."""

    def __init__(
        self, name: str, container: str, parent: str, users: Sequence[str]
    ) -> None:
        self.name, self.container, self.users = name, container, tuple(users)
        super().__init__(
            f"{container} redeclares {name}, but {join_names(self.users)} still "
            f"use{'s' * (len(self.users) == 1)} {parent}'s.",
            ("fix", f"put @containers.copy({parent}) over class {container}({parent})"),
        )


def check_targets(checked: CheckedApp) -> Iterator[MissingTarget]:
    """Find dotted paths of configured components that do not exist.

    This imports the targets, so that the next rules can read their markers.
    """
    for provider in checked.graph.nodes():
        if isinstance(provider, Late) and is_configured(provider):
            yield from _check_path(checked.graph.name(provider), provider.provides)


def _check_path(name: str, target: Any) -> Iterator[MissingTarget]:
    if not isinstance(target, str):
        return
    place, _, attribute = target.rpartition(".")
    if not _may_exist(place):
        yield MissingTarget(name, target, [])
        return
    try:
        module = import_module(place)
    except Exception:  # reported when the component is opened
        return
    if not hasattr(module, attribute):
        near = [f"{place}.{one}" for one in find_nearest(attribute, dir(module))]
        yield MissingTarget(name, target, near)


def _may_exist(module: str) -> bool:
    """Whether an import may find a module. One in ``sys.modules`` needs no file."""
    if module in sys.modules:
        return True
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:
        return False
    except Exception:  # a parent package raises or has no file
        return True


def check_redeclared(checked: CheckedApp) -> Iterator[Redeclared]:
    """Find inherited providers that still use a provider that a subclass redeclares.

    Such a use is on purpose if one class declares the user together with the new
    provider, or if the new provider depends on the user.
    """
    declared: Any = checked.graph.container.declarative_parent
    own: dict[str, Any] = dict(getattr(declared, "providers", {}))
    for parent in getattr(declared, "__mro__", ())[1:]:
        for name, old in getattr(parent, "cls_providers", {}).items():
            new = own.get(name)
            if new is None or new is old or old.last_overriding is not None:
                continue
            if isinstance(old, providers.Configuration):
                continue
            parts = _find_parts(new)
            users = [
                user
                for user, provider in own.items()
                if provider not in parts
                and old in dependencies(provider)
                and not _is_declared_beside(declared, user, name)
            ]
            if users:
                yield Redeclared(name, declared.__name__, parent.__name__, users)


def _find_parts(provider: providers.Provider[Any]) -> set[providers.Provider[Any]]:
    found, waiting = {provider}, [provider]
    for one in waiting:
        for part in dependencies(one):
            if part not in found:
                found.add(part)
                waiting.append(part)
    return found


def _is_declared_beside(declared: Any, user: str, name: str) -> bool:
    """Whether one class declares both ``user`` and the new ``name``."""
    for cls in declared.__mro__:
        own = vars(cls).get("cls_providers", {})
        if name in own:
            return user in own
    return False
