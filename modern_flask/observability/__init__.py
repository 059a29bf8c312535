"""Traces, metrics and logs of a service. Each module can be used alone."""
