"""What the exception of an opener or a closer says, without its secrets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from traceback import walk_tb

from dependency_injector import providers

from ...config.known_secrets import KnownSecrets
from ...errors import ConfigurationError
from ...places import find_service_place
from ..errors import WiringFault
from ..graph import Graph

__all__ = ["Failure", "NotClosed", "NotOpened", "make_failure"]


@dataclass(frozen=True)
class Failure:
    """What an exception says, without secrets. The exception itself is not kept.

    Attributes:
        kind: The class of the exception.
        reason: Its text, on one line.
        place: The innermost line of the service's code that ran, or of a library.
        details: The traceback.
    """

    kind: str
    reason: str = ""
    place: str = ""
    details: str = ""

    def __str__(self) -> str:
        return f"{self.kind}: {self.reason.rstrip('.')}" if self.reason else self.kind


class NotOpened(ConfigurationError):
    """A component raised an error on opening, mostly for a value of a wrong type.

    Args:
        component: The provider's name.
        failure: The error of the component.
        given: The keys that are set for the component, with their origins if known.
    """

    def __init__(
        self, component: str, failure: Failure, given: Mapping[str, object]
    ) -> None:
        self.component, self.failure, self.given = component, failure, dict(given)
        self.details = failure.details
        keys = [
            f"{origin} ({key})" if origin else key for key, origin in self.given.items()
        ]
        labels = ["set in", *[""] * len(keys)]
        super().__init__(
            f"{component} can't be opened: {failure}.",
            ("in", failure.place),
            *zip(labels, keys, strict=False),
            ("fix", "correct the values of these keys" if keys else ""),
        )


class NotClosed(WiringFault):
    """A component raised an error when it was closed."""

    def __init__(self, failure: Failure) -> None:
        self.failure, self.details = failure, failure.details
        super().__init__(
            f"A component can't be closed: {failure}.", ("in", failure.place)
        )


def make_failure(error: BaseException, graph: Graph, package: str = "") -> Failure:
    """Describe an exception without the secrets in the configurations of a graph."""
    configurations = [
        provider()
        for provider in graph.all_providers()
        if isinstance(provider, providers.Configuration)
    ]
    secrets = KnownSecrets(dict(enumerate(configurations)))
    place = find_service_place(error.__traceback__, package)
    return Failure(
        type(error).__name__,
        secrets.explain(error),
        place or _locate_raise(error),
        secrets.format_traceback(error),
    )


def _locate_raise(error: BaseException) -> str:
    """Return the module and the line that raised the error."""
    frames = list(walk_tb(error.__traceback__))
    if not frames:
        return ""
    frame, line = frames[-1]
    return f"{frame.f_globals.get('__name__', '?')}, line {line}"
