"""What the check tells at start, beside what a call tells too (``errors``)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from traceback import walk_tb

from ...errors import ConfigurationError, NotConfigured, listed, nearest
from ..errors import WiringFault

__all__ = [
    "Captive",
    "Contradiction",
    "Cycle",
    "InjectedUnconfigured",
    "LostDecorator",
    "MissingKey",
    "MissingTarget",
    "NoAsync",
    "NotClosed",
    "NotOpened",
    "Redeclared",
    "Shadowed",
    "Undefined",
    "UnfilledMarker",
]

_SHOWN = 3  # askers that an error names; the others are counted


class UnfilledMarker(WiringFault):
    """A function that the app calls has a marker that nothing fills."""

    def __init__(self, asker: str, place: str, why: str, remedy: str) -> None:
        self.asker, self.place, self.why = asker, place, why
        super().__init__(
            f"{asker} has a marker that nothing fills: {why}.",
            ("in", place),
            ("do", remedy),
        )


class NoAsync(WiringFault):
    """A function of the app is ``async``, and what Flask runs it with is missing."""

    def __init__(self, asker: str, place: str) -> None:
        self.asker, self.place = asker, place
        super().__init__(
            f"{asker} is async, and the package asgiref is not installed.",
            ("in", place),
            ("install", "pip install 'flask[async]'"),
        )


class LostDecorator(WiringFault):
    """A decorator stands above the one that registers the function."""

    def __init__(self, asker: str, place: str) -> None:
        self.asker, self.place = asker, place
        super().__init__(
            f"{asker} was registered before a decorator above it was applied.",
            ("in", place),
            ("do", "put the decorator that registers the function first, at the top"),
        )


class Shadowed(WiringFault):
    """A URL's argument has the name of a parameter that is to be injected."""

    def __init__(self, asker: str, place: str, parameter: str, rule: str) -> None:
        self.asker, self.place = asker, place
        self.parameter, self.rule = parameter, rule
        super().__init__(
            f"{asker} is given `{parameter}` by its URL, which wins over the marker.",
            ("in", place),
            ("rule", rule),
            ("do", "name one of the two otherwise"),
        )


class Contradiction(WiringFault):
    """A parameter's annotation and the type of what is injected exclude each other."""

    def __init__(
        self, asker: str, place: str, name: str, wanted: str, given: str
    ) -> None:
        self.asker, self.place, self.name = asker, place, name
        self.wanted, self.given = wanted, given
        super().__init__(
            f"{asker} expects {wanted} from {name}, which provides {given}.",
            ("in", place),
            ("do", "ask for another provider, or correct the annotation"),
        )


class Cycle(WiringFault):
    """Providers that need each other: making one would never end."""

    def __init__(self, path: Sequence[str]) -> None:
        self.path = tuple(path)
        super().__init__(
            f"{path[0]} needs itself.",
            ("path", " -> ".join(path)),
            ("do", "give one of them `NAME.provider`, to call when it is needed"),
        )


class Captive(WiringFault):
    """An object that lives long keeps one that does not, and shows it to the next.

    Args:
        path: From who keeps to what is kept.
        keeper: Its name, and ``keeps_for`` how long it lives: ``process``, ``thread``.
        kept: Its name, and ``lives_for`` how long: ``thread``, ``request``.
        remedy: Where the keeper is no provider: what to do.
    """

    def __init__(
        self,
        path: Sequence[str],
        keeper: str,
        kept: str,
        keeps_for: str = "process",
        lives_for: str = "request",
        remedy: str = "",
    ) -> None:
        self.path, self.keeper, self.kept = tuple(path), keeper, kept
        self.keeps_for, self.lives_for = keeps_for, lives_for
        super().__init__(
            f"{keeper} lives as long as {_life(keeps_for)} and keeps {kept}, "
            f"which lives as long as {_life(lives_for)}.",
            ("path", " -> ".join(path)),
            (
                "do",
                remedy or f"declare {keeper} as Scoped, or give it `{kept}.provider`",
            ),
        )


def _life(word: str) -> str:
    return f"the {word}" if word == "process" else f"a {word}"


