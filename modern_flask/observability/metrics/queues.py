"""Messages that wait in Celery's queues, asked of the broker when metrics are read.

Whichever process is scraped asks, if it has Celery open: the worker's parent by
``METRICS_PORT``, and the web process by ``/metrics``, for when no worker is left the
number is wanted most and there is nobody else to tell it. Only a scrape asks, so one
that never comes costs nothing. All processes tell the same number: take the maximum,
not the sum.
"""

from __future__ import annotations

import logging
import threading
import weakref
from collections.abc import ItemsView, Iterator, Mapping
from itertools import islice
from time import monotonic
from typing import Any

from opentelemetry import context
from opentelemetry.context import _SUPPRESS_INSTRUMENTATION_KEY
from prometheus_client import REGISTRY
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from . import multiprocess

__all__ = ["measure_queues"]

DEADLINE = 1.0  # seconds that a scrape waits; Prometheus gives it 10
KEPT = 5.0  # seconds for which an answer, or none, is good
MOST = 100  # queues: a label is bounded
_WAITS = {
    "amqp": ("read_timeout", "write_timeout"),
    "redis": ("socket_timeout", "socket_connect_timeout"),
}
"""The options that bound a broker's waits, by the kind of the transport."""

logger = logging.getLogger(__name__)
_asked: weakref.WeakKeyDictionary[Any, _Queues] = weakref.WeakKeyDictionary()


def measure_queues(app: Any) -> None:
    """Tell how many messages wait in the queues of ``app`` whenever somebody asks."""
    _asked[app] = _Queues(app)


class _Queues:
    """What the broker said last of one app's queues."""

    def __init__(self, app: Any) -> None:
        self._app = weakref.ref(app)
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._begun = float("-inf")
        self._depths: dict[str, int] = {}
        self._told = False

    def depths(self) -> dict[str, int]:
        """Queue -> messages; nothing while the broker does not say, or not in time."""
        with self._lock:
            thread, now = self._thread, monotonic()
            alive = thread is not None and thread.is_alive()
            # One that is stuck is enough; without an answer there is no number.
            if not alive and now - self._begun >= KEPT:
                self._begun, self._depths = now, {}
                thread = threading.Thread(target=self._ask, name="queues", daemon=True)
                try:
                    thread.start()
                except RuntimeError:
                    # The interpreter ends, or the system has no thread left.
                    return {}
                self._thread = thread
            left = self._begun + DEADLINE - now
        if thread is not None:
            thread.join(max(0.0, left))
        return self._depths

    def _ask(self) -> None:
        context.attach(context.set_value(_SUPPRESS_INSTRUMENTATION_KEY, True))
        app = self._app()
        if app is None or not _is_open(app):
            return
        try:
            found = ask_broker(app, DEADLINE)
        except Exception as error:
            # Its text may quote the broker's URL.
            kind = type(error).__name__
            say = logger.debug if self._told else logger.warning
            say("How many messages wait in Celery's queues is not known: %s.", kind)
            self._told = True
        else:
            self._depths, self._told = found, False


def ask_broker(app: Any, timeout: float) -> dict[str, int]:
    """Queue -> messages that wait, by a connection of its own, as a ping has it.

    Args:
        app: A Celery app.
        timeout: Seconds for each wait, with RabbitMQ and Redis.

    Raises:
        Exception: Whatever the transport has when the broker does not answer.
    """
    connection = app.connection_for_read()
    connection.connect_timeout = timeout
    waits = _WAITS.get(connection.get_transport_cls().driver_type, ())
    given = connection.transport_options or {}
    connection.transport_options = {**given, **dict.fromkeys(waits, timeout)}
    with connection:
        more = max(len(connection.alt), 1) - 1
        connection.ensure_connection(max_retries=more, interval_start=0)
        return {name: depth(connection, name) for name in queues_of(app)}


def depth(connection: Any, queue: str) -> int:
    """How many messages wait in ``queue``; none where it is not there."""
    with connection.channel() as channel:
        try:
            return int(channel.queue_declare(queue=queue, passive=True).message_count)
        except connection.channel_errors as error:
            # Not declared yet; and in Redis an empty list is none.
            if str(getattr(error, "reply_code", "")) == "404":
                return 0
            raise


def queues_of(app: Any) -> list[str]:
    """Those that the process consumes from, and those that tasks are routed to.

    Not those that a call named by itself: they may be as many as there are calls.
    """
    names = [*app.amqp.queues.consume_from, *_routed(app.conf.task_routes)]
    return list(islice(dict.fromkeys(names), MOST))


def _routed(routes: Any) -> Iterator[str]:
    """The queues that ``task_routes`` names; not those that a function may choose."""
    for table in routes if isinstance(routes, list | tuple) else [routes]:
        pairs = table.items() if isinstance(table, Mapping) else table
        if not isinstance(pairs, list | tuple | ItemsView):
            # A function, or the path of one.
            continue
        for _, route in pairs:
            name = route.get("queue") if isinstance(route, Mapping) else route
            if name := getattr(name, "name", name):
                yield str(name)


def _is_open(app: Any) -> bool:
    """Whether ``app`` was not closed: what is closed may live on for a while."""
    from celery._state import _get_active_apps

    return app in _get_active_apps()


class _Depths(Collector):
    def describe(self) -> Iterator[GaugeMetricFamily]:
        yield from ()

    def collect(self) -> Iterator[GaugeMetricFamily]:
        found: dict[str, int] = {}
        for queues in list(_asked.values()):
            for name, number in queues.depths().items():
                # Two apps with one queue, which may be one queue or two.
                found[name] = max(number, found.get(name, 0))
        if found:
            family = GaugeMetricFamily(
                "celery_queue_messages",
                "Messages that wait in the queue. Every process tells the same.",
                labels=("queue",),
            )
            for name, number in found.items():
                family.add_metric((name,), number)
            yield family


_depths = _Depths()
REGISTRY.register(_depths)
multiprocess.outside.append(_depths)
