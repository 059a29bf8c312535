"""Sections of the configuration, choices, and which providers are configured."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeVar

from dependency_injector import providers
from dependency_injector.containers import DynamicContainer

from ..config.values import Section, Values
from ..errors import NotConfigured, UnknownChoice
from . import library
from .providers import Late

__all__ = [
    "Choice",
    "Settings",
    "active_dependencies",
    "find_configurations",
    "get_defaults",
    "get_loaded",
    "is_configured",
    "section",
]

T = TypeVar("T")
_CONFIG = providers.Configuration.DEFAULT_NAME


class Settings(providers.Callable[Section]):
    """A section of the configuration, as keywords for a component."""

    @property
    def prefix(self) -> str:
        return str(self._parts[1])

    @property
    def required_key(self) -> str | None:
        """The key that configures the component; None if it works without a key."""
        return self.prefix + self._parts[2] if self._parts[2] else None

    def is_set(self) -> bool:
        return any(key.startswith(self.prefix) for key in self._parts[0]() or ())

    def check(self) -> None:
        """Raise NotConfigured if a key is required and no key is set."""
        if self.required_key and not self.is_set():
            self()

    @property
    def _parts(self) -> tuple[Any, ...]:
        return self.args


def section(config: Any, prefix: str, required: str | None = None) -> Settings:
    """Return a provider of all keys of ``config`` that begin with ``prefix``.

    The keys lose the prefix and become lower case.

    Args:
        config: The container's configuration.
        prefix: The prefix, such as ``REDIS_``.
        required: The key that an error names if no key of the prefix is set, such as
            ``URL``. If None, the component also works with its defaults alone.
    """
    return Settings(_read_section, config, prefix, required)


def _read_section(
    values: Mapping[str, Any] | None, prefix: str, required: str | None
) -> Section:
    found = (values if isinstance(values, Values) else Values(values)).section(prefix)
    if required and not found:
        raise NotConfigured(
            prefix.partition("_")[0].lower(), prefix + required, found.searched
        )
    return found


class Choice(providers.Selector[T]):
    """A selector whose errors name the key and its possible values.

    Args:
        selector: The key of the configuration that names the branch.
        observed_by: As in :class:`Opened`, for every branch.
        ping: As in :class:`Opened`, for every branch.
        branches: The providers, by the value that chooses them.
    """

    def __init__(
        self,
        selector: Any = None,
        *,
        observed_by: Any = None,
        ping: Any = None,
        **branches: providers.Provider[T],
    ) -> None:
        given = {"observed_by": observed_by, "ping": ping}
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
        values = self._values()
        if value is None:
            searched = getattr(values, "searched", ())
            raise NotConfigured(self.noun, key, searched, self.find_unused())
        if not self.is_chosen:
            origin = values.origin(key) if isinstance(values, Values) else None
            raise UnknownChoice(key, value, self.noun, origin, sorted(self.providers))
        return self.providers[value]

    @property
    def key(self) -> str:
        selector: Any = self.selector
        if isinstance(selector, providers.TypedConfigurationOption):
            selector = selector.option
        if not isinstance(selector, providers.ConfigurationOption):
            return "its selector"
        return str(selector.get_name()).rpartition(".")[2]

    @property
    def ping(self) -> Any:
        """The ping of the chosen branch, or None."""
        branch = self.providers.get(self.value) if self.is_chosen else None
        return branch.ping if isinstance(branch, Late) else None

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
        prefix = self.key.partition("_")[0] + "_"
        found = [key for key in values if key.startswith(prefix) and key != self.key]
        return [f"{key} ({values.origin(key)})" for key in sorted(found)]

    @property
    def noun(self) -> str:
        return self.key.partition("_")[0].lower()

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
