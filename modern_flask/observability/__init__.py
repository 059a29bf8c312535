"""Traces, metrics and logs of a service. Each module can be used alone.

``telemetry`` observes components, ``tracing`` opens the tracer provider. ``requests``
has the middleware, ``export`` sends spans, ``metrics`` counts, ``logs`` writes lines,
and ``instruments`` has the spans and metrics of one component in each module.
"""
