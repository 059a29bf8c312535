"""What of a container is configured: sections, choices and what they decide."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from dependency_injector import providers

from ..config.values import Section, Values
from ..errors import NotConfigured, UnknownChoice
from . import library

__all__ = ["Choice", "Settings", "active_dependencies", "is_configured", "section"]


class Settings(providers.Callable[Section]):
    """A section of the configuration, as keywords for a component."""

    @property
    def prefix(self) -> str:
        return str(self._parts[1])

    @property
    def needs(self) -> str | None:
        """The key that configures the component; None where it works without any."""
        return self.prefix + self._parts[2] if self._parts[2] else None

    def is_set(self) -> bool:
        return any(key.startswith(self.prefix) for key in self._parts[0]() or ())

    def check(self) -> None:
        """Raise NotConfigured where no key is set and one is needed."""
        if self.needs and not self.is_set():
            self()

    @property
    def _parts(self) -> tuple[Any, ...]:
        return self.args


def section(config: Any, prefix: str, needs: str | None = None) -> Settings:
    """The keys of ``config`` that begin with ``prefix``, lower-cased, without it.

    Args:
        config: The container's configuration.
        prefix: Such as ``REDIS_``.
        needs: The key to name when no key of the prefix is set, such as ``URL``.
        Without
            it the component works on its defaults.
    """
    return Settings(_take, config, prefix, needs)


def _take(values: Mapping[str, Any] | None, prefix: str, needs: str | None) -> Section:
    found = (values if isinstance(values, Values) else Values(values)).section(prefix)
    if needs and not found:
        raise NotConfigured(
            prefix.partition("_")[0].lower(), prefix + needs, found.searched
        )
    return found


class Choice(providers.Selector[Any]):
    """A selector that tells which key is wrong, and what may stand there."""

    def _provide(self, args: Any, kwargs: Any) -> Any:
        value = self.value
        branches = self.providers
        if isinstance(value, str) and value in branches:
            return branches[value](*args, **kwargs)
        return self.chosen()(*args, **kwargs)

    def chosen(self) -> providers.Provider[Any]:
        """The branch that the configuration names.

        Raises:
            NotConfigured: The key is not set.
            UnknownChoice: It names no branch.
        """
        key, value = self.key, self.value
        values = self._values()
        if value is None:
            searched = getattr(values, "searched", ())
            raise NotConfigured(self.noun, key, searched, self.idle())
        # A list, for a value that has no hash is wrong as well.
        if value not in list(self.providers):
            origin = values.origin(key) if isinstance(values, Values) else None
            raise UnknownChoice(key, value, self.noun, origin, sorted(self.providers))
        return self.providers[value]

    @property
    def key(self) -> str:
        selector: Any = self.selector
        name = getattr(selector, "get_name", None)
        return str(name()).rpartition(".")[2] if name is not None else "its selector"

    def idle(self) -> list[str]:
        """Keys of the same prefix that are set while no branch is chosen, and where."""
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
    """What ``provider`` depends on directly: of a selector, the branch that is chosen.

    An overridden provider depends on what overrides it.
    """
    if provider.last_overriding is not None:
        yield provider.last_overriding
    elif isinstance(provider, Choice):
        if provider.value in list(provider.providers):
            yield provider.providers[provider.value]
    elif isinstance(provider, providers.Selector):
        unchosen = _unchosen(provider)
        yield from (needed for needed in provider.related if needed not in unchosen)
    else:
        yield from provider.related


def _unchosen(selector: providers.Selector[Any]) -> list[providers.Provider[Any]]:
    """The branches of the library's selector that a key of the configuration rejects.

    What else may choose is not called: who knows what it does.
    """
    option, choices = selector.selector, selector.providers
    if not isinstance(option, providers.ConfigurationOption):
        return []
    value = option()
    # A list, for a value that has no hash is wrong as well.
    chosen = choices[value] if value in list(choices) else None
    return [branch for branch in choices.values() if branch is not chosen]


def is_configured(provider: providers.Provider[Any]) -> bool:
    """Whether every key is set that ``provider`` and what it stands on needs.

    An overridden provider is what overrides it.
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
        return provider.needs is None or provider.is_set()
    return not isinstance(provider, Choice) or provider.value is not None
