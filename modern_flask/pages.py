"""The kit's pages: ``/metrics``, ``/livez`` and ``/readyz``."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from importlib import import_module
from typing import Any

from flask import Flask, Response, request

from .health import Health, Ping
from .wiring import Bound, Choice, Opened, is_configured

__all__ = ["add_pages", "pings_of"]


def add_pages(app: Flask, bound: Bound) -> None:
    """Add the kit's pages: metrics, liveness and readiness."""
    health = Health()

    def metrics() -> Response:
        body, kind = bound.container.metrics().write(request.headers.get("Accept", ""))
        return Response(body, content_type=kind)

    def livez() -> dict[str, str]:
        return {"status": "ok"}

    def readyz() -> Any:
        return _make_readiness(health.check(pings_of(bound.container)))

    for view in (metrics, livez, readyz):
        name = view.__name__
        app.add_url_rule(f"/{name}", f"modern_flask.{name}", view)


def _make_readiness(found: Mapping[str, str | None]) -> Any:
    from .problems import problem

    checks = {name: trouble or "ok" for name, trouble in found.items()}
    failing = sorted(name for name, trouble in found.items() if trouble)
    if not failing:
        return {"status": "ok", "checks": checks}
    return problem(503, f"Not ready: {', '.join(failing)}.", checks=checks)


def pings_of(container: Any) -> dict[str, Ping]:
    """Return the ping of each configured component that declares one."""
    found: dict[str, Ping] = {}
    for name, provider in container.providers.items():
        if isinstance(provider, Opened | Choice) and is_configured(provider):
            ping = provider.ping
            if ping is not None:
                found[name] = partial(_ping, ping, provider)
    return found


def _ping(ping: Any, provider: Any, timeout: float) -> None:
    if isinstance(ping, str):
        module, _, name = ping.rpartition(".")
        ping = getattr(import_module(module), name)
    ping(provider(), timeout)
