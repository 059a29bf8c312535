"""The container: what a service has, where it comes from, how long it lives."""

from __future__ import annotations

from typing import Any

from dependency_injector import containers, providers

from .wiring import Choice, Once, Opened, Scoped, section

__all__ = ["Container"]


class Container(containers.DeclarativeContainer):
    """Everything that a service is given. Subclass it to add your own.

    A target is named by its path and imported at its first use: what is not configured
    is never imported. ``section(config, "REDIS_", "URL")`` hands over the keys of a
    prefix; the third word is the key to set where the component needs one.
    """

    app: providers.Dependency[Any] = providers.Dependency(default=None)
    config = providers.Configuration()

    logging = Opened(
        "modern_flask.observability.logs.root_logger.open_logging",
        section(config, "LOGGING_"),
    )
    metrics = Opened(
        "modern_flask.observability.metrics.metrics.open_metrics",
        section(config, "METRICS_"),
    )
    tracing = Opened(
        "modern_flask.observability.tracing.open_tracing",
        section(config, "OTEL_"),
        config.SERVICE_NAME,
    )
    telemetry = Once("modern_flask.observability.telemetry.Telemetry", tracing, metrics)

    engine = Opened(
        "modern_flask.database.open_engine",
        section(config, "DATABASE_ENGINE_", "URL"),
        observed_by=telemetry.provided.engine,
    )
    session_factory = Once(
        "modern_flask.database.make_session_factory",
        engine,
        section(config, "DATABASE_SESSION_"),
    )
    session = Scoped("modern_flask.database.open_session", session_factory)
    readonly_session = Scoped(
        "modern_flask.database.readonly.open_readonly_session", session_factory
    )

    redis = Opened(
        "modern_flask.redis.open_redis",
        section(config, "REDIS_", "URL"),
        observed_by=telemetry.provided.redis,
    )
    storage = Choice(
        config.STORAGE_VENDOR,
        cos=Opened(
            "modern_flask.storage.cos.open_cos",
            section(config, "STORAGE_"),
            observed_by=telemetry.provided.storage,
        ),
        oss=Opened(
            "modern_flask.storage.oss.open_oss",
            section(config, "STORAGE_"),
            observed_by=telemetry.provided.storage,
        ),
        local=Opened(
            "modern_flask.storage.local.open_local",
            section(config, "STORAGE_"),
            observed_by=telemetry.provided.storage,
        ),
        memory=Opened(
            "modern_flask.storage.memory.open_memory",
            observed_by=telemetry.provided.storage,
        ),
    )
    celery = Opened(
        "modern_flask.tasks.open_celery",
        section(config, "CELERY_", "BROKER_URL"),
        app,
        observed_by=telemetry.provided.celery,
    )

    pings = providers.Object(
        {
            "engine": "modern_flask.database.ping",
            "redis": "modern_flask.redis.ping",
            "storage": "modern_flask.storage.ping",
            "celery": "modern_flask.tasks.ping",
        }
    )
