"""Errors that a call raises: faults of markers, scopes and apps.

Faults that only a check reports are defined in ``checks``, beside their rules.
"""

from collections.abc import Iterable

from ..errors import Fault, find_nearest, join_names

__all__ = [
    "FIX_APP_CONTEXT",
    "AlreadyBound",
    "CheckFailed",
    "ClosingMarker",
    "MisplacedInject",
    "NoApp",
    "NoScope",
    "NotAContainer",
    "NotBound",
    "ScopeClosed",
    "UnknownProvider",
    "WiringFault",
]

FIX_APP_CONTEXT = "call it inside `with app.app_context():`"


class WiringFault(Fault):
    """The container or the markers of a function have a mistake."""


class NoApp(WiringFault):
    """An injected function is called without a current app."""

    def __init__(self, function: str) -> None:
        self.function = function
        super().__init__(
            f"{function} is injected, and there is no current app to inject from.",
            ("fix", FIX_APP_CONTEXT),
        )


class NotBound(WiringFault):
    """The current app has no container."""

    def __init__(self, app: str) -> None:
        self.app = app
        super().__init__(
            f"The Flask app {app} has no container.",
            ("fix", "modern_flask.init_app(app), or make it with create_app(...)"),
        )


class AlreadyBound(WiringFault):
    """``init_app`` is called on an app that has a container."""

    def __init__(self, app: str) -> None:
        self.app = app
        super().__init__(
            f"The Flask app {app} already has a container.",
            ("fix", "call init_app once; to replace its providers, override them"),
        )


class NotAContainer(WiringFault):
    """``create_app`` or ``init_app`` gets something that can't be its container.

    Args:
        given: The object or its class, as the error names it.
        why: What is wrong with it.
        remedy: What to pass instead.
    """

    def __init__(self, given: str, why: str, remedy: str) -> None:
        self.given, self.why = given, why
        super().__init__(
            f"{given} can't be the container of an app: {why}.", ("fix", remedy)
        )


class NoScope(WiringFault):
    """A request's object is used outside of any request, task or app context."""

    def __init__(self, provider: str) -> None:
        self.provider = provider
        super().__init__(
            f"{provider} lives as long as a request or a task, and there is none here.",
            ("fix", FIX_APP_CONTEXT),
        )


class ScopeClosed(WiringFault):
    """A request's object is used after the objects of that request were closed."""

    def __init__(self, provider: str) -> None:
        self.provider = provider
        super().__init__(
            f"{provider} is used after its request or task ended.",
            ("fix", "in a streamed body, wrap the generator in stream_with_context"),
        )


class UnknownProvider(WiringFault):
    """A marker names a provider that the app's container does not have."""

    def __init__(
        self,
        function: str,
        place: str,
        wanted: str,
        names: Iterable[str],
        container: str,
    ) -> None:
        self.function, self.place, self.wanted = function, place, wanted
        self.container, self.nearest = container, find_nearest(wanted, names)
        super().__init__(
            f'{function} asks for "{wanted}", which {container} does not provide.',
            ("in", place),
            ("did you mean", join_names(self.nearest, "or")),
        )


class MisplacedInject(WiringFault):
    """``@inject`` decorates something that it can't inject into."""

    def __init__(self, function: str, place: str, why: str, fix: str) -> None:
        self.function, self.place, self.why = function, place, why
        super().__init__(
            f"@inject can't inject into {function}: {why}.", ("in", place), ("fix", fix)
        )


class ClosingMarker(WiringFault):
    """``Closing[...]`` would close an object that other requests are using."""

    def __init__(self, function: str, place: str) -> None:
        self.function, self.place = function, place
        super().__init__(
            f"{function} uses Closing[...], which would close a shared object.",
            ("in", place),
            ("fix", "declare the provider as Scoped, and use Provide[...]"),
        )


class CheckFailed(WiringFault):
    """Every fault that keeps the service from starting, in one error."""

    def __init__(self, faults: Iterable[Exception]) -> None:
        self.faults = tuple(faults)
        number = len(self.faults)
        super().__init__(f"{number} fault{'s' * (number != 1)} found at start.")

    def __str__(self) -> str:
        return "\n\n".join([self.what, *map(str, self.faults)])
