"""The storage over its client: what it checks, and how it pings."""

import pytest

from modern_flask.storage import (
    InvalidKey,
    InvalidMetadata,
    MemoryStorage,
    Storage,
    StorageUnavailable,
)
from modern_flask.storage.client import Client


def test_storage_has_a_client(storage):
    """Every vendor's storage is a Storage over a client, and shares its names."""
    client = storage.client

    assert isinstance(storage, Storage)
    assert isinstance(client, Client)
    assert (storage.vendor, storage.place) == (client.vendor, client.place)
    assert storage.raw is client.raw
    assert repr(storage) == f"<{type(storage).__name__}: {client.place}>"


def test_storage_over_any_client():
    """A storage needs no subclass: a client is enough."""
    storage = Storage(MemoryStorage().client)

    storage.put("a", b"x")

    assert storage.get("a").read() == b"x"
    assert repr(storage) == "<Storage: memory>"


def test_urls_are_checked_everywhere(storage):
    """What is wrong with a URL's arguments is an error with every vendor."""
    with pytest.raises(InvalidKey):
        storage.url("/a")
    with pytest.raises(ValueError, match="method must be one of"):
        storage.url("a", method="POST")
    with pytest.raises(ValueError, match="expires must be at least 1 second"):
        storage.url("a", expires=0)
    with pytest.raises(ValueError, match="a GET sends no content; omit content_type"):
        storage.url("a", content_type="text/plain")
    with pytest.raises(InvalidMetadata, match="it is not printable ASCII"):
        storage.url("a", "PUT", content_type="text/plain\r\nX: y")


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ConnectionRefusedError("at secret"), "connection refused"),
        (ZeroDivisionError("secret"), "ZeroDivisionError"),
    ],
)
def test_ping_that_raises(error, reason, monkeypatch):
    """A ping reports the class of an error and its reason, never its text."""
    storage = MemoryStorage()

    def fail(timeout: float) -> None:
        raise error

    monkeypatch.setattr(storage.client, "ping", fail)
    with pytest.raises(StorageUnavailable) as raised:
        storage.ping(5)

    assert reason in raised.value.reason
    assert "secret" not in str(raised.value)
    assert raised.value.__cause__ is error
