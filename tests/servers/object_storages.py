"""Fixtures: every vendor's storage; COS and OSS by their SDKs against test servers."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from modern_flask.storage import (
    MemoryStorage,
    Storage,
    open_cos,
    open_local,
    open_oss,
)
from modern_flask.testing.cos import CosServer
from modern_flask.testing.objects import ObjectServer
from modern_flask.testing.oss import OssServer

MIB = 1024 * 1024


def pytest_configure(config: pytest.Config) -> None:
    """From Python 3.12 on, oss2 warns of its own use of ``utcnow``."""
    ignore = "ignore:datetime.datetime.utcnow:DeprecationWarning:oss2"
    config.addinivalue_line("filterwarnings", ignore)


@contextmanager
def open_vendor(server: ObjectServer, **changes: object) -> Iterator[Storage]:
    """The vendor's storage on ``server``, with some settings changed."""
    settings = {**server.settings, "part_size": MIB, **changes}
    open_storage = open_cos if isinstance(server, CosServer) else open_oss
    with contextmanager(open_storage)(settings) as storage:
        yield storage


@pytest.fixture(autouse=True)
def direct(monkeypatch: pytest.MonkeyPatch) -> None:
    """No proxy of the machine stands between a test and its server."""
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(name="open_vendor")
def open_vendor_fixture():
    return open_vendor


@pytest.fixture
def cos_server() -> Iterator[CosServer]:
    with CosServer() as server:
        yield server


@pytest.fixture
def oss_server() -> Iterator[OssServer]:
    with OssServer() as server:
        yield server


@pytest.fixture(params=["cos", "oss"])
def server(request: pytest.FixtureRequest) -> ObjectServer:
    """A vendor's server; the test runs once for each vendor."""
    return request.getfixturevalue(f"{request.param}_server")


@pytest.fixture
def remote(server: ObjectServer) -> Iterator[Storage]:
    """The storage on ``server``."""
    with open_vendor(server) as storage:
        yield storage


@pytest.fixture(params=["memory", "local", "cos", "oss"])
def storage(request: pytest.FixtureRequest, tmp_path) -> Iterator[Storage]:
    """A storage of each vendor in turn."""
    if request.param == "memory":
        yield MemoryStorage()
    elif request.param == "local":
        with contextmanager(open_local)({"folder": tmp_path / "objects"}) as local:
            yield local
    else:
        with open_vendor(request.getfixturevalue(f"{request.param}_server")) as distant:
            yield distant
