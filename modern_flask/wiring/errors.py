"""Faults of the wiring: markers, scopes and what opens and closes."""

from collections.abc import Iterable

from ..errors import Fault, find_nearest, join_names

__all__ = [
    "AlreadyAService",
    "CheckFailed",
    "ClosingMarker",
    "MisplacedInject",
    "NoApp",
    "NoScope",
    "NotAService",
    "PostponedAnnotations",
    "ScopeClosed",
    "UnknownProvider",
    "WiringFault",
]


class WiringFault(Fault):
    """The graph, or a function's markers, can't work."""


class NoApp(WiringFault):
    """A marker is resolved where there is no current app."""

    def __init__(self, asker: str) -> None:
        self.asker = asker
        super().__init__(
            f"{asker} asks for its dependencies, and no app is current.",
            ("do", "call it inside `with app.app_context():`"),
        )


class NotAService(WiringFault):
    """The current app was never given a container."""

    def __init__(self, app: str) -> None:
        self.app = app
        super().__init__(
            f"The Flask app {app} has no container.",
            ("do", "modern_flask.init_app(app), or make it with create_app(...)"),
        )


class AlreadyAService(WiringFault):
    """``init_app`` is called on an app that has a container."""

    def __init__(self, app: str) -> None:
        self.app = app
        super().__init__(
            f"The Flask app {app} has a container already.",
            ("do", "call init_app once; to replace what it provides, override it"),
        )


class NoScope(WiringFault):
    """A request's object is asked for outside of any request, task or app context."""

    def __init__(self, provider: str) -> None:
        self.provider = provider
        super().__init__(
            f"{provider} lives as long as a request or a task, and there is none here.",
            ("do", "use it inside `with app.app_context():`"),
        )


class ScopeClosed(WiringFault):
    """A request's object is asked for while that request is being closed."""

    def __init__(self, provider: str) -> None:
        self.provider = provider
        super().__init__(
            f"{provider} is asked for after its request or task was closed.",
            ("do", "in a streamed body, wrap the generator in stream_with_context"),
        )


class UnknownProvider(WiringFault):
    """A marker names what this app's container does not provide."""

    def __init__(
        self, asker: str, place: str, wanted: str, names: Iterable[str], container: str
    ) -> None:
        self.asker, self.place, self.wanted = asker, place, wanted
        self.container, self.nearest = container, find_nearest(wanted, names)
        super().__init__(
            f'{asker} asks for "{wanted}", which {container} does not provide.',
            ("in", place),
            ("did you mean", join_names(self.nearest, "or")),
        )


class PostponedAnnotations(WiringFault):
    """A module's annotations are text, so its markers can't be read."""

    def __init__(self, function: str, place: str) -> None:
        self.function, self.place = function, place
        super().__init__(
            f"{function} is decorated with @inject, and its annotations are text.",
            ("in", place),
            ("do", "remove `from __future__ import annotations` from that module"),
        )


class MisplacedInject(WiringFault):
    """``@inject`` stands over what it can't fill."""

    def __init__(self, function: str, place: str, why: str, remedy: str) -> None:
        self.function, self.place, self.why = function, place, why
        super().__init__(
            f"@inject can't fill {function}: {why}.", ("in", place), ("do", remedy)
        )


class ClosingMarker(WiringFault):
    """``Closing[...]`` would close what other requests are using."""

    def __init__(self, function: str, place: str) -> None:
        self.function, self.place = function, place
        super().__init__(
            f"{function} asks for Closing[...], which closes an object that is shared.",
            ("in", place),
            ("do", "declare the provider as Scoped and ask for Provide[...]"),
        )


class CheckFailed(WiringFault):
    """Every fault that keeps the service from starting, in one error."""

    def __init__(self, faults: Iterable[Exception]) -> None:
        self.faults = tuple(faults)
        number = len(self.faults)
        super().__init__(f"{number} fault{'s' * (number != 1)} found at start.")

    def __str__(self) -> str:
        return "\n\n".join([self.what, *map(str, self.faults)])
