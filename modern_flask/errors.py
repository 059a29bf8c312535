"""The base classes of errors: what happened, where, and what to do.

Each package derives its errors from these classes. An error keeps its arguments as
attributes and never holds a value that may be secret. The labels of its lines are few:
``in``, ``set in``, ``looked in``, ``path``, ``did you mean`` and ``fix``.
"""

import re
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from os.path import commonprefix

__all__ = [
    "ESCAPE_PASSWORD",
    "FIX_DURATION",
    "FIX_PATH",
    "BadDuration",
    "BadPath",
    "BrokenPackage",
    "ConfigurationError",
    "Fault",
    "MissingExtra",
    "NotConfigured",
    "UnknownChoice",
    "UnknownSetting",
    "find_nearest",
    "join_names",
    "make_import_fault",
    "set_key",
]

ESCAPE_PASSWORD = "in a password, write @ as %40, : as %3A and / as %2F"
"""How to write a password in a URL (RFC 3986, section 2.1)."""

FIX_DURATION = "use a number of seconds, such as 0.5 or 2"
FIX_PATH = "use a path that begins with /, or None for no page"


class Fault(Exception):
    """A mistake that the reader of the error can correct.

    Args:
        what: One sentence that says what happened.
        lines: Pairs of a label and a text, printed below the sentence. A pair with an
            empty text is left out.
    """

    def __init__(self, what: str, *lines: tuple[str, object]) -> None:
        self.what = what
        self.lines = [(label, str(text)) for label, text in lines if text]
        super().__init__(what)

    def __str__(self) -> str:
        rows = [self.what, *(f"  {label:<7}  {text}" for label, text in self.lines)]
        return "\n".join(rows)


class ConfigurationError(Fault):
    """The configuration can't be read, or it names something that does not exist."""


class UnknownSetting(ConfigurationError):
    """The component with this prefix does not have this key.

    Args:
        key: The key with its prefix, such as ``REDIS_HOTS``.
        origin: Where the key was set, if that is known.
        known: Every key that the component has; the error shows the nearest ones.
    """

    def __init__(self, key: str, origin: object, known: Iterable[str]) -> None:
        self.key, self.origin = key, origin
        self.nearest = find_nearest(key, known)
        super().__init__(
            f"{key} is not a known setting.",
            ("set in", origin or ""),
            ("did you mean", join_names(self.nearest, "or")),
        )


class BadDuration(ConfigurationError):
    """The value of a key is not a positive number of seconds."""

    def __init__(self, key: str, value: object, origin: object = None) -> None:
        self.key, self.value, self.origin = key, value, origin
        super().__init__(
            f'{key} = "{value}" is not a positive number of seconds.',
            ("set in", origin or ""),
            ("fix", FIX_DURATION),
        )


class BadPath(ConfigurationError):
    """The value of a key is not a path for a page, or another page has that path."""

    def __init__(
        self, key: str, value: object, origin: object = None, other: str = ""
    ) -> None:
        self.key, self.value, self.origin, self.other = key, value, origin, other
        reason = f"is the path of {other} too" if other else "is not a path"
        super().__init__(
            f'{key} = "{value}" {reason}.',
            ("set in", origin or ""),
            ("fix", FIX_PATH),
        )


class UnknownChoice(ConfigurationError):
    """The value of a key is not one of the possible values."""

    def __init__(
        self, key: str, value: object, noun: str, origin: object, choices: Sequence[str]
    ) -> None:
        self.key, self.value, self.origin, self.choices = key, value, origin, choices
        super().__init__(
            f'{key} = "{value}" names no {noun}.',
            ("set in", origin or ""),
            ("fix", f"use {join_names(choices, 'or')}"),
        )


