"""The base classes of faults: what happened, where, and what to do.

Each room derives its own faults from the classes here. A fault keeps its arguments as
attributes and never holds a value that may be secret. The labels of its lines are few:
``in``, ``set in``, ``looked in``, ``path``, ``did you mean`` and ``fix``.
"""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from os.path import commonprefix

__all__ = [
    "ConfigurationError",
    "Fault",
    "MissingExtra",
    "NotConfigured",
    "UnknownChoice",
    "UnknownSetting",
    "listed",
    "nearest",
    "set_key",
]


class Fault(Exception):
    """A mistake that the reader of its text can correct.

    Args:
        what: One sentence: what happened.
        lines: Pairs of a label and a text, printed below it; a pair with an empty text
            is left out.
    """

    def __init__(self, what: str, *lines: tuple[str, object]) -> None:
        self.what = what
        self.lines = [(label, str(text)) for label, text in lines if text]
        super().__init__(what)

    def __str__(self) -> str:
        rows = [self.what, *(f"  {label:<7}  {text}" for label, text in self.lines)]
        return "\n".join(rows)


class ConfigurationError(Fault):
    """The configuration can't be read, or names something that does not exist."""


class UnknownSetting(ConfigurationError):
    """A key that the component behind its prefix does not have.

    Args:
        key: The whole key, such as ``REDIS_HOTS``.
        origin: Where it was set, if that is known.
        known: Every key that the component has; the nearest are offered.
    """

    def __init__(self, key: str, origin: object, known: Iterable[str]) -> None:
        self.key, self.origin = key, origin
        self.nearest = nearest(key, known)
        super().__init__(
            f"{key} is not a known setting.",
            ("set in", origin or ""),
            ("did you mean", listed(self.nearest, "or")),
        )


class UnknownChoice(ConfigurationError):
    """A key whose value is none of the possible ones."""

    def __init__(
        self, key: str, value: object, noun: str, origin: object, choices: Sequence[str]
    ) -> None:
        self.key, self.value, self.origin, self.choices = key, value, origin, choices
        super().__init__(
            f'{key} = "{value}" names no {noun}.',
            ("set in", origin or ""),
            ("fix", f"use {listed(choices, 'or')}"),
        )


class NotConfigured(ConfigurationError):
    """A component is used, and none of its keys is set.

    Args:
        component: The provider's name, such as ``redis``.
        key: The key to set, or the prefix followed by ``*``.
        searched: The sources in which it was looked for.
        idle: Keys that are set and have no effect without it, and where.
    """

    def __init__(
        self,
        component: str,
        key: str,
        searched: Sequence[str] = (),
        idle: Sequence[str] = (),
    ) -> None:
        self.component, self.key, self.searched = component, key, tuple(searched)
        self.idle = tuple(idle)
        super().__init__(
            f"{component} is not configured: {key} is not set.",
            ("looked in", listed(self.searched, "and")),
            ("but set", listed(self.idle, "and")),
            ("fix", set_key(key)),
        )


class MissingExtra(ConfigurationError):
    """A component is configured, and a package that it needs is not installed.

    Args:
        component: What is configured.
        package: What is missing.
        extra: The extra of modern-flask that brings it.
        key: The key that asks for it.
        origin: Where that was set, if it is known.
    """

    def __init__(
        self,
        component: str,
        package: str,
        extra: str,
        key: str = "",
        origin: object = None,
    ) -> None:
        self.component, self.package, self.extra = component, package, extra
        self.key, self.origin = key, origin
        super().__init__(
            f"{component} is configured, but the package {package} is not installed.",
            ("by", f"{key}, set in {origin}" if origin else ""),
            ("fix", f"pip install 'modern-flask[{extra}]'"),
        )


def set_key(key: str) -> str:
    """The remedy for a key that is not set."""
    return f"set {key} in the configuration, or FLASK_{key} in the environment"


def nearest(name: str, known: Iterable[str], most: int = 3) -> list[str]:
    """The names of ``known`` that ``name`` may have meant, best first.

    What all begin with, such as ``REDIS_``, makes none more alike.
    """
    names = sorted(known)
    # By character is what is meant here.
    shared = commonprefix([name, *names]) if len(names) > 1 else ""  # noqa: RUF071
    cut = shared.rfind("_") + 1
    found = get_close_matches(name[cut:], [n[cut:] for n in names], most, 0.6)
    return [name[:cut] + match for match in found]


def listed(names: Sequence[str], word: str = "and") -> str:
    """``["a", "b", "c"]`` as ``a, b and c``; empty where there are none."""
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} {word} {names[-1]}"
