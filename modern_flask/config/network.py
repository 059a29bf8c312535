"""What the network readers share: patience, a bounded body, the reason of a failure.

Nothing here imports a client library.
"""

import random
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from .errors import MalformedAnswer, SourceUnreachable, TooLarge

__all__ = [
    "Patience",
    "ReadTimeouts",
    "Transient",
    "persistently",
    "read_body",
    "tls_failure",
    "why",
    "worth_retrying",
]

T = TypeVar("T")
ReadTimeouts = tuple[float, float]
_CHUNK = 64 * 1024


@dataclass(frozen=True)
class Patience:
    """How often and how long a source is asked. Times are in seconds.

    The attempts and pauses are Spring Cloud Kubernetes' at start: 6, the first pause
    1 s, each 1.1 times the last, 2 s at most. Jitter adds up to a tenth, so that the
    workers of a restarted service don't ask in step.
    """

    total: float
    attempts: int = 6
    first: float = 1.0
    growth: float = 1.1
    longest: float = 2.0
    jitter: float = 0.1
    clock: Callable[[], float] = field(default=time.monotonic, repr=False)
    sleep: Callable[[float], None] = field(default=time.sleep, repr=False)
    chance: Callable[[], float] = field(default=random.random, repr=False)


class Transient(Exception):
    """An attempt failed, and another may succeed; the text is free of secrets."""


def persistently(source: str, call: Callable[[], T], patience: Patience) -> T:
    """The answer of the first attempt that does not raise :class:`Transient`.

    Raises:
        SourceUnreachable: The attempts or the total time are used up.
    """
    end = patience.clock() + patience.total
    pause, reason, attempt = patience.first, "", 0
    while attempt < patience.attempts:
        attempt += 1
        try:
            return within(end - patience.clock(), call)
        except Transient as failure:
            reason = str(failure)
        wait = pause * (1 + patience.jitter * patience.chance())
        if attempt == patience.attempts or patience.clock() + wait >= end:
            break
        patience.sleep(wait)
        pause = min(pause * patience.growth, patience.longest)
    raise SourceUnreachable(source, reason, attempt)


def within(seconds: float, work: Callable[[], T]) -> T:
    """The result of ``work``, if it comes in time.

    A thread is the only bound that holds for all of a fetch: sockets' timeouts bound
    one read each, and resolving a name or running a kubeconfig's login command has
    none. It is left behind when it is late; the start fails then, the process ends.
    """
    results: list[T] = []
    failures: list[BaseException] = []

    def run() -> None:
        try:
            results.append(work())
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=run, name="modern-flask-config", daemon=True)
    thread.start()
    thread.join(max(seconds, 0.0))
    if results:
        return results[0]
    if failures:
        raise failures[0]
    raise Transient("no complete answer in time")


class _Body(Protocol):
    """The part of :class:`urllib3.HTTPResponse` that is read here."""

    def read1(self, amt: int, decode_content: bool) -> bytes: ...


def read_body(
    source: str, body: _Body, encoding: str | None, length: str | None, limit: int
) -> bytes:
    """All bytes of an answer, as they were sent.

    Args:
        source: The redacted name, for faults.
        body: The unread answer.
        encoding: Its ``Content-Encoding``. Only identity was asked for, and nothing
            else is expanded: a kilobyte of gzip may hold a gigabyte.
        length: Its ``Content-Length``.
        limit: The most bytes it may have.

    Raises:
        MalformedAnswer: It is compressed.
        TooLarge: It is longer than ``limit``.
    """
    if encoding and encoding.strip().lower() != "identity":
        raise MalformedAnswer(
            source,
            "the answer is compressed, although it was asked for as it is",
            "serve the file without Content-Encoding",
        )
    if length and length.isdecimal() and int(length) > limit:
        raise TooLarge(source, limit)
    received = bytearray()
    while chunk := body.read1(_CHUNK, decode_content=False):
        received += chunk
        if len(received) > limit:
            raise TooLarge(source, limit)
    return bytes(received)


def worth_retrying(status: int) -> bool:
    """Whether the server said to come again: 429 or 5xx."""
    return status == 429 or 500 <= status <= 599


def tls_failure(error: BaseException) -> str:
    """Why TLS failed, in OpenSSL's words; empty if that was not what failed."""
    for cause in _causes(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return str(cause.verify_message).rstrip(".")
        if isinstance(cause, ssl.SSLEOFError | ssl.SSLZeroReturnError):
            return ""
        if isinstance(cause, ssl.SSLError):
            reason = getattr(cause, "reason", None) or type(cause).__name__
            return str(reason).replace("_", " ").lower()
    return ""


_WHY: list[tuple[type[BaseException], str]] = [
    (socket.gaierror, "the host name is not known"),
    (ConnectionRefusedError, "connection refused"),
    (TimeoutError, "no answer in time"),
    (ConnectionError, "the connection broke"),
    (ssl.SSLError, "the connection broke"),
]


def why(error: BaseException) -> str:
    """Why a connection failed, without the library's text, which holds the URL."""
    chain = list(_causes(error))
    for kind, text in _WHY:
        if any(isinstance(cause, kind) for cause in chain):
            return text
    if any("Timeout" in type(cause).__name__ for cause in chain):
        return "no answer in time"
    names = {type(cause).__name__ for cause in chain}
    if names & {"IncompleteRead", "ProtocolError"}:
        return "the connection broke"
    return f"the request failed ({type(error).__name__})"


def _causes(error: BaseException) -> Iterator[BaseException]:
    """``error`` and all that it was made from, wherever libraries keep it."""
    seen: list[BaseException] = []
    waiting: list[object] = [error]
    while waiting:
        found = waiting.pop(0)
        if isinstance(found, BaseException) and not any(found is e for e in seen):
            seen.append(found)
            yield found
            waiting += [found.__cause__, found.__context__]
            waiting += [getattr(found, "reason", None), *found.args]
