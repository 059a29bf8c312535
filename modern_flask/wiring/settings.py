"""Sections of the configuration, choices, and which providers are configured."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

from dependency_injector import providers

from ..config.values import Section, Values, name_key
from ..errors import NotConfigured, UnknownChoice
from . import library
from .providers import Late

__all__ = [
    "Choice",
    "Settings",
    "active_dependencies",
    "is_configured",
    "section",
]

T = TypeVar("T")


class Settings(providers.Callable[Section]):
    """A section of the configuration, as keywords for a component."""

    def _provide(self, args: Any, kwargs: Any) -> Section:
        found = self._read()
        if self.required_key and not found:
            raise self._make_lack(found)
        return found

    @property
    def prefix(self) -> str:
        return str(self._parts[1])

    @property
    def whole_prefix(self) -> str:
        """The prefix of the keys; the first key if the values are inside a mapping."""
        within = library.path_of(self._parts[0])
        return within[0] if within else self.prefix

    @property
    def required_key(self) -> str | None:
        """The key that configures the component; None if it works without a key."""
        return self.prefix + self._required[0] if self._required else None

    def is_set(self) -> bool:
        return any(key.startswith(self.prefix) for key in self._parts[0]() or ())

    def check(self) -> None:
        """Raise NotConfigured if a key is required and no key is set."""
        if self.required_key and not self.is_set():
            self()

    def find_lack(self) -> NotConfigured | None:
        """Find out whether keys of the prefix are set, but none of the required ones.

        Returns:
            The error that names the required key and the keys that are set.
        """
        found = self._read()
        names = {name.lower() for name in self._required}
        if not names or not found or not names.isdisjoint(found):
            return None
        return self._make_lack(found)

    def _read(self) -> Section:
        values = self._parts[0]()
        within = library.path_of(self._parts[0])
        if not within:
            known = values if isinstance(values, Values) else Values(values)
            return known.section(self.prefix)
        whole = library.whole_configuration_of(self._parts[0])
        top = whole if isinstance(whole, Values) else Values()
        inner = values if isinstance(values, Mapping) else {}
        mine = dict(Values(inner).section(self.prefix).list_by_key())
        return Section(self.prefix, mine, top.origins, top.searched, within)

    def _make_lack(self, found: Section) -> NotConfigured:
        set_keys = [(found.key(name), found.origin(name)) for name in sorted(found)]
        unused = [f"{key} ({origin})" if origin else key for key, origin in set_keys]
        noun = self.prefix.partition("_")[0].lower()
        key = found.key(self._required[0])
        return NotConfigured(noun, key, found.searched, unused)

    @property
    def _parts(self) -> tuple[Any, ...]:
        return self.args

    @property
    def _required(self) -> tuple[str, ...]:
        required = self._parts[2] or ()
        return (required,) if isinstance(required, str) else tuple(required)


def section(
    config: Any, prefix: str, required: str | Sequence[str] | None = None
) -> Settings:
    """Return a provider of all keys of ``config`` that begin with ``prefix``.

    The keys lose the prefix and become lower case.

    Args:
        config: The container's configuration.
        prefix: The prefix, such as ``REDIS_``.
        required: The key without which the component can't work, such as ``URL``; if
            there are several, one of them must be set. If no key of the prefix is set,
            the component is not configured. If only others are set, the check and the
            start ask for the (first) required key. Only the kit's own components may
            also work with other keys, because the check opens them. If None, the
            component works with its defaults alone.
    """
    return Settings(Section, config, prefix, required)


class Choice(providers.Selector[T]):
    """A selector whose errors name the key and its possible values.

    Args:
        selector: The key of the configuration that names the branch.
        observed_by: As in :class:`Opened`, for every branch.
        ping: As in :class:`Opened`, for every branch.
        critical: As in :class:`Opened`, for every branch.
        branches: The providers, by the value that chooses them.
    """

    def __init__(
        self,
        selector: Any = None,
        *,
        observed_by: Any = None,
        ping: Any = None,
        critical: bool | None = None,
        **branches: providers.Provider[T],
    ) -> None:
        given = {"observed_by": observed_by, "ping": ping, "critical": critical}
        shared = {name: value for name, value in given.items() if value is not None}
        for branch in branches.values():
            if shared and isinstance(branch, Late):
                branch.add_kwargs(**shared)
        super().__init__(selector, **branches)

    def _provide(self, args: Any, kwargs: Any) -> Any:
        value = self.value
        branches = self.providers
        if isinstance(value, str) and value in branches:
            return branches[value](*args, **kwargs)
        return self.chosen()(*args, **kwargs)

    def chosen(self) -> providers.Provider[Any]:
        """Return the branch that the configuration names.

        Raises:
            NotConfigured: The key is not set.
            UnknownChoice: The value of the key names no branch.
        """
        key, value = self.key, self.value
        whole, path = library.whole_configuration_of(self.selector), self._path
        if value is None:
            searched = getattr(whole, "searched", ())
            raise NotConfigured(self.noun, key, searched, self.find_unused())
        if not self.is_chosen:
            known = isinstance(whole, Values) and path
            origin = whole.origin(path[0]) if known else None
            raise UnknownChoice(key, value, self.noun, origin, sorted(self.providers))
        return self.providers[value]

    @property
    def key(self) -> str:
        return name_key(self._path) or "its selector"

    @property
    def _path(self) -> tuple[str, ...]:
        return library.path_of(self.selector)

    @property
    def ping(self) -> Any:
        """The ping of the chosen branch, or None."""
        branch = self._get_branch()
        return branch.ping if branch is not None else None

    @property
    def critical(self) -> bool:
        """Whether the service is not ready while the chosen branch fails."""
        branch = self._get_branch()
        return branch is None or branch.critical

    @property
    def initialized(self) -> bool:
        """Whether the chosen branch is open."""
        return bool(getattr(self._get_branch(), "initialized", False))

    def _get_branch(self) -> Late[Any] | None:
        branch = self.providers.get(self.value) if self.is_chosen else None
        return branch if isinstance(branch, Late) else None

    @property
    def is_chosen(self) -> bool:
        """Whether the key names a branch."""
        # A list, because the value may be unhashable.
        return self.value in list(self.providers)

    def find_unused(self) -> list[str]:
        """Find keys of the same prefix that have no effect because nothing is chosen.

        Returns:
            Each key with its origin. Empty if the key of the choice is set.
        """
        values = self._values()
        if self.value is not None or not isinstance(values, Values):
            return []
        prefix = self._path[-1].partition("_")[0] + "_"
        found = [key for key in values if key.startswith(prefix) and key != self.key]
        return [f"{key} ({values.origin(key)})" for key in sorted(found)]

    @property
    def noun(self) -> str:
        return (self._path or (self.key,))[-1].partition("_")[0].lower()

    @property
    def value(self) -> Any:
        return self.selector() if self.selector else None

    def _values(self) -> Any:
        return library.configuration_of(self.selector)


def active_dependencies(
    provider: providers.Provider[Any],
) -> Iterator[providers.Provider[Any]]:
    """Yield the direct dependencies of ``provider``: for a selector, the chosen branch.

    An overridden provider depends on its override.
    """
    if provider.last_overriding is not None:
        yield provider.last_overriding
    elif isinstance(provider, Choice):
        if provider.is_chosen:
            yield provider.providers[provider.value]
    elif isinstance(provider, providers.Selector):
        unchosen = _find_unchosen(provider)
        yield from (needed for needed in provider.related if needed not in unchosen)
    else:
        yield from provider.related


def _find_unchosen(selector: providers.Selector[Any]) -> list[providers.Provider[Any]]:
    """Return the branches that the key of a library's selector does not choose.

    A selector that chooses by a function is not called: the function is code of the
    service.
    """
    option, choices = selector.selector, selector.providers
    if not isinstance(option, providers.ConfigurationOption):
        return []
    if type(selector) is not providers.Selector:  # it may choose in another way
        return []
    value = option()
    # A list, because the value may be unhashable.
    chosen = choices[value] if value in list(choices) else None
    return [branch for branch in choices.values() if branch is not chosen]


def is_configured(provider: providers.Provider[Any]) -> bool:
    """Whether all keys that ``provider`` and its dependencies require are set.

    An override needs no keys of the provider that it overrides.
    """
    seen = {provider}
    waiting = [provider]
    for found in waiting:
        if not _is_set(found):
            return False
        for needed in active_dependencies(found):
            if needed not in seen:
                seen.add(needed)
                waiting.append(needed)
    return True


def _is_set(provider: providers.Provider[Any]) -> bool:
    if provider.last_overriding is not None:
        return True
    if isinstance(provider, Settings):
        return provider.required_key is None or provider.is_set()
    return not isinstance(provider, Choice) or provider.value is not None
