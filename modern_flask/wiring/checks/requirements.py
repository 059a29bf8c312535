"""Find missing requirements of injections: keys, components, choices, dependencies."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from dependency_injector import providers

from ...config.values import name_key
from ...errors import (
    ConfigurationError,
    NotConfigured,
    UnknownChoice,
    find_nearest,
    join_names,
    set_key,
)
from .. import library
from ..callables import get_function, get_signature
from ..edges import key_of, origin_of
from ..errors import WiringFault
from ..markers import resolve_annotation
from ..providers import drop_own_keywords
from ..settings import Choice, Settings
from ..targets import find_injected, get_called
from .checked_app import CheckedApp, Injection, Use
from .opening import find_lack
from .types import get_provided, is_plain

__all__ = [
    "InjectedUnconfigured",
    "MissingKey",
    "NotOverridden",
    "Undefined",
    "WrongDependency",
    "WrongValue",
    "check_requirements",
    "describe_use",
]

_SHOWN = 3  # functions that an error names; it only counts the others
_ABSTRACT = (
    providers.AbstractCallable,
    providers.AbstractCoroutine,
    providers.AbstractFactory,
    providers.AbstractSingleton,
)
_CONVERSIONS = (int, float)


class MissingKey(WiringFault):
    """A key is not set, but an injected object can't be made without it.

    Args:
        optional: How to write the parameter if the key is optional; empty if it is
            already written so, but for the default.
    """

    def __init__(
        self,
        key: str,
        functions: Sequence[str],
        path: Sequence[str],
        searched: Sequence[str],
        known: Iterable[str],
        optional: str = "",
    ) -> None:
        self.key, self.functions, self.path = key, tuple(functions), tuple(path)
        self.searched, self.nearest = tuple(searched), find_nearest(key, known)
        super().__init__(
            f"{key} is not set, but an injected object requires it.",
            *_describe_functions(functions, path),
            ("looked in", join_names(self.searched, "and")),
            ("did you mean", join_names(self.nearest, "or")),
            ("fix", set_key(key) + (optional and f"; for an optional key, {optional}")),
        )


class InjectedUnconfigured(WiringFault, NotConfigured):
    """An injected object depends on a component that is not configured."""

    def __init__(
        self, lack: NotConfigured, functions: Sequence[str], path: Sequence[str]
    ) -> None:
        unused = lack.unused
        NotConfigured.__init__(self, lack.component, lack.key, lack.searched, unused)
        self.functions, self.path = tuple(functions), tuple(path)
        self.lines[:0] = [
            line for line in _describe_functions(functions, path) if line[1]
        ]


class Undefined(WiringFault):
    """A ``Dependency`` has neither a provider nor a default."""

    def __init__(
        self, name: str, functions: Sequence[str], path: Sequence[str]
    ) -> None:
        self.name, self.functions, self.path = name, tuple(functions), tuple(path)
        super().__init__(
            f"{name} is a Dependency without a provider.",
            *_describe_functions(functions, path),
            ("fix", f"give the container one: Container({name}=...)"),
        )


class NotOverridden(WiringFault):
    """An abstract provider is injected, but nothing overrides it."""

    def __init__(
        self, name: str, kind: str, functions: Sequence[str], path: Sequence[str]
    ) -> None:
        self.name, self.functions, self.path = name, tuple(functions), tuple(path)
        super().__init__(
            f"{name} is an {kind}, and nothing overrides it.",
            *_describe_functions(functions, path),
            ("fix", f"override it: Container({name}=...)"),
        )


class WrongDependency(WiringFault):
    """A ``Dependency(instance_of=...)`` has a provider of another type."""

    def __init__(
        self,
        name: str,
        wanted: str,
        given: str,
        functions: Sequence[str],
        path: Sequence[str],
    ) -> None:
        self.name, self.wanted, self.given = name, wanted, given
        self.functions, self.path = tuple(functions), tuple(path)
        super().__init__(
            f"{name} must be an instance of {wanted}, but its provider gives {given}.",
            *_describe_functions(functions, path),
            ("fix", f"give the container a {wanted}, or correct instance_of"),
        )


class WrongValue(WiringFault, ConfigurationError):
    """A key is read as a number, but its value is not a number."""

    def __init__(
        self, key: str, kind: str, origin: object, functions: Sequence[str]
    ) -> None:
        self.key, self.kind, self.origin = key, kind, origin
        self.functions = tuple(functions)
        article = "an" if kind == "int" else "a"
        super().__init__(
            f"{key} is read as {article} {kind}, but its value can't be converted.",
            *_describe_functions(functions, ()),
            ("set in", origin or ""),
            ("fix", f"set {key} to a number"),
        )


def _describe_functions(
    functions: Sequence[str], path: Sequence[str]
) -> list[tuple[str, str]]:
    """Make the lines that name the affected functions and the path of the first one."""
    shown, more = list(functions[:_SHOWN]), len(functions) - _SHOWN
    if more > 0:
        shown.append(f"{more} more")
    return [
        ("in", join_names(shown, "and")),
        ("path", " -> ".join(path) if len(path) > 1 else ""),
    ]


def describe_use(use: Use) -> list[tuple[str, str]]:
    """Make the lines of an error that name the affected functions."""
    return _describe_functions(use.titles, ())


def check_requirements(checked: CheckedApp) -> Iterator[Exception]:
    """Report each missing requirement once, with all functions that need it."""
    merged: dict[Any, Use] = {}
    for use in checked.uses:
        if not any(True for _ in _check(use, checked)):
            continue
        known = merged.setdefault(use.provider, Use(use.provider, use.path, []))
        known.injections.extend(
            each for each in use.injections if each not in known.injections
        )
    for use in merged.values():
        yield from _check(use, checked)


def _check(use: Use, checked: CheckedApp) -> Iterator[Exception]:
    provider, path = use.provider, checked.name_path(use.path)
    if isinstance(provider, providers.Dependency):
        yield from _check_dependency(provider, use, checked)
    elif provider.last_overriding is not None:
        return
    elif isinstance(provider, Settings | Choice):
        try:
            provider.chosen() if isinstance(provider, Choice) else provider.check()
            lack = find_lack(use.path[-2]) if len(use.path) > 1 else None
            if lack is not None and isinstance(provider, Settings):
                yield InjectedUnconfigured(lack, use.titles, path)
        except NotConfigured as lack:
            yield InjectedUnconfigured(lack, use.titles, path)
        except ConfigurationError as fault:
            yield fault
    elif isinstance(provider, providers.Selector):
        yield from _check_selector(provider)
    elif isinstance(provider, _ABSTRACT):
        name, kind = checked.graph.name(provider), type(provider).__name__
        yield NotOverridden(name, kind, use.titles, path)
    elif library.option_of(provider) is not None:
        yield from _check_option(provider, use, checked)


def _check_dependency(
    provider: Any, use: Use, checked: CheckedApp
) -> Iterator[WiringFault]:
    name, path = checked.graph.name(provider), checked.name_path(use.path)
    if not provider.is_defined:
        yield Undefined(name, use.titles, path)
        return
    source = provider.last_overriding or provider.default
    wanted = provider.instance_of
    if source is None or not isinstance(wanted, type):
        return
    try:
        given = get_provided(source)
        fits = given is None or not given.is_exact or issubclass(given.kind, wanted)
    except Exception:  # a class may refuse to be compared
        return
    if given is not None and not fits:
        names = wanted.__name__, given.kind.__name__
        yield WrongDependency(name, *names, use.titles, path)


def _check_selector(selector: providers.Selector[Any]) -> Iterator[ConfigurationError]:
    """Report a selector of the library whose key names no branch."""
    option = selector.selector
    if not isinstance(option, providers.ConfigurationOption):
        return
    key, value, choices = key_of(option), option(), list(selector.providers)
    if value is not None and value not in choices:
        noun = key.partition("_")[0].lower()
        yield UnknownChoice(
            key, value, noun, origin_of(option), sorted(map(str, choices))
        )


def _check_option(
    provider: Any, use: Use, checked: CheckedApp
) -> Iterator[WiringFault]:
    option = library.option_of(provider)
    whole, key = library.configuration_of(option), key_of(option)
    if _is_set(option, whole):
        converts = provider is not option and provider.provides in _CONVERSIONS
        # A default stands for None, too.
        if converts and (option() is not None or _needs_value(provider, use, checked)):
            yield from _check_conversion(provider.provides, key, option, use)
    elif _needs_value(provider, use, checked):
        searched = getattr(library.whole_configuration_of(option), "searched", ())
        path = checked.name_path(use.path)
        optional = next(filter(None, map(_write_optional, use.injections)), "")
        around = library.path_of(option)[: -len(option.get_name_segments())]
        known = [name_key([*around, str(name)]) for name in whole or ()]
        yield MissingKey(key, use.titles, path, searched, known, optional)


def _write_optional(injection: Injection) -> str:
    """Write the parameter with a default of its own, if its default is the marker."""
    plain = injection.parameter and library.option_of(injection.provider) is not None
    if not plain or hasattr(injection.annotation, "__metadata__"):
        return ""
    kind = getattr(injection.annotation, "__name__", "TYPE")
    marker = f'Provide["config.{key_of(injection.provider)}"]'
    return f"write `{injection.parameter}: Annotated[{kind}, {marker}] = DEFAULT`"


def _is_set(option: Any, values: Any) -> bool:
    for segment in option.get_name_segments():
        name = segment() if isinstance(segment, providers.Provider) else segment
        if not isinstance(values, Mapping) or name not in values:
            return False
        values = values[name]
    return True


def _check_conversion(
    kind: type, key: str, option: Any, use: Use
) -> Iterator[WrongValue]:
    try:
        kind(option())
    except (TypeError, ValueError):
        yield WrongValue(key, kind.__name__, origin_of(option), use.titles)


def _needs_value(provider: Any, use: Use, checked: CheckedApp) -> bool:
    """Whether an object that uses an option fails, or is wrong, without the key.

    For a key that is not set, the library returns None. A parameter may accept None,
    unless its annotation is a plain class.
    """
    if library.is_required(provider):
        return True
    typed = isinstance(provider, providers.TypedConfigurationOption)
    converts = typed and provider.provides in _CONVERSIONS
    if len(use.path) == 1:
        return any(
            _expects_object(injection.annotation, injection.default, converts)
            for injection in use.injections
        )
    user = use.path[-2]
    if isinstance(user, providers.Selector):
        return converts or user.selector is provider
    for name, found in checked.graph.target_injections(user).items():
        if found is provider:
            target = checked.graph.target(user)
            injected = find_injected(target.function) if target is not None else None
            return injected is not None and _expects_object(
                injected.annotations[name], injected.defaults[name], converts
            )
    return converts or (not typed and _parameter_expects_object(user, provider))


def _expects_object(annotation: Any, default: Any, converts: bool = False) -> bool:
    """Whether a parameter can't do without a value.

    Args:
        annotation: Its annotation.
        default: Its default, which stands for a key that is not set.
        converts: Whether the value is converted: None can't be.
    """
    if default is not inspect.Parameter.empty:
        return False
    if hasattr(annotation, "__metadata__"):
        annotation = annotation.__origin__
    return converts or (is_plain(annotation) and annotation is not type(None))


def _parameter_expects_object(user: Any, option: Any) -> bool:
    """Whether the parameter that ``option`` fills in a target expects a value."""
    called = get_called(user)
    signature = get_signature(called) if called is not None else None
    if signature is None:
        return False
    named = drop_own_keywords(user)
    try:
        filled = signature.bind_partial(*user.args, **named).arguments
    except TypeError:  # the rule for arguments reports this
        return False
    function = get_function(called)
    for name, value in filled.items():
        parameter = signature.parameters[name]
        if value is option:
            annotation, _ = resolve_annotation(parameter, function, {})
            return _expects_object(annotation, parameter.default)
    return False
