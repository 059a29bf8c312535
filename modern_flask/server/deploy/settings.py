"""The settings of a service that its manifests must agree with."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from ...config.values import Values
from ...health import Rhythm
from ..worker.limits import read_limits

__all__ = ["HOST", "METRICS_PATH", "PodSettings", "is_loopback", "read_settings"]

HOST = "KUBERNETES_SERVICE_HOST"
"""The variable that the kubelet sets in every container."""

METRICS_PATH = "/metrics"


@dataclass(frozen=True)
class PodSettings:
    """What the configuration says about a pod.

    Args:
        liveness: The path of the liveness page; None if there is no such page.
        readiness: The same for the readiness page.
        startup: The same for the page of the start.
        metrics: The same for the metrics on the port of the app.
        metrics_port: A port for the metrics alone.
        metrics_address: The address where that port listens.
        has_token: Whether a scraper must send a token.
        health_timeout: Seconds for a round of checks.
        shutdown_delay: Seconds that a worker serves on after SIGTERM, in a pod.
        task_time_limit: Seconds after which Celery ends a task, if it does.
        requeues: Whether a task that is cut off returns to its queue.
    """

    liveness: str | None
    readiness: str | None
    startup: str | None
    metrics: str | None
    metrics_port: int | None
    metrics_address: str
    has_token: bool
    health_timeout: float
    shutdown_delay: float
    task_time_limit: float | None
    requeues: bool

    @property
    def open_port(self) -> int | None:
        """The port for the metrics alone, if something outside the pod reaches it."""
        return None if is_loopback(self.metrics_address) else self.metrics_port


def is_loopback(host: str) -> bool:
    """Whether only processes of the same pod reach a host."""
    return host.startswith("127.") or host in ("localhost", "::1")


def read_settings(values: Values) -> PodSettings:
    """Read the settings.

    Raises:
        UnknownSetting, BadLimit: A key with the prefix ``SERVER_`` is wrong.
    """
    limits = read_limits(values.section("SERVER_"), {HOST: "10.0.0.1"})
    port = _read_number(values.get("METRICS_PORT"))
    return PodSettings(
        liveness=_read_path(values, "HEALTH_LIVENESS_PATH", "/livez"),
        readiness=_read_path(values, "HEALTH_READINESS_PATH", "/readyz"),
        startup=_read_path(values, "HEALTH_STARTUP_PATH", "/startupz"),
        metrics=_read_path(values, "METRICS_PATH", METRICS_PATH),
        metrics_port=int(port) if port else None,
        metrics_address=str(values.get("METRICS_ADDRESS", "0.0.0.0")),
        has_token=values.get("METRICS_TOKEN") is not None,
        health_timeout=_read_number(values.get("HEALTH_TIMEOUT")) or Rhythm().timeout,
        shutdown_delay=limits.shutdown_delay,
        task_time_limit=_read_number(_find_celery(values, "task_time_limit")),
        requeues=bool(_find_celery(values, "task_acks_late")),
    )


def _read_path(values: Mapping[str, Any], key: str, default: str) -> str | None:
    return values.get(key, default) or None


def _read_number(value: Any) -> float | None:
    with suppress(TypeError, ValueError):
        if not isinstance(value, bool) and 0 < float(value) < float("inf"):
            return float(value)
    return None


def _find_celery(values: Values, name: str) -> Any:
    return values.section("CELERY_").get(name)
