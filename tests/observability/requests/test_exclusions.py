"""Which requests telemetry leaves out."""

from flask import Flask, request

from modern_flask.observability.requests.environ_keys import UNCOUNTED, UNTRACED
from modern_flask.observability.requests.exclusions import ignore_metrics, ignore_traces


def view() -> str:
    """Say hello."""
    return "hello"


def test_marked_views_stay_what_they_are() -> None:
    """A marked view keeps its name, its docstring and its response."""
    marked = ignore_metrics(ignore_traces(view))

    with Flask("shop").test_request_context():
        assert marked() == "hello"
        assert request.environ[UNCOUNTED]
    assert (marked.__name__, marked.__doc__) == ("view", "Say hello.")
    assert getattr(marked, UNTRACED)
