"""A Redis in memory, for ``cached`` and ``synchronized``. It opens no connection."""

from __future__ import annotations

import hashlib
import math
import threading
import time
from collections.abc import Callable
from fnmatch import fnmatchcase
from typing import Any, NoReturn

from redis import ConnectionPool, Redis
from redis.lock import Lock

from ..redis.lock import ACQUIRE_SCRIPT
from .errors import NotInMemory

__all__ = ["MemoryRedis"]


class MemoryRedis(Redis):
    """A Redis of one test: empty at first, and in this process alone.

    ``override(redis=MemoryRedis())`` lets functions under ``cached`` and
    ``synchronized`` work as with a Redis. Of the commands it has ``GET``, ``SET``,
    ``DEL``, ``EXISTS``, ``TTL``, ``PTTL``, ``KEYS``, ``DBSIZE``, ``FLUSHDB``,
    ``FLUSHALL`` and ``PING``. It opens no connection.

    Raises:
        NotInMemory: A test uses another command, a pipeline or a subscription.
    """

    def __init__(self) -> None:
        super().__init__(connection_pool=_NoPool(connection_class=_NoConnection))
        self._values: dict[bytes, tuple[bytes, float]] = {}
        self._lock = threading.RLock()
        self._scripts: dict[str, Callable[..., int]] = {
            _hash(Lock.LUA_RELEASE_SCRIPT): self._release,
            _hash(Lock.LUA_REACQUIRE_SCRIPT): self._reacquire,
            _hash(ACQUIRE_SCRIPT): self._acquire,
        }

    def execute_command(self, *args: Any, **options: Any) -> Any:
        name = str(args[0]).upper().replace(" ", "_")
        run = getattr(self, f"_run_{name.lower()}", None)
        if run is None:
            raise NotInMemory(str(args[0]))
        encode = self.get_encoder().encode
        with self._lock:
            return run(*map(encode, args[1:]))

    def _find(self, key: bytes) -> tuple[bytes, float] | None:
        found = self._values.get(key)
        if found is not None and found[1] <= time.monotonic():
            del self._values[key]
            return None
        return found

    def _run_get(self, key: bytes) -> bytes | None:
        found = self._find(key)
        return found[0] if found else None

    def _run_set(self, key: bytes, value: bytes, *options: bytes) -> bool | None:
        given = [option.upper() for option in options]
        seconds = math.inf
        while given:
            option = given.pop(0)
            if option in (b"PX", b"EX"):
                seconds = int(given.pop(0)) / (1000 if option == b"PX" else 1)
            elif option not in (b"NX", b"XX"):
                raise NotInMemory(f"SET {option.decode()}")
            elif (self._find(key) is None) is (option == b"XX"):
                return None
        self._values[key] = (value, time.monotonic() + seconds)
        return True

    def _run_del(self, *keys: bytes) -> int:
        return sum(self._values.pop(key, None) is not None for key in keys)

    def _run_exists(self, *keys: bytes) -> int:
        return sum(self._find(key) is not None for key in keys)

    def _run_pttl(self, key: bytes) -> int:
        found = self._find(key)
        if found is None:
            return -2
        left = found[1] - time.monotonic()
        return -1 if left == math.inf else round(left * 1000)

    def _run_ttl(self, key: bytes) -> int:
        left = self._run_pttl(key)
        return left if left < 0 else round(left / 1000)

    def _run_keys(self, pattern: bytes) -> list[bytes]:
        text = pattern.decode("latin-1")
        keys = [key for key in self._values if fnmatchcase(key.decode("latin-1"), text)]
        return [key for key in keys if self._find(key)]

    def _run_dbsize(self) -> int:
        return len(self._run_keys(b"*"))

    def _run_flushdb(self) -> bool:
        self._values.clear()
        return True

    _run_flushall = _run_flushdb

    def _run_ping(self) -> bool:
        return True

    def _run_eval(self, script: bytes, number: bytes, *arguments: bytes) -> int:
        return self._run_script(_hash(script.decode()), arguments)

    def _run_evalsha(self, sha: bytes, number: bytes, *arguments: bytes) -> int:
        return self._run_script(sha.decode(), arguments)

    def _run_script(self, sha: str, arguments: tuple[bytes, ...]) -> int:
        run = self._scripts.get(sha)
        if run is None:
            raise NotInMemory("EVAL")
        return run(*arguments)

    def _release(self, key: bytes, token: bytes) -> int:
        return self._run_del(key) if self._run_get(key) == token else 0

    def _reacquire(self, key: bytes, token: bytes, milliseconds: bytes) -> int:
        if self._run_get(key) != token:
            return 0
        return int(bool(self._run_set(key, token, b"PX", milliseconds)))

    def _acquire(
        self, key: bytes, fence: bytes, token: bytes, kept: bytes, fence_kept: bytes
    ) -> int:
        if self._run_get(key) not in (None, token):
            return 0
        number = max(time.time_ns() // 1000, int(self._run_get(fence) or 0) + 1)
        self._run_set(key, token, b"PX", kept)
        self._run_set(fence, b"%d" % number, b"PX", fence_kept)
        return number


def _hash(script: str) -> str:
    return hashlib.sha1(script.encode(), usedforsecurity=False).hexdigest()


class _NoPool(ConnectionPool):
    """A pool for a client without connections: a pipeline would take one."""

    def get_connection(self, *args: Any, **options: Any) -> NoReturn:
        raise NotInMemory("pipelines and subscriptions")


class _NoConnection:
    """What the health check pings."""

    def __init__(self, **options: Any) -> None: ...

    def connect(self) -> None: ...

    def send_command(self, *args: Any, **options: Any) -> None: ...

    def read_response(self) -> bytes:
        return b"PONG"

    def disconnect(self) -> None: ...
