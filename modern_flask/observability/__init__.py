"""Traces, metrics and logs of a service. Each module can be used alone.

``telemetry`` observes components, and ``tracing`` opens the tracer provider.
``requests`` has the middleware, ``export`` sends spans, ``metrics`` counts, and
``logs`` writes log lines. Each module of ``instruments`` observes one component.
"""
