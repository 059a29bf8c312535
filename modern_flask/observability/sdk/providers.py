"""The switch, the processors and the settings of a tracer provider."""

from __future__ import annotations

from typing import Any, NamedTuple

from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider

__all__ = [
    "is_enabled",
    "is_instrumented_app",
    "list_processors",
    "offer_provider",
    "renew_provider",
    "set_enabled",
]


def is_enabled(tracer: Any) -> bool:
    """Whether the SDK's tracer configurator lets ``tracer`` make spans.

    The specification has ``Enabled``; the API for Python does not have it yet.
    """
    config = getattr(tracer, "_tracer_config", None)
    return config is None or config.is_enabled


def is_instrumented_app(app: Any) -> bool:
    """Whether OpenTelemetry's ``FlaskInstrumentor`` makes the spans of ``app``.

    The instrumentor has a public property for all apps, and none for a single one.
    """
    return getattr(app, "_is_instrumented_by_opentelemetry", False) is True


def list_processors(provider: Any) -> list[Any] | None:
    """Return the span processors of ``provider``; None if they can't be read.

    The SDK has a public method to add one, and none to list them.
    """
    active = getattr(provider, "_active_span_processor", None)
    found = getattr(active, "_span_processors", None)
    return None if found is None else list(found)


def offer_provider(provider: TracerProvider) -> None:
    """Make ``provider`` the global one until other code sets its own.

    ``set_tracer_provider`` works once: a provider that the service sets later would be
    ignored.
    """
    if hasattr(trace, "_TRACER_PROVIDER") and hasattr(trace, "_set_tracer_provider"):
        trace._TRACER_PROVIDER = provider
    else:
        trace.set_tracer_provider(provider)


def set_enabled(provider: Any, enabled: bool) -> None:
    """Enable or disable all tracers of ``provider``.

    A disabled tracer makes no span, and keeps the caller's span as the current one.
    Where a release has no such switch, spans are made for nobody.
    """
    chosen = _Switch(enabled)
    change = getattr(provider, "_set_tracer_configurator", None)
    if change is not None:
        change(tracer_configurator=lambda scope: chosen)


class _Switch(NamedTuple):
    """Whether a tracer makes spans, as the SDK's own ``_TracerConfig``."""

    is_enabled: bool


def renew_provider(provider: Any, resource: Resource) -> None:
    """Give ``provider`` the sampler and the limits of the environment, and a resource.

    They may have been set after the provider was made. There are no public setters.
    """
    made: Any = TracerProvider(resource=resource, shutdown_on_exit=False)
    shared = {"sampler": "sampler", "_span_limits": "_span_limits"}
    shared["_resource"] = "resource"
    tracers = list(getattr(provider, "_tracers", {}).values())
    for name, of_tracer in shared.items():
        if hasattr(provider, name) and hasattr(made, name):
            setattr(provider, name, getattr(made, name))
            for tracer in tracers:
                setattr(tracer, of_tracer, getattr(made, name))
