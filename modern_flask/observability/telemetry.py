"""One observer for each component: it adds the component's spans and metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .tracing import Tracing, instrument

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
        if self.tracing.on:
            from .instruments.sql import trace_statements

            trace_statements(engine)

    def redis(self, client: Redis) -> None:
        """Measure the client's pool, and the lookups of ``cached`` functions.

        Each command is measured and gets a span.
        """
        if self.metrics is not None:
            from .metrics.pools import measure_redis

            measure_redis(client)
            cached: Any = client
            cached.observe_lookup = self.metrics.count_lookup
        if self.metrics is not None or self.tracing.on:
            from .instruments.redis import observe_commands

            observe_commands(
                client, traced=self.tracing.on, measured=self.metrics is not None
            )

    def storage(self, storage: Any) -> None:
        """Measure the operations of a storage, and make a span for each of them."""
        if self.metrics is not None:
            from .instruments.storage import measure_storage

            measure_storage(storage)
        if self.tracing.on:
            from .instruments.storage import trace_storage

            trace_storage(storage)

    def celery(self, app: Any) -> None:
        """Measure the tasks that workers of ``app`` run, and the depth of the queues.

        Each task gets a span in the sending process and in the running one.
        """
        if self.metrics is not None:
            from .instruments.tasks import measure_tasks
            from .metrics.queues import measure_queues

            measure_tasks(app)
            measure_queues(app)
        if self.tracing.on:
            instrument("celery")
