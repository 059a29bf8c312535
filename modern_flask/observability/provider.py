"""The tracer provider that a process has from ``create_app`` on.

OpenTelemetry's API has one provider in a process, and whoever sets the first one wins.
The kit offers its own, which makes no spans until somebody receives them: a back end of
the configuration, or a processor that the service or a library adds. A provider that
was there before, or that other code sets before the first request, is used instead.
"""

from __future__ import annotations

import atexit
import logging
import os
import weakref
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider

from ..config.masking import redact
from ..failures import describe
from ..waiting import BackgroundCall, Deadline, DeadlinePassed
from .errors import BadLimit
from .resource import make_resource
from .sdk import offer_provider, renew_provider, set_enabled
from .variables import check_limits, is_disabled

__all__ = [
    "FLUSH_DEADLINE",
    "KitProvider",
    "find_foreign_provider",
    "flush_provider",
    "set_provider",
    "shut_down_processors",
]

FLUSH_DEADLINE = 3.0  # seconds for all processors together, as for the kit's uploader

logger = logging.getLogger(__name__)


class KitProvider(TracerProvider):
    """The process's provider. Its tracers are disabled until somebody receives spans.

    Attributes:
        added: The processors that the service or a library has added.
        idle: Whether nobody receives spans.
    """

    def __init__(self, resource: Resource) -> None:
        super().__init__(resource=resource, shutdown_on_exit=False)
        self.added: tuple[SpanProcessor, ...] = ()
        self.idle = True
        self._abandoned: set[SpanProcessor] = set()
        self._waiting: list[weakref.WeakMethod[Callable[[], None]]] = []
        set_enabled(self, False)

    def add_span_processor(self, span_processor: SpanProcessor) -> None:
        """Add a processor of the service; it is flushed and shut down at the end."""
        super().add_span_processor(span_processor)
        self.added += (span_processor,)
        self._enable()
        waiting, self._waiting = self._waiting, []
        for method in waiting:
            if (call := method()) is not None:
                call()

    def add_back_ends(self, processor: SpanProcessor, resource: Resource) -> None:
        """Add the processor of the kit's own back ends, which the kit closes itself.

        Args:
            processor: The processor.
            resource: The resource of the first service that has a back end.
        """
        if self.idle:
            renew_provider(self, resource)
        super().add_span_processor(processor)
        self._enable()

    def when_added(self, call: Callable[[], None]) -> None:
        """Call a bound method when somebody adds the first processor, if ever."""
        self._waiting.append(weakref.WeakMethod(call))

    def _enable(self) -> None:
        if not self.idle:
            return
        self.idle = False
        set_enabled(self, True)
        if trace.get_tracer_provider() is self:
            # From now on another provider would lose the spans of this one.
            trace.set_tracer_provider(self)

    def flush_added(self, seconds: float = FLUSH_DEADLINE) -> None:
        """Flush the added processors, all at once, within ``seconds``."""
        for late in _call_all(self.added, "force_flush", seconds, int(seconds * 1000)):
            self._abandoned.add(late)

    def shut_down_added(self, seconds: float = FLUSH_DEADLINE) -> None:
        """Shut the added processors down, all at once, within ``seconds``.

        A processor that did not keep the deadline of a flush is left alone.
        """
        added, self.added = self.added, ()
        _call_all([p for p in added if p not in self._abandoned], "shutdown", seconds)


def set_provider(service: str) -> None:
    """Offer the kit's provider, unless the process has a provider.

    Args:
        service: The service's name if no variable sets one.
    """
    if is_disabled(os.environ):
        return
    if not isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
        return
    try:
        check_limits(os.environ, {})
    except BadLimit:
        # The SDK would raise. The start reports it where there is a back end.
        return
    provider = KitProvider(make_resource(service, os.environ))
    offer_provider(provider)
    atexit.register(provider.shut_down_added)


def find_foreign_provider() -> Any:
    """Return the process's provider if somebody else has set one that makes spans."""
    provider = trace.get_tracer_provider()
    none = (trace.ProxyTracerProvider, trace.NoOpTracerProvider, KitProvider)
    return None if isinstance(provider, none) else provider


def flush_provider(seconds: float = FLUSH_DEADLINE) -> None:
    """Flush what others have added to the provider, within ``seconds``.

    A child process of Celery's pool ends without any other chance.
    """
    provider = trace.get_tracer_provider()
    if isinstance(provider, KitProvider):
        provider.flush_added(seconds)
    elif hasattr(provider, "force_flush"):
        _call_all([provider], "force_flush", seconds, int(seconds * 1000))


def shut_down_processors() -> None:
    """Shut down the processors that were added to the kit's provider."""
    provider = trace.get_tracer_provider()
    if isinstance(provider, KitProvider):
        provider.shut_down_added()


def _call_all(
    objects: Iterable[Any], method: str, seconds: float, *args: Any
) -> list[Any]:
    """Call a method of each object, all at once; return those that were too late."""
    deadline = Deadline(seconds)
    calls = [
        (each, BackgroundCall(partial(getattr(each, method), *args), "spans"))
        for each in objects
    ]
    # While the interpreter ends, the calls run one after the other.
    least = seconds / max(2 * len(calls), 1)
    late = []
    for each, call in calls:
        name = type(each).__qualname__
        try:
            done = call.result(max(deadline.left(), least))
        except DeadlinePassed:
            late.append(each)
            logger.warning(
                "%s of %s took longer than %g s and was abandoned: spans may be lost.",
                method,
                name,
                seconds,
            )
        except Exception as error:
            logger.warning(
                "%s of %s failed: %s.", method, name, redact(describe(error))
            )
        else:
            if done is False:
                logger.warning("%s of %s left spans unsent.", method, name)
    return late
