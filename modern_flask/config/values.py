"""Configuration as a flat mapping in which every key knows where it was set."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from .masking import MASK, is_secret, masked, redacted

__all__ = [
    "MASK",
    "Origin",
    "Section",
    "Values",
    "is_secret",
    "key_of",
    "masked",
    "origin_of",
    "redacted",
    "rows",
]


@dataclass(frozen=True)
class Origin:
    """Where a value was set: a source's name (redacted) and, in a file, the line."""

    source: str
    line: int | None = None

    def __str__(self) -> str:
        return self.source if self.line is None else f"{self.source}, line {self.line}"


class Values(dict[str, Any]):
    """UPPER_CASE keys to values, with the origin of each.

    ``searched`` names the sources that were read, in order of rank, lowest first. The
    ``repr`` is masked.
    """

    def __init__(
        self,
        values: Mapping[str, Any] | None = None,
        origins: Mapping[str, Origin] | None = None,
        searched: Iterable[str] = (),
    ) -> None:
        super().__init__(values or {})
        self.origins: dict[str, Origin] = dict(origins or {})
        self.searched: list[str] = list(searched)

    def __repr__(self) -> str:
        return f"Values({ {key: masked(key, value) for key, value in self.items()} })"

    def put(self, values: Mapping[str, Any], origins: Mapping[str, Origin]) -> None:
        """Lay ``values`` over what is here."""
        self.update(values)
        self.origins.update(origins)

    def origin(self, key: str) -> Origin | None:
        return self.origins.get(key)

    def section(self, prefix: str) -> "Section":
        """The keys that begin with ``prefix``, without it and in lower case."""
        mine = {
            key: value
            for key, value in self.items()
            if key.startswith(prefix) and key != prefix
        }
        return Section(prefix, mine, self.origins, self.searched)


class Section(dict[str, Any]):
    """One component's keywords: ``REDIS_HOST`` under ``REDIS_`` is ``host``."""

    def __init__(
        self,
        prefix: str,
        values: Mapping[str, Any] | None = None,
        origins: Mapping[str, Origin] | None = None,
        searched: Iterable[str] = (),
    ) -> None:
        self.prefix = prefix
        self.searched = list(searched)
        self._keys = {key[len(prefix) :].lower(): key for key in values or {}}
        self._origins = dict(origins or {})
        super().__init__(
            {key[len(prefix) :].lower(): value for key, value in (values or {}).items()}
        )

    def __repr__(self) -> str:
        shown = {name: masked(self.key(name), value) for name, value in self.items()}
        return f"Section({self.prefix!r}, {shown})"

    def key(self, name: str) -> str:
        """The whole key of ``name``, as the configuration spells it."""
        return self._keys.get(name, self.prefix + name.upper())

    def origin(self, name: str) -> Origin | None:
        return self._origins.get(self.key(name))


def key_of(settings: Mapping[str, Any], name: str) -> str:
    """The key behind ``settings[name]``: ``name`` itself in a plain dict."""
    return settings.key(name) if isinstance(settings, Section) else name


def origin_of(settings: Mapping[str, Any], name: str) -> Origin | None:
    """Where ``settings[name]`` was set; unknown in a plain dict."""
    return settings.origin(name) if isinstance(settings, Section) else None


def rows(values: Values) -> list[tuple[str, Any, str]]:
    """(key, masked value, origin) of every key, sorted, as a command may print them.

    The origin is empty where it is not known.
    """
    return [
        (key, masked(key, values[key]), str(values.origin(key) or ""))
        for key in sorted(values)
    ]