class NotConfigured(ConfigurationError):
    """A component is used, but none of its keys is set, or a required one is not.

    Args:
        component: The name of the provider, such as ``redis``.
        key: The key to set, or the prefix followed by ``*``.
        searched: The sources that were searched for the key.
        unused: The keys that are set but have no effect without it, with their origins.
    """

    def __init__(
        self,
        component: str,
        key: str,
        searched: Sequence[str] = (),
        unused: Sequence[str] = (),
    ) -> None:
        self.component, self.key, self.searched = component, key, tuple(searched)
        self.unused = tuple(unused)
        others = _describe_unused(self.unused)
        super().__init__(
            f"{component} is not configured: {key} is not set{others}.",
            ("looked in", join_names(self.searched, "and")),
            ("fix", set_key(key)),
        )


class MissingExtra(ConfigurationError):
    """A component is configured, but a package that it needs is not installed.

    Args:
        component: The name of the component.
        package: The missing package.
        extra: The extra of modern-flask that installs the package.
        key: The key that configures the component.
        origin: Where the key was set, if that is known.
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
        by_key = f" by {key}" if origin else ""
        super().__init__(
            f"{component} is configured{by_key}, but the package {package} is not "
            "installed.",
            ("set in", origin or ""),
            ("fix", f"pip install 'modern-flask[{extra}]'"),
        )


class BrokenPackage(ConfigurationError):
    """A component is configured, and its package is there but can't be imported.

    Args:
        component: The name of the component.
        package: The package.
        extra: The extra of modern-flask that installs the package, if there is one.
        reason: The text of the error, such as the name of a module that is missing.
        key: The key that configures the component.
        origin: Where the key was set, if that is known.
    """

    def __init__(
        self,
        component: str,
        package: str,
        extra: str,
        reason: str,
        key: str = "",
        origin: object = None,
    ) -> None:
        self.component, self.package, self.extra = component, package, extra
        self.reason, self.key, self.origin = reason, key, origin
        by_key = f" by {key}" if origin else ""
        what = f"'modern-flask[{extra}]'" if extra else f"the package of {package}"
        super().__init__(
            f"{component} is configured{by_key}, but the package {package} can't be "
            f"imported: {reason}.",
            ("set in", origin or ""),
            ("fix", f"pip install --force-reinstall {what}"),
        )


def make_import_fault(
    error: ImportError,
    module: str,
    component: str,
    package: str,
    extra: str,
    key: str = "",
    origin: object = None,
) -> ConfigurationError:
    """Make the error for a package whose import failed.

    Args:
        error: What the import raised.
        module: The module of the package. If that is missing, so is the package; if
            anything else is missing, the package is broken.
        component, package, extra, key, origin: See :class:`MissingExtra`.
    """
    if isinstance(error, ModuleNotFoundError) and error.name == module:
        return MissingExtra(component, package, extra, key, origin)
    reason = " ".join(str(error).split()).rstrip(".") or type(error).__name__
    return BrokenPackage(component, package, extra, reason, key, origin)


def set_key(key: str) -> str:
    """The remedy for a key that is not set. The key may be ``A["B"]``."""
    variable = "FLASK_" + re.sub(r'\["([^"]*)"\]', r"__\1", key)
    return f"set {key} in the configuration, or {variable} in the environment"


def _describe_unused(unused: Sequence[str]) -> str:
    if not unused:
        return ""
    return f", but {join_names(unused)} {'is' if len(unused) == 1 else 'are'}"


def find_nearest(name: str, known: Iterable[str], most: int = 3) -> list[str]:
    """Find the names in ``known`` that are most similar to ``name``, the best first.

    The comparison leaves out the common prefix of all names, such as ``REDIS_``, since
    it would make all of them similar.
    """
    names = sorted(known)
    # A comparison by character is meant here.
    shared = commonprefix([name, *names]) if len(names) > 1 else ""  # noqa: RUF071
    cut = shared.rfind("_") + 1
    found = get_close_matches(name[cut:], [n[cut:] for n in names], most, 0.6)
    return [name[:cut] + match for match in found]


def join_names(names: Sequence[str], word: str = "and") -> str:
    """Join ``["a", "b", "c"]`` to ``a, b and c``; no names become an empty text."""
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} {word} {names[-1]}"
