"""One observer for each component: it adds the component's spans and metrics."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from .instrumentors import instrument, is_instrumented
from .provider import shut_down_processors
from .tracing import Tracing

if TYPE_CHECKING:
    from redis import Redis
    from sqlalchemy import Engine

    from .metrics.registry import Metrics

__all__ = ["Telemetry"]


class Telemetry:
    """Observes the components of a service; each has a method with its name.

    Components are measured whether tracing is on or off. The module that observes a
    component is imported only if the service has this component.

    Args:
        tracing: Spans are made if it is on.
        metrics: The metrics of the process; None for no metrics.
    """

    def __init__(self, tracing: Tracing, metrics: Metrics | None) -> None:
        self.tracing, self.metrics = tracing, metrics

    def engine(self, engine: Engine) -> None:
        """Measure the engine's pool, and each of its statements, which gets a span."""
        if self.metrics is not None:
            from .instruments.statements import measure_statements
            from .metrics.pools import measure_engine

            measure_engine(engine)
            measure_statements(engine)
        self.tracing.when_on(partial(_trace_engine, engine))

    def redis(self, client: Redis) -> None:
        """Measure the client's pool, and the lookups of ``cached`` functions.

        Each command is measured and gets a span.
        """
        if self.metrics is not None:
            from .instruments.redis import observe_commands
            from .metrics.pools import measure_redis

            measure_redis(client)
            cached: Any = client
            cached.observe_lookup = self.metrics.count_lookup
            observe_commands(client, measured=True)
        self.tracing.when_on(partial(_trace_redis, client))

    def storage(self, storage: Any) -> None:
        """Measure the operations of a storage, and make a span for each of them."""
        if self.metrics is not None:
            from .instruments.storage import measure_storage

            measure_storage(storage)
        self.tracing.when_on(partial(_trace_storage, storage))

    def celery(self, app: Any) -> None:
        """Measure the tasks that workers of ``app`` run, and the depth of the queues.

        Each task gets a span in the sending process and in the running one.
        """
        if self.metrics is not None:
            from .instruments.tasks import measure_tasks
            from .metrics.queues import measure_queues

            measure_tasks(app)
            measure_queues(app)
        if not self.tracing.on:
            from .passing import pass_in_tasks

            pass_in_tasks()
        self.tracing.when_on(_trace_tasks)


def _trace_engine(engine: Engine) -> None:
    # The instrumentor of a driver makes a span for each statement, too.
    if not is_instrumented("sqlalchemy") and not is_instrumented(engine.dialect.driver):
        from .instruments.sql import trace_statements

        trace_statements(engine)


def _trace_redis(client: Redis) -> None:
    if not is_instrumented("redis"):
        from .instruments.redis import observe_commands

        observe_commands(client, traced=True)


def _trace_storage(storage: Any) -> None:
    from .instruments.storage import trace_storage

    trace_storage(storage)


def _trace_tasks() -> None:
    from celery.signals import worker_process_shutdown

    instrument("celery")
    # A child of the pool ends without the hooks of the interpreter's exit.
    worker_process_shutdown.connect(_end_tasks, dispatch_uid=__name__)


def _end_tasks(**_: Any) -> None:
    shut_down_processors()
