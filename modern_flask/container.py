"""The container: the objects of a service, their sources and their lifetimes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dependency_injector import containers, providers

from .wiring import Choice, ContainerInstance, Once, Opened, Scoped, section

if TYPE_CHECKING:
    from logging import Logger

    from celery import Celery
    from redis import Redis
    from sqlalchemy import Engine
    from sqlalchemy.orm import Session, sessionmaker

    from .observability.export.otlp import OtlpExports
    from .observability.metrics.registry import Metrics
    from .observability.telemetry import Telemetry
    from .observability.tracing import Tracing
    from .storage import Storage

__all__ = ["Container"]


class Container(containers.DeclarativeContainer):
    """Provides everything that the kit gives a service. Subclass it to add your own.

    A target is a dotted path that is imported at its first use, so a component that is
    not configured is never imported. ``section(config, "REDIS_", "URL")`` passes all
    keys with this prefix. If none is set, the error names the key ``REDIS_URL``.
    """

    instance_type = ContainerInstance

    app: providers.Dependency[Any] = providers.Dependency(default=None)
    config = providers.Configuration()

    logging: Opened[Logger] = Opened(
        "modern_flask.observability.logs.root_logger.open_logging",
        section(config, "LOGGING_"),
    )
    metrics: Opened[Metrics] = Opened(
        "modern_flask.observability.metrics.registry.open_metrics",
        section(config, "METRICS_"),
    )
    tracing: Opened[Tracing] = Opened(
        "modern_flask.observability.tracing.open_tracing",
        section(config, "OTEL_"),
        config.SERVICE_NAME,
    )
    otlp_exports: Opened[OtlpExports] = Opened(
        "modern_flask.observability.export.otlp.open_otlp", config.SERVICE_NAME
    )
    telemetry: Once[Telemetry] = Once(
        "modern_flask.observability.telemetry.Telemetry", tracing, metrics
    )

    engine: Opened[Engine] = Opened(
        "modern_flask.database.open_engine",
        section(config, "DATABASE_ENGINE_", "URL"),
        observed_by=telemetry.provided.engine,
        ping="modern_flask.database.ping",
    )
    session_factory: Once[sessionmaker[Session]] = Once(
        "modern_flask.database.make_session_factory",
        engine,
        section(config, "DATABASE_SESSION_"),
    )
    session: Scoped[Session] = Scoped(
        "modern_flask.database.open_session",
        session_factory,
        on_error="modern_flask.database.session.roll_back",
    )
    readonly_session: Scoped[Session] = Scoped(
        "modern_flask.database.readonly.open_readonly_session",
        session_factory,
        on_error="modern_flask.database.session.roll_back",
    )

    redis: Opened[Redis] = Opened(
        "modern_flask.redis.open_redis",
        section(config, "REDIS_", "URL"),
        observed_by=telemetry.provided.redis,
        ping="modern_flask.redis.ping",
    )
    storage: Choice[Storage] = Choice(
        config.STORAGE_VENDOR,
        cos=Opened("modern_flask.storage.cos.open_cos", section(config, "STORAGE_")),
        oss=Opened("modern_flask.storage.oss.open_oss", section(config, "STORAGE_")),
        local=Opened(
            "modern_flask.storage.local.open_local", section(config, "STORAGE_")
        ),
        memory=Opened("modern_flask.storage.memory.open_memory"),
        observed_by=telemetry.provided.storage,
        ping="modern_flask.storage.ping",
    )
    celery: Opened[Celery] = Opened(
        "modern_flask.tasks.open_celery",
        section(config, "CELERY_", "BROKER_URL"),
        app,
        observed_by=telemetry.provided.celery,
        ping="modern_flask.tasks.ping",
    )
