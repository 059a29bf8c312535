"""The service of a test's folder, made in both ways, and what it reports.

Each folder has the requirements of one extension, a service that uses it, and tests.
``.ci/extensions.py`` runs them, each folder in an environment of its own; pytest does
not enter this folder unless it is named.
"""

from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import modern_flask
from modern_flask.database import create_tables
from tests.closing import closing_apps
from tests.observability.conftest import Reading
from tests.servers.collectors import ZipkinCollector


@pytest.fixture(autouse=True)
def closed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No app stays open."""
    yield from closing_apps(monkeypatch)


@pytest.fixture(scope="session")
def exporter() -> InMemorySpanExporter:
    """The spans of the process: it can have one provider only."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    return exporter


@pytest.fixture(scope="session")
def collector() -> Iterator[ZipkinCollector]:
    """The back end of all apps: it outlives them, for they send their last spans."""
    with ZipkinCollector() as collector:
        yield collector


@pytest.fixture
def spans(
    exporter: InMemorySpanExporter,
    collector: ZipkinCollector,
    monkeypatch: pytest.MonkeyPatch,
) -> InMemorySpanExporter:
    """The spans that have ended since the test began. The app sends them as well."""
    exporter.clear()
    monkeypatch.setenv("OTEL_EXPORTER", "zipkin")
    monkeypatch.setenv("OTEL_EXPORTER_ZIPKIN_ENDPOINT", collector.url)
    return exporter


@pytest.fixture(params=["create_app", "init_app"])
def app(
    request: Any, spans: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Flask:
    """The service of the test's folder: the kit comes first, or the extension does."""
    monkeypatch.chdir(tmp_path)
    service: Any = import_module(f"tests.extensions.{request.path.parent.name}.service")
    config = {
        "SECRET_KEY": "a key of the tests",
        "DATABASE_ENGINE_URL": f"sqlite:///{tmp_path / 'shop.db'}",
    }
    config |= service.CONFIG
    app_class = getattr(service, "APP_CLASS", None)
    if request.param == "create_app" and app_class is None:
        app: Flask = modern_flask.create_app(service.__name__, config=config)
        service.extend(app)
    elif request.param == "create_app":
        app = app_class(service.__name__)
        modern_flask.init_app(app, config=config)
        service.extend(app)
    else:
        app = (app_class or Flask)(service.__name__)
        app.config.update(config)
        service.extend(app)
        modern_flask.init_app(app)
    app.test_client_class = Reading
    create_tables(modern_flask.get_container(app).engine())
    spans.clear()
    return app


@pytest.fixture
def client(app: Flask) -> Any:
    return app.test_client()


@pytest.fixture
def committed(app: Flask) -> Callable[[Any], list[Any]]:
    """``committed(select(...))``: what another session finds."""

    def read(statement: Any) -> list[Any]:
        with modern_flask.get_container(app).session_factory()() as session:
            return list(session.scalars(statement))

    return read
