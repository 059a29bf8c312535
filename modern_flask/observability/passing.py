"""Passes a caller's trace on where this service makes no spans itself.

The headers that came in go out unchanged with calls by ``requests`` and with tasks, so
the services on both sides have one trace. Nothing is installed before the first request
with such headers, and a call without them costs one look into the context.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from functools import cache, lru_cache, wraps
from typing import Any, NamedTuple

from opentelemetry import baggage, propagate, trace
from opentelemetry.context import Context, create_key

from .instrumentors import is_instrumented
from .sdk import attach, detach, get_current, is_suppressed

__all__ = ["add_headers", "list_header_names", "pass_in_tasks", "pass_on"]

_PASSED = create_key("modern_flask.passed")
_TOKEN = "_modern_flask_token"
# Headers of B3 that OpenTelemetry's propagator does not name.
_MORE_OF_B3 = frozenset({"b3", "x-b3-parentspanid"})


class _Passed(NamedTuple):
    """What came in: the headers as they were, and the context that they mean."""

    headers: Mapping[str, str]
    context: Context


def list_header_names() -> frozenset[str]:
    """List the headers of the global propagator, in lower case."""
    return _list_names(propagate.get_global_textmap())


@lru_cache(maxsize=1)
def _list_names(propagator: Any) -> frozenset[str]:
    names = frozenset(name.lower() for name in propagator.fields)
    return names | _MORE_OF_B3 if "x-b3-traceid" in names or "b3" in names else names


def pass_on(parent: Context, headers: Mapping[str, str]) -> Context:
    """Make a context in which outgoing calls carry the caller's headers.

    Args:
        parent: The caller's context, read from ``headers``.
        headers: The headers by their names in lower case.
    """
    _pass_in_requests()
    return Context({**parent, _PASSED: _Passed(headers, parent)})


def add_headers(carrier: MutableMapping[str, Any]) -> None:
    """Add the headers to pass on to ``carrier``, unless it has one of them."""
    current = get_current()
    passed = current.get(_PASSED)
    if not isinstance(passed, _Passed) or is_suppressed():
        return
    headers: Mapping[str, str] = passed.headers
    if _describe(current) != _describe(passed.context):
        # The service continues another trace, or has changed the baggage.
        headers = {}
        propagate.inject(headers, current)
    if not any(name in carrier for name in headers):
        carrier.update(headers)


def _describe(context: Context) -> Any:
    span = trace.get_current_span(context).get_span_context()
    return span, dict(baggage.get_all(context))


@cache
def _pass_in_requests() -> None:
    """Add the headers to calls by ``requests``, from now on, in the whole process."""
    from requests import Session

    send = Session.send

    @wraps(send)
    def send_with_headers(self: Session, request: Any, **options: Any) -> Any:
        # OpenTelemetry's instrumentor injects them itself.
        if _PASSED in get_current() and not is_instrumented("requests"):
            add_headers(request.headers)
        return send(self, request, **options)

    Session.send = send_with_headers  # type: ignore[method-assign]


@cache
def pass_in_tasks() -> None:
    """Pass the headers on in the messages of tasks, and within the tasks.

    This is for the whole process, and lasts until OpenTelemetry's own instrumentor of
    Celery is active.
    """
    from celery import signals

    signals.before_task_publish.connect(_send, weak=False)
    signals.task_prerun.connect(_enter, weak=False)
    signals.task_postrun.connect(_leave, weak=False)


def _send(headers: Any = None, **_: Any) -> None:
    if headers is not None and not is_instrumented("celery"):
        add_headers(headers)


def _enter(task: Any = None, **_: Any) -> None:
    if task is None or is_instrumented("celery"):
        return
    # Celery puts the headers of a message among the attributes of the request.
    sent = vars(task.request)
    found = {name: sent[name] for name in list_header_names() & sent.keys()}
    headers = {name: value for name, value in found.items() if isinstance(value, str)}
    if headers:
        # An empty context: a task does not continue what its thread did before.
        context = pass_on(propagate.extract(headers, Context()), headers)
        sent[_TOKEN] = attach(context)


def _leave(task: Any = None, **_: Any) -> None:
    token = vars(task.request).pop(_TOKEN, None) if task is not None else None
    if token is not None:
        detach(token)
