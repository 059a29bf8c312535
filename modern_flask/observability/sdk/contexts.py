"""The context variable of OpenTelemetry, and the keys of a context."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextvars import ContextVar
from functools import partial
from typing import Any

from opentelemetry import context as _context
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.instrumentation.utils import suppress_instrumentation

__all__ = [
    "SPAN_KEY",
    "attach",
    "detach",
    "get_current",
    "is_suppressed",
    "suppress_in_thread",
    "suppress_spans",
]


(SPAN_KEY,) = trace.set_span_in_context(trace.INVALID_SPAN, Context())
"""The key of the current span in a context.

``set_span_in_context`` copies the whole context for this one value. With the key, a
request makes its context with a single copy, and reads the caller's span with two calls
less.
"""

# `attach` and `detach` make four calls around this variable, and each request needs
# them at least four times. There is no public name for the variable.
_runtime = getattr(_context, "_RUNTIME_CONTEXT", None)
_variable = getattr(_runtime, "_current_context", None)
attach: Callable[[Context], Any] = _context.attach
"""``opentelemetry.context.attach``, without the calls around its context variable."""
detach: Callable[[Any], None] = _context.detach
"""``opentelemetry.context.detach``, without the calls around its context variable."""
get_current: Callable[[], Context] = _context.get_current
"""``opentelemetry.context.get_current``, without the calls around its variable."""
if isinstance(_variable, ContextVar):
    attach, detach, get_current = _variable.set, _variable.reset, _variable.get


def _find_suppression() -> Mapping[str, Any]:
    """Return what ``suppress_instrumentation`` adds to a context."""
    token = _context.attach(Context())
    try:
        with suppress_instrumentation():
            return dict(_context.get_current())
    finally:
        _context.detach(token)


_SUPPRESSION = _find_suppression()

is_suppressed: Callable[[], object] = partial(
    _context.get_value, next(iter(_SUPPRESSION))
)
"""Whether the current context suppresses spans.

``opentelemetry.instrumentation.utils`` has a public function, but it reads two keys.
This function runs for every SQL statement and every Redis command.
"""


def suppress_spans(parent: Context | None = None) -> Context:
    """Make a context in which no instrumentation makes a span.

    The public ``suppress_instrumentation`` is a context manager that attaches the
    context at once, but a request attaches its context several times.

    Args:
        parent: The context to derive from; the current one by default.
    """
    return Context({**(get_current() if parent is None else parent), **_SUPPRESSION})


def suppress_in_thread() -> None:
    """Suppress spans in this thread until it ends."""
    _context.attach(suppress_spans())
