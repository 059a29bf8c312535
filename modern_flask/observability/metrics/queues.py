"""Reads the number of messages in Celery's queues from the broker at each scrape.

The scraped process queries the broker if its Celery app is open. That is the worker's
parent on ``METRICS_PORT``, and the web process at ``/metrics``, because the number
matters most when no worker is left to expose it. Without a scrape there is no query.
All processes expose the same number, so use the maximum in a dashboard, not the sum.
"""

from __future__ import annotations

import logging
import threading
import weakref
from collections.abc import ItemsView, Iterator, Mapping
from itertools import islice
from time import monotonic
from typing import Any

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from ...failures import describe
from ..sdk import suppress_in_thread
from .exposition import outside
from .kit import KIT

__all__ = ["ask_broker", "measure_queues", "queues_of"]

DEADLINE = 1.0  # seconds that a scrape waits; Prometheus gives it 10
KEPT = 5.0  # seconds between two queries, whether the broker answers or not
MOST = 100  # queues, to bound the number of label values
_TIMEOUTS = {
    "amqp": ("read_timeout", "write_timeout"),
    "redis": ("socket_timeout", "socket_connect_timeout"),
}
"""The transport options that bound a broker's waits, by the kind of transport."""

logger = logging.getLogger(__name__)
_observed: weakref.WeakKeyDictionary[Any, _Queues] = weakref.WeakKeyDictionary()


def measure_queues(app: Any) -> None:
    """Expose how many messages wait in the queues of ``app``, at each scrape."""
    _observed[app] = _Queues(app)


class _Queues:
    """The queue depths of one app, from the last answer of the broker.

    This class starts its own thread. If no thread can start, a
    :class:`~modern_flask.waiting.BackgroundCall` would call the broker without a
    deadline. And in a forked child it would wait for a thread that does not exist.
    """

    def __init__(self, app: Any) -> None:
        self._app = weakref.ref(app)
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._begun = float("-inf")
        self._depths: dict[str, int] = {}
        self._warned = False

    def depths(self) -> dict[str, int]:
        """Return the messages by queue; empty if the broker does not answer in time."""
        with self._lock:
            thread, now = self._thread, monotonic()
            alive = thread is not None and thread.is_alive()
            # While one thread hangs, do not start another.
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
        suppress_in_thread()
        app = self._app()
        if app is None or not _is_open(app):
            return
        try:
            found = ask_broker(app, DEADLINE)
        except Exception as error:
            log = logger.debug if self._warned else logger.warning
            log(
                "The number of messages in Celery's queues is not known: %s.",
                # The error's text is left out, because it may quote the broker's URL.
                describe(error),
            )
            self._warned = True
        else:
            self._depths, self._warned = found, False


def ask_broker(app: Any, timeout: float) -> dict[str, int]:
    """Query the broker for the number of messages in each queue of ``app``.

    This opens a new connection, as a ping does.

    Args:
        app: A Celery app.
        timeout: Seconds for each wait, with RabbitMQ and Redis.

    Raises:
        Exception: The error of the transport if the broker does not answer.
    """
    connection = app.connection_for_read()
    connection.connect_timeout = timeout
    names = _TIMEOUTS.get(connection.get_transport_cls().driver_type, ())
    options = connection.transport_options or {}
    connection.transport_options = {**options, **dict.fromkeys(names, timeout)}
    with connection:
        more = max(len(connection.alt), 1) - 1
        connection.ensure_connection(max_retries=more, interval_start=0)
        return {name: count_messages(connection, name) for name in queues_of(app)}


def count_messages(connection: Any, queue: str) -> int:
    """Count the messages in ``queue``; 0 for a queue that does not exist."""
    with connection.channel() as channel:
        try:
            return int(channel.queue_declare(queue=queue, passive=True).message_count)
        except connection.channel_errors as error:
            # The queue is not declared yet. In Redis, an empty queue does not exist.
            if str(getattr(error, "reply_code", "")) == "404":
                return 0
            raise


def queues_of(app: Any) -> list[str]:
    """Return the queues that the process consumes, and those that tasks are routed to.

    Queues that only a call names are left out: each call may name another queue.
    """
    names = [*app.amqp.queues.consume_from, *_find_routed(app.conf.task_routes)]
    return list(islice(dict.fromkeys(names), MOST))


def _find_routed(routes: Any) -> Iterator[str]:
    """Yield the queues in ``task_routes``, without those that a function chooses."""
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
    """Whether ``app`` is open: a closed app may stay in memory for a while."""
    from celery._state import _get_active_apps

    return app in _get_active_apps()


class _Depths(Collector):
    def describe(self) -> Iterator[GaugeMetricFamily]:
        yield from ()

    def collect(self) -> Iterator[GaugeMetricFamily]:
        found: dict[str, int] = {}
        for queues in list(_observed.values()):
            for name, number in queues.depths().items():
                # Two apps may share a queue, or have queues of the same name.
                found[name] = max(number, found.get(name, 0))
        if found:
            family = GaugeMetricFamily(
                "celery_queue_messages",
                "Messages that wait in the queue; the same number in every process.",
                labels=("queue",),
            )
            for name, number in found.items():
                family.add_metric((name,), number)
            yield family


_depths = _Depths()
KIT.register(_depths)
outside.append(_depths)
