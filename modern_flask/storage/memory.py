"""A storage in the memory of this process: for tests, and for trying things out."""

import hashlib
import io
import threading
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from .bodies import Body, iterate_chunks
from .client import Client, Page
from .errors import (
    InvalidRange,
    ObjectExists,
    ObjectNotFound,
)
from .object_info import ObjectInfo
from .reader import ObjectReader
from .storage import Storage

__all__ = ["MemoryClient", "MemoryStorage", "open_memory"]


def open_memory() -> Iterator[Storage]:
    """Open an empty storage that lives as long as its container."""
    storage = MemoryStorage()
    try:
        yield storage
    finally:
        storage.close()


class MemoryStorage(Storage):
    """Objects in a dict. ``raw`` is that dict: keys to pairs of info and bytes."""

    def __init__(self) -> None:
        super().__init__(MemoryClient())


class MemoryClient(Client):
    """Objects in a dict. ``raw`` is that dict: keys to pairs of info and bytes."""

    vendor = "memory"

    def __init__(self) -> None:
        self._objects: dict[str, tuple[ObjectInfo, bytes]] = {}
        self._lock = threading.Lock()

    @property
    def raw(self) -> Any:
        return self._objects

    @property
    def place(self) -> str:
        return "memory"

    def put(
        self,
        key: str,
        body: Body,
        content_type: str,
        metadata: Mapping[str, str],
        overwrite: bool,
    ) -> ObjectInfo:
        data = b"".join(bytes(chunk) for chunk in iterate_chunks(body))
        etag = hashlib.md5(data, usedforsecurity=False).hexdigest()
        now = datetime.now(UTC)
        info = ObjectInfo(key, len(data), etag, now, content_type, dict(metadata))
        with self._lock:
            if not overwrite and key in self._objects:
                raise ObjectExists(key, self.place)
            self._objects[key] = info, data
        return info

    def _find(self, key: str) -> tuple[ObjectInfo, bytes]:
        try:
            return self._objects[key]
        except KeyError:
            raise ObjectNotFound(key, self.place) from None

    def get(self, key: str, start: int, end: int | None) -> ObjectReader:
        info, data = self._find(key)
        if start and start >= info.size:
            raise InvalidRange(key, start, end, f"the object has {info.size} bytes")
        piece = data[start:end]
        return ObjectReader(info, self.place, io.BytesIO(piece), len(piece))

    def head(self, key: str) -> ObjectInfo:
        return self._find(key)[0]

    def delete(self, key: str) -> None:
        with self._lock:
            self._objects.pop(key, None)

    def list_pages(self, prefix: str, limit: int | None) -> Iterator[Page]:
        with self._lock:
            found = [info for info, _ in self._objects.values()]
        found = [info for info in found if info.key.startswith(prefix)]
        found.sort(key=lambda info: info.key.encode())
        for start in range(0, len(found), self.page_size):
            yield found[start : start + self.page_size]

    def ping(self, timeout: float) -> None:
        """Do nothing: memory always answers."""
