"""Sends metrics and logs over OTLP, if OpenTelemetry's variables choose that.

``OTEL_METRICS_EXPORTER`` and ``OTEL_LOGS_EXPORTER`` are off by default here: metrics
are scraped, and lines are read from stderr. The exporters are the SDK's own; the kit
bounds how long they may take at the end.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from typing import Any

import requests

from ...waiting import BackgroundCall, DeadlinePassed
from ..metrics.http_client import UnmeasuredAdapter
from ..resource import make_resource
from .uploader import CLOSE_DEADLINE

__all__ = ["OtlpExports", "open_otlp"]

_METRICS, _LOGS = "OTEL_METRICS_EXPORTER", "OTEL_LOGS_EXPORTER"
_PACKAGE = "opentelemetry.exporter"

logger = logging.getLogger(__name__)


class OtlpExports:
    """What is sent over OTLP besides spans, from :meth:`start` on.

    Args:
        service: The service's name if no variable sets one.
        metrics: Whether metrics are sent.
        logs: Whether lines are sent.
    """

    def __init__(self, service: str, metrics: bool, logs: bool) -> None:
        self.service, self.metrics, self.logs = service, metrics, logs
        self._started = False
        self._stack = ExitStack()

    def start(self) -> None:
        """Begin to send; a second call does nothing.

        It is a step of its own, because the check opens this component, and the check
        connects to nothing.
        """
        if self._started:
            return
        self._started = True
        if not (self.metrics or self.logs):
            return
        try:
            self._start()
        except ImportError as error:
            if not (error.name or "").startswith(_PACKAGE):
                raise
            self.metrics = self.logs = False
            logger.warning(
                "Metrics and logs are not sent over OTLP, because the exporter is not "
                "installed: pip install 'modern-flask[otlp]'."
            )

    def _start(self) -> None:
        resource, stack = make_resource(self.service, os.environ), self._stack
        if self.metrics:
            from .otlp_metrics import make_provider

            meters = make_provider(resource, _make_session(stack))
            stack.callback(_close, "metrics", meters.shutdown)
        if self.logs:
            from . import otlp_logs

            if otlp_logs.has_handler():
                self.logs = False
                logger.info("Lines are left to the handler that sends them already.")
                return
            lines = otlp_logs.make_provider(resource, _make_session(stack))
            stack.callback(_close, "lines", lines.shutdown)
            stack.enter_context(otlp_logs.send_lines(lines))

    def close(self) -> None:
        """Send what is left, within a deadline."""
        self._stack.close()


def open_otlp(service: str) -> Iterator[OtlpExports]:
    """Read from the environment whether metrics and logs are sent over OTLP.

    A value that is not known here has no effect, because it may be meant for another
    program: a cluster may set these variables for all of its pods. It is logged.

    Args:
        service: The service's name if no variable sets one.

    Yields:
        What is sent, once it is started.
    """
    metrics, logs = (_is_chosen(name, os.environ) for name in (_METRICS, _LOGS))
    exports = OtlpExports(service, metrics, logs)
    try:
        yield exports
    finally:
        exports.close()


def _make_session(stack: ExitStack) -> requests.Session:
    session = stack.enter_context(requests.Session())
    # The service's proxies and .netrc are meant for its own requests, and the metrics
    # of outgoing requests are those of the service.
    session.trust_env = False
    session.mount("https://", UnmeasuredAdapter())
    session.mount("http://", UnmeasuredAdapter())
    return session


def _close(what: str, shutdown: Callable[[], None]) -> None:
    """Send what is left, within the deadline; a back end that is down has no more."""
    try:
        BackgroundCall(shutdown, "otlp shutdown").result(CLOSE_DEADLINE)
    except DeadlinePassed:
        logger.warning(
            "Some %s are lost: the collector did not accept them within %g s.",
            what,
            CLOSE_DEADLINE,
        )


def _is_chosen(variable: str, environ: Mapping[str, str]) -> bool:
    if environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return False
    names = [part.strip() for part in environ.get(variable, "").lower().split(",")]
    others: list[Any] = [name for name in names if name not in ("", "none", "otlp")]
    if others and "otlp_proto_http" not in others:
        logger.warning(
            "%s has %s, which has no effect here: use otlp.", variable, others[0]
        )
    return "otlp" in names or "otlp_proto_http" in names
