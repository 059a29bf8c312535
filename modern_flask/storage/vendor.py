"""What a vendor refuses, and what its settings say, in this package's words.

Its imports of requests and urllib3 wait until a vendor is opened: the folder and the
memory need neither.
"""

from collections.abc import Callable, Collection, Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, cast

from ..config.values import find_key, find_origin
from .errors import (
    BucketNotFound,
    IntegrityError,
    InvalidRange,
    InvalidSetting,
    ObjectChanged,
    ObjectExists,
    ObjectNotFound,
    PermissionDenied,
    StorageError,
    StorageUnavailable,
    UnexpectedAnswer,
)

if TYPE_CHECKING:
    from requests.adapters import HTTPAdapter
    from urllib3 import HTTPResponse, ProxyManager

__all__ = [
    "CONNECT",
    "POOL",
    "READ",
    "WireBody",
    "broken",
    "missing",
    "pool",
    "reason_of",
    "refusal",
    "timeouts",
    "whole_number",
]

CONNECT = 3.0  # seconds: a vendor that is there accepts at once
READ = 30.0  # seconds without a byte, not for the whole transfer
POOL = 32  # connections: one for each thread that a worker may well have
_LATE = {"RequestTimeout", "SlowDown", "InternalError"}
_WRONG_BYTES = {"BadDigest", "InvalidDigest"}


def refusal(
    status: int, code: str, request: str, operation: str, key: str, place: str
) -> StorageError:
    """The error for an answer of ``status``; the vendor's own text stays out of it."""
    if status in {401, 403}:
        return PermissionDenied(operation, key, place, code, request)
    if code == "NoSuchBucket":
        return BucketNotFound(place, code, request)
    if status == 404 and code != "NoSuchUpload":
        return ObjectNotFound(key, place, request)
    if status == 409 and operation == "put" and code != "OperationAborted":
        return ObjectExists(key, place, request)
    if status == 412:
        return ObjectChanged(key, place)
    if status == 416:
        return InvalidRange(key, 0, None, "the object ends before")
    if code in _WRONG_BYTES:
        return IntegrityError(key, place, f"they arrived changed ({code})")
    reason = f"it answered {status} {code}".rstrip()
    # COS answers the completion of an upload with 200 and an error in the body.
    if status >= 500 or status == 429 or status < 400 or code in _LATE:
        return StorageUnavailable(operation, key, place, reason, request)
    return UnexpectedAnswer(operation, key, place, reason, request)


def broken(error: Exception, operation: str, key: str, place: str) -> StorageError:
    """The error for what an SDK let through that is none of its own exceptions.

    Lost connections come as OSError, from urllib3 itself, or as the UnboundLocalError
    of a COS SDK that could not send a body twice; an answer that an SDK can't read
    comes as whatever its parser stumbled over.
    """
    from urllib3.exceptions import HTTPError

    if isinstance(error, OSError | HTTPError | UnboundLocalError):
        return StorageUnavailable(operation, key, place, reason_of(error))
    reason = f"its answer can't be read ({type(error).__name__})"
    return UnexpectedAnswer(operation, key, place, reason)


def reason_of(error: BaseException) -> str:
    """A network error in a word or two; its text may hold URLs and is left out."""
    inner = getattr(error.args[0] if error.args else None, "reason", None)
    name = type(error).__name__
    if isinstance(inner, Exception):
        name = f"{name}, {type(inner).__name__}"
    return name


class WireBody:
    """The undecoded bytes of an answer: what is summed is what is stored."""

    def __init__(
        self, raw: "HTTPResponse", answers: Callable[[], AbstractContextManager[None]]
    ) -> None:
        self._raw, self._answers = raw, answers

    def read(self, size: int, /) -> bytes:
        with self._answers():
            return self._raw.read(size, decode_content=False)

    def close(self) -> None:
        self._raw.close()
        self._raw.release_conn()


def pool(hosts: int, size: int) -> "HTTPAdapter":
    """Connections for one client: ``size`` to each of ``hosts`` hosts."""
    from requests.adapters import HTTPAdapter
    from urllib3.connection import HTTPConnection

    class Pool(HTTPAdapter):
        def proxy_manager_for(self, proxy: str, **options: Any) -> "ProxyManager":
            # urllib3 leaves Nagle's algorithm on through proxies: 40 ms a small put.
            options.setdefault("socket_options", HTTPConnection.default_socket_options)
            return cast("ProxyManager", super().proxy_manager_for(proxy, **options))

    return Pool(pool_connections=hosts, pool_maxsize=size)


def timeouts(settings: Mapping[str, Any], name: str = "timeout") -> tuple[float, float]:
    """Seconds to connect and to wait for a byte.

    Args:
        settings: ``timeout`` is a number or its text, for both, or a pair.

    Raises:
        InvalidSetting: It is none of these, or not above zero.
    """
    value = settings.get(name)
    if value is None:
        return CONNECT, READ
    pair = value if isinstance(value, list | tuple) else (value, value)
    try:
        connect, read = (float(item) for item in pair)
    except (TypeError, ValueError):
        connect = read = 0.0
    if not (0 < connect < float("inf") and 0 < read < float("inf")):
        reason = "it is a number of seconds above zero, or a pair of them"
        raise InvalidSetting(
            find_key(settings, name), find_origin(settings, name), reason
        )
    return connect, read


def whole_number(
    settings: Mapping[str, Any], name: str, default: int, least: int, unit: str
) -> int:
    """``settings[name]``, or its text, as a number of at least ``least``.

    Raises:
        InvalidSetting: It is not.
    """
    value = settings.get(name)
    try:
        number = default if value is None else int(value)
    except (TypeError, ValueError):
        number = least - 1
    if number < least:
        reason = f"it is a number of at least {least} {unit}"
        raise InvalidSetting(
            find_key(settings, name), find_origin(settings, name), reason
        )
    return number


def missing(settings: Mapping[str, Any], names: Collection[str]) -> list[str]:
    """The keys of those ``names`` that are not set, or empty."""
    return [find_key(settings, name) for name in names if not settings.get(name)]
