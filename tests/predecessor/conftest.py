"""The shop of 2022 that was ported by README's tables, on real servers."""

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.closing import closing_apps
from tests.observability.conftest import Reading, kept, spans
from tests.servers.redis import RedisServer

__all__ = ["kept", "spans"]

CONFIGURATION = """
DATABASE_ENGINE_URL = "sqlite+pysqlite:///{folder}/shop.db"
REDIS_HOST = "{redis.hostname}"
REDIS_PORT = {redis.port}
CELERY_BROKER_URL = "memory://"
CELERY_TASK_ALWAYS_EAGER = True
STORAGE_VENDOR = "cos"
STORAGE_SECRET_ID = "AKIDexample"
STORAGE_SECRET_KEY = "not-a-key"
STORAGE_REGION = "ap-shanghai"
"""


@pytest.fixture(autouse=True)
def closed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No app stays open."""
    yield from closing_apps(monkeypatch)


@pytest.fixture(scope="session")
def service(
    redis_server: RedisServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Any]:
    """The ported module. It makes its app when it is imported, as the old one did."""
    folder = tmp_path_factory.mktemp("shop")
    text = CONFIGURATION.format(folder=folder, redis=urlsplit(redis_server.url))
    (folder / "config.py").write_text(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CONFIG_SOURCE", str(folder / "config.py"))
        service = import_module("tests.predecessor.new_service")
    with service.app.running():
        tables = list_tables(service)
        engine = service.app.container.engine()
        service.ModelBase.metadata.create_all(engine, tables=tables)
        service.app.test_client_class = Reading
        yield service


def list_tables(service: Any) -> list[Any]:
    """The shop's tables. Other tests of the process have models too."""
    return [service.Item.__table__, service.Attempt.__table__]


@pytest.fixture
def client(service: Any, redis_url: str) -> Any:
    """A client of the shop, whose tables and Redis are empty."""
    with service.app.container.engine().begin() as connection:
        for table in list_tables(service):
            connection.execute(table.delete())
    return service.app.test_client()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder for an app of the test's own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CONFIG_SOURCE", raising=False)
    return tmp_path
