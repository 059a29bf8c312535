"""A span and a duration for each operation of a storage, and the bytes it moves."""

from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from prometheus_client import REGISTRY

from modern_flask.observability.instruments.storage import trace_storage
from modern_flask.storage import MemoryStorage, ObjectNotFound, Storage
from modern_flask.storage.bodies import CHUNK
from modern_flask.storage.local import LocalStorage
from tests.observability.conftest import untraced_telemetry


@pytest.fixture(params=["memory", "local"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    """A measured storage, under a vendor name that no other test uses."""
    made = MemoryStorage() if request.param == "memory" else LocalStorage(tmp_path)
    made.vendor = f"{request.node.name}"
    untraced_telemetry().storage(made)
    return made


def timed(storage: Storage, operation: str, outcome: str = "success") -> float:
    name = "storage_operation_duration_seconds_count"
    labels = {"vendor": storage.vendor, "operation": operation, "outcome": outcome}
    return REGISTRY.get_sample_value(name, labels) or 0.0


def moved(storage: Storage, operation: str) -> float:
    labels = {"vendor": storage.vendor, "operation": operation}
    return REGISTRY.get_sample_value("storage_transferred_bytes_total", labels) or 0.0


def test_durations(storage: Storage) -> None:
    """Each operation is timed once, by its name and its outcome."""
    storage.put("a.txt", b"x")
    storage.get("a.txt").close()
    storage.head("a.txt")
    assert not storage.exists("b.txt")
    assert len(list(storage.list())) == 1
    storage.delete("a.txt")
    with pytest.raises(ObjectNotFound):
        storage.get("a.txt")

    wanted = {"put": 1, "get": 1, "head": 2, "delete": 1}
    assert {name: timed(storage, name) for name in wanted} == wanted
    assert timed(storage, "get", "ObjectNotFound") == 1
    assert timed(storage, "list") >= 1


def test_bytes(storage: Storage) -> None:
    """Bytes count when they are stored or read; unread bytes do not."""
    storage.put("a.bin", b"x" * (CHUNK + 10))
    storage.put("b.bin", iter([b"abc", b"de"]))

    with storage.get("a.bin") as reader:
        reader.read(7)
    with storage.get("a.bin", start=5, end=CHUNK + 5) as reader:
        reader.read()

    assert moved(storage, "put") == CHUNK + 15
    assert moved(storage, "get") == CHUNK + 7


def test_body_that_breaks(storage: Storage) -> None:
    """The error of a body is the outcome, and no bytes count."""

    def body() -> Any:
        yield b"abc"
        raise LookupError

    with pytest.raises(LookupError):
        storage.put("a.bin", body())

    assert timed(storage, "put", "LookupError") == 1
    assert moved(storage, "put") == 0


def test_span_beside_the_duration(storage: Storage, spans: list[ReadableSpan]) -> None:
    """With tracing on, one operation is one span and one duration."""
    trace_storage(storage)

    storage.put("a.txt", b"x")
    with pytest.raises(ObjectNotFound):
        storage.head("b.txt")

    put, head = spans
    assert (put.name, head.name) == ("storage put", "storage head")
    assert dict(put.attributes or {}) == {
        "storage.system": storage.vendor,
        "storage.operation": "put",
        "storage.key": "a.txt",
    }
    assert not head.status.is_ok
    assert timed(storage, "put") == timed(storage, "head", "ObjectNotFound") == 1
