"""The configuration: a flat mapping of keys, with the origin of each key."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .masking import mask_value

__all__ = [
    "Origin",
    "Section",
    "Values",
    "find_key",
    "find_origin",
    "list_values",
    "name_key",
]


@dataclass(frozen=True)
class Origin:
    """Where a value was set: the redacted name of a source, and the line in a file."""

    source: str
    line: int | None = None

    def __str__(self) -> str:
        return self.source if self.line is None else f"{self.source}, line {self.line}"


class Values(dict[str, Any]):
    """The values by UPPER_CASE key, with the origin of each. The ``repr`` is masked.

    Attributes:
        origins: The origins by key.
        searched: The sources that were read; a later source overrides an earlier one.
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
        return (
            f"Values({ {key: mask_value(key, value) for key, value in self.items()} })"
        )

    def put(self, values: Mapping[str, Any], origins: Mapping[str, Origin]) -> None:
        """Add ``values``; they override the values of the same keys."""
        self.update(values)
        self.origins.update(origins)

    def origin(self, key: str) -> Origin | None:
        return self.origins.get(key)

    def section(self, prefix: str) -> "Section":
        """Return the values of the keys that begin with ``prefix``."""
        mine = {
            key: value
            for key, value in self.items()
            if key.startswith(prefix) and key != prefix
        }
        return Section(prefix, mine, self.origins, self.searched)


class Section(dict[str, Any]):
    """The settings of one component, such as ``host`` for the key ``REDIS_HOST``.

    The names are the keys without the prefix, in lower case.

    Args:
        prefix: The common prefix of the keys.
        values: The values by key.
        origins: The origins by key.
        searched: The sources that were searched for the keys.
        within: The keys of the mappings around the values: for a container inside
            another one, its configuration may be an item of the whole configuration.
    """

    def __init__(
        self,
        prefix: str,
        values: Mapping[str, Any] | None = None,
        origins: Mapping[str, Origin] | None = None,
        searched: Iterable[str] = (),
        within: Sequence[str] = (),
    ) -> None:
        self.prefix = prefix
        self._within = tuple(within)
        self.searched = list(searched)
        self._keys = {key[len(prefix) :].lower(): key for key in values or {}}
        self._origins = dict(origins or {})
        super().__init__(
            {key[len(prefix) :].lower(): value for key, value in (values or {}).items()}
        )

    def __repr__(self) -> str:
        shown = {
            name: mask_value(self.key(name), value) for name, value in self.items()
        }
        return f"Section({self.prefix!r}, {shown})"

    def list_by_key(self) -> Iterable[tuple[str, Any]]:
        """List the values by their keys, without the keys of mappings around them."""
        return ((self._get_own_key(name), value) for name, value in self.items())

    def key(self, name: str) -> str:
        """Return the key of the setting ``name``, as the configuration spells it."""
        return name_key([*self._within, self._get_own_key(name)])

    def origin(self, name: str) -> Origin | None:
        first = [*self._within, self._get_own_key(name)][0]
        return self._origins.get(first)

    def _get_own_key(self, name: str) -> str:
        return self._keys.get(name, self.prefix + name.upper())


def name_key(path: Sequence[str]) -> str:
    """Return the whole key of a nested value, such as ``BILLING["MAIL_HOST"]``."""
    return path[0] + "".join(f'["{name}"]' for name in path[1:]) if path else ""


def find_key(settings: Mapping[str, Any], name: str) -> str:
    """Return the key of the setting ``name``; for a plain dict, ``name`` itself."""
    return settings.key(name) if isinstance(settings, Section) else name


def find_origin(settings: Mapping[str, Any], name: str) -> Origin | None:
    """Return the origin of the setting ``name``; None for a plain dict."""
    return settings.origin(name) if isinstance(settings, Section) else None


def list_values(values: Values) -> list[tuple[str, Any, str]]:
    """List (key, masked value, origin) of every key, sorted, for a command to print.

    The origin is empty if it is not known.
    """
    return [
        (key, mask_value(key, values[key]), str(values.origin(key) or ""))
        for key in sorted(values)
    ]
