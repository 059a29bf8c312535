"""Opens tracing: which back ends get the spans, and who else makes or receives them."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from opentelemetry import trace

from ..errors import join_names
from .export.destination import Destination, choose_destinations
from .export.fanout import Fanout
from .instrumentors import instrument, list_foreign
from .propagation import set_propagators
from .provider import (
    KitProvider,
    find_foreign_provider,
    flush_provider,
    set_provider,
)
from .resource import make_resource
from .sdk import list_processors
from .variables import check_limits, is_disabled, list_without_effect

__all__ = ["Tracing", "open_tracing"]

logger = logging.getLogger(__name__)


class Tracing:
    """The destinations of a service's spans, and the provider that makes them.

    Args:
        destinations: The kit's own back ends; none for a service without them.
        provider: The process's provider: somebody else's, or the kit's, to which
            somebody may add a processor. None for no spans.
    """

    def __init__(
        self, destinations: Sequence[Destination] = (), provider: Any = None
    ) -> None:
        self.destinations, self.provider = tuple(destinations), provider
        self._waiting: list[Callable[[], object]] = []
        if isinstance(provider, KitProvider) and not self.on:
            provider.when_added(self._start_waiting)

    @property
    def on(self) -> bool:
        """Whether somebody receives the spans of this service."""
        if isinstance(self.provider, KitProvider):
            return bool(self.destinations or self.provider.added)
        return bool(self.destinations) or self.provider is not None

    def when_on(self, call: Callable[[], object]) -> None:
        """Call a function now, or as soon as somebody receives spans."""
        if self.on:
            call()
        elif self.provider is not None:
            self._waiting.append(call)

    def _start_waiting(self) -> None:
        waiting, self._waiting = self._waiting, []
        for call in waiting:
            call()

    def __str__(self) -> str:
        """One line for the log of the start: who sends and who makes the spans."""
        names = join_names([str(each) for each in self.destinations])
        sent = f"Traces are sent to {names}."
        if not self.on:
            return (
                "Traces are not sent: set OTEL_EXPORTER to zipkin, jaeger or otlp, and "
                "the variable of its endpoint."
            )
        if isinstance(self.provider, KitProvider | None):
            added = (
                "Traces are given to the processors that were added to the provider."
            )
            parts = [sent if names else added]
        else:
            kind = type(self.provider).__name__
            parts = [f"Other code has set up OpenTelemetry: its {kind} gets all spans."]
            parts += [sent] if names else ["The kit sends none itself."]
        if left := list_foreign():
            parts.append(f"Left to OpenTelemetry's instrumentors: {join_names(left)}.")
        return " ".join(parts)


def open_tracing(settings: Mapping[str, Any], service: str) -> Iterator[Tracing]:
    """Send spans to the back ends that the environment names, until shutdown.

    At this time, the ``OTEL_`` keys of the configuration are in the environment. The
    environment, the provider and the resource belong to the process. So all apps of a
    process have the same tracing, with the name of the first app. An app stays untraced
    if it starts before any app has a back end. Both cases are logged.

    Args:
        settings: The ``OTEL_`` section; it has the origin of each key. The values come
            from the environment, where a variable wins over a key.
        service: The service's name if no variable sets one.

    Yields:
        The destinations of the spans.

    Raises:
        UnknownChoice: ``OTEL_EXPORTER`` names no exporter.
        BadEndpoint, BadLimit, UnreadableFile: The value of a variable is wrong, so no
            span could be sent.
    """
    destinations = choose_destinations(os.environ, settings)
    set_propagators()
    if destinations:
        check_limits(os.environ, settings)
    set_provider(service)
    foreign = find_foreign_provider()
    if foreign is None:
        _warn_of_variables()
    else:
        destinations = _leave_to_others(destinations, foreign)
    joined = _join(destinations, service)
    tracing = Tracing(joined, _find_provider())
    tracing.when_on(lambda: instrument("requests"))
    try:
        yield tracing
    finally:
        # While the interpreter clears its modules, no thread runs: no wait would end.
        if not sys.is_finalizing():
            for destination in joined:
                _share_fanout(service).leave(destination)
            if tracing.on:
                flush_provider()


def _find_provider() -> Any:
    provider = trace.get_tracer_provider()
    none = (trace.ProxyTracerProvider, trace.NoOpTracerProvider)
    return None if isinstance(provider, none) or is_disabled(os.environ) else provider


def _join(destinations: Sequence[Destination], service: str) -> list[Destination]:
    if not hasattr(trace.get_tracer_provider(), "add_span_processor"):
        destinations = []
    if not destinations:
        _untraced.add(service)
        return []
    _warn_of_other_apps(service)
    fanout = _share_fanout(service)
    return [destination for destination in destinations if fanout.join(destination)]


def _leave_to_others(
    destinations: Sequence[Destination], provider: Any
) -> list[Destination]:
    """Drop the back ends to which the exporters of ``provider`` send already.

    Standard variables configure both sides, so each span would be sent twice. Only
    ``OTEL_EXPORTER`` asks for the kit's back end, and it counts unless the provider has
    an exporter of the same kind.
    """
    found = list_processors(provider)
    others = [each for each in found or () if not isinstance(each, Fanout)]
    if found is not None and not others:
        return list(destinations)
    if not os.environ.get("OTEL_EXPORTER"):
        return []
    served = {_find_encoding(getattr(each, "span_exporter", None)) for each in others}
    return [each for each in destinations if each.encoding not in served]


def _find_encoding(exporter: Any) -> str:
    kind = type(exporter)
    for part, encoding in (
        ("opentelemetry.exporter.otlp", "otlp"),
        ("opentelemetry.exporter.zipkin", "zipkin"),
        ("opentelemetry.exporter.jaeger", "thrift"),
    ):
        if kind.__module__.startswith(part):
            return encoding
    return "console" if kind.__name__ == "ConsoleSpanExporter" else ""


_shared: Fanout | None = None

# Services of this process that have started without a back end.
_untraced: set[str] = set()
# Services for which the warnings below have been logged.
_warned: set[str] = set()
_warned_of_variables = False


def _warn_of_variables() -> None:
    """Name the variables without effect, in one line and once in a process."""
    global _warned_of_variables
    names = list_without_effect(os.environ)
    if names and not _warned_of_variables:
        _warned_of_variables = True
        logger.warning("These variables have no effect here: %s.", ", ".join(names))


def _warn_of_other_apps(service: str) -> None:
    """Warn once for each app whose tracing differs from its configuration."""
    if service in _warned:
        return
    _warned.add(service)
    for other in sorted(_untraced - {service}):
        logger.warning(
            "%s started in this process before there was a back end: its requests stay "
            "untraced, but its calls by `requests` are traced with those of %s.",
            other,
            service,
        )
    provider: Any = trace.get_tracer_provider()
    if isinstance(provider, KitProvider) and provider.idle:
        return
    resource = getattr(provider, "resource", None)
    if resource is not None:
        shared = resource.attributes.get("service.name")
        own = make_resource(service, os.environ).attributes["service.name"]
        if shared != own:
            logger.warning(
                "Spans of %s are sent as those of %s: a process has one resource.",
                own,
                shared,
            )


def _share_fanout(service: str) -> Fanout:
    """Return the process's fanout: OpenTelemetry's provider can be set only once."""
    global _shared
    if _shared is None:
        _shared = Fanout()
        provider: Any = trace.get_tracer_provider()
        if isinstance(provider, KitProvider):
            provider.add_back_ends(_shared, make_resource(service, os.environ))
        else:
            provider.add_span_processor(_shared)
    return _shared