class MissingKey(WiringFault):
    """A key that something injected is made with is not set."""

    def __init__(
        self,
        key: str,
        askers: Sequence[str],
        path: Sequence[str],
        searched: Sequence[str],
        known: Iterable[str],
    ) -> None:
        self.key, self.askers, self.path = key, tuple(askers), tuple(path)
        self.searched, self.nearest = tuple(searched), nearest(key, known)
        super().__init__(
            f"{key} is not set, and something injected needs it.",
            *_way(askers, path),
            ("looked in", listed(self.searched, "and")),
            ("did you mean", listed(self.nearest, "or")),
            ("set", f"{key} in the configuration, or FLASK_{key} in the environment"),
        )


class InjectedUnconfigured(WiringFault, NotConfigured):
    """Something is injected that stands on a component without configuration."""

    def __init__(
        self, lack: NotConfigured, askers: Sequence[str], path: Sequence[str]
    ) -> None:
        idle = lack.idle
        NotConfigured.__init__(self, lack.component, lack.key, lack.searched, idle)
        self.askers, self.path = tuple(askers), tuple(path)
        self.lines[:0] = [line for line in _way(askers, path) if line[1]]


class Undefined(WiringFault):
    """A ``Dependency`` that nothing was given for."""

    def __init__(self, name: str, askers: Sequence[str], path: Sequence[str]) -> None:
        self.name, self.askers, self.path = name, tuple(askers), tuple(path)
        super().__init__(
            f"{name} is a Dependency that nothing was given for.",
            *_way(askers, path),
            ("do", f"give it to the container: Container({name}=...)"),
        )


class MissingTarget(WiringFault):
    """A provider's dotted path leads nowhere."""

    def __init__(self, name: str, target: str, near: Sequence[str]) -> None:
        self.name, self.target, self.nearest = name, target, tuple(near)
        super().__init__(
            f'{name} is made by "{target}", which does not exist.',
            ("did you mean", listed(self.nearest, "or")),
        )


class NotOpened(ConfigurationError):
    """A component raised when it was opened: most often for a value of a wrong type.

    Args:
        component: The provider's name.
        error: What it raised; its message is not repeated, it may hold a secret.
        given: The keys that are set for the component, and where, if that is known.
    """

    def __init__(
        self, component: str, error: Exception, given: Mapping[str, object]
    ) -> None:
        self.component, self.error, self.given = component, error, dict(given)
        keys = [
            f"{key}, set in {origin}" if origin else key
            for key, origin in self.given.items()
        ]
        labels = ["given", *[""] * len(keys)]
        super().__init__(
            f"{component} can't be opened: {type(error).__name__}.",
            ("in", _raised_in(error)),
            *zip(labels, keys, strict=False),
            ("check", "the types of these values" if keys else ""),
        )


class NotClosed(WiringFault):
    """A component opened, and raised when it was closed."""

    def __init__(self, error: Exception) -> None:
        self.error = error
        super().__init__(
            f"A component can't be closed: {type(error).__name__}.",
            ("in", _raised_in(error)),
        )


class Redeclared(WiringFault):
    """A subclass declares a provider anew, and others still stand on the old one."""

    def __init__(
        self, name: str, container: str, parent: str, users: Sequence[str]
    ) -> None:
        self.name, self.container, self.users = name, container, tuple(users)
        super().__init__(
            f"{container} declares {name} anew, and {listed(self.users)} still "
            f"stand{'s' * (len(self.users) == 1)} on the one of {parent}.",
            ("do", f"put @containers.copy({parent}) over class {container}({parent})"),
        )


def _raised_in(error: Exception) -> str:
    """The module and the line that raised."""
    frames = list(walk_tb(error.__traceback__))
    if not frames:
        return ""
    frame, line = frames[-1]
    return f"{frame.f_globals.get('__name__', '?')}, line {line}"


def _way(askers: Sequence[str], path: Sequence[str]) -> list[tuple[str, str]]:
    """Who asks, at most three of them, and through what."""
    shown, more = list(askers[:_SHOWN]), len(askers) - _SHOWN
    if more > 0:
        shown.append(f"{more} more")
    return [
        ("asked by", listed(shown, "and")),
        ("path", " -> ".join(path) if len(path) > 1 else ""),
    ]
