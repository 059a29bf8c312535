"""The service without anything outside of this process."""

import pytest

from example_service import create_app
from example_service.models import File
from modern_flask import MemoryStorage
from modern_flask.database import create_tables


@pytest.fixture
def storage():
    """The storage of the service."""
    return MemoryStorage()


@pytest.fixture
def app(redis_url, storage, monkeypatch):
    """The service with a database in memory; a task runs where it is sent from."""
    monkeypatch.delenv("CONFIG_SOURCE", raising=False)
    app = create_app(
        TESTING=True,
        DATABASE_ENGINE_URL="sqlite+pysqlite:///:memory:",
        CELERY_BROKER_URL="memory://",
        CELERY_TASK_ALWAYS_EAGER=True,
        CELERY_TASK_EAGER_PROPAGATES=True,
        REDIS_URL=redis_url,
        UPLOAD_LIMIT=1000,
    )
    with app.container.storage.override(storage), app.running():
        create_tables(app.container.engine())
        yield app


@pytest.fixture
def client(app):
    return app.test_client()


@pytest.fixture
def upload(client):
    """``upload(name, content)``: the answer of the service."""
    return lambda name, content=b"": client.post(
        "/files", query_string={"name": name}, data=content
    )


@pytest.fixture
def row(app):
    """``row(id)``: the file's row, or nothing."""

    def row(file_id):
        with app.app_context():
            return app.container.session().get(File, file_id)

    return row
