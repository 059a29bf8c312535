"""Apps that a test has made are closed after it: they hold logging and telemetry."""

import weakref
from collections.abc import Iterator
from typing import Any

import modern_flask.app
from modern_flask.wiring import Bound


def closing_apps(monkeypatch: Any) -> Iterator[None]:
    """Close every app that is bound until the end of the test."""
    bind = modern_flask.app.bind
    made: list[weakref.ref[Bound]] = []

    def noted(*words: Any) -> Bound:
        bound = bind(*words)
        made.append(weakref.ref(bound))
        return bound

    monkeypatch.setattr(modern_flask.app, "bind", noted)
    yield
    for found in made:
        bound = found()
        if bound is not None:
            bound.lifecycle.close()
