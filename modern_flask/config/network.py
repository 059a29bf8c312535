"""Reading a source over the network: retries and a body of limited size.

This module imports no client library.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Protocol, TypeVar

from ..failures import reason_of
from ..waiting import Backoff, DeadlinePassed, Retries, call_within
from .errors import MalformedAnswer, SourceUnreachable, TemporaryFailure, TooLarge

__all__ = [
    "ReadTimeouts",
    "describe_failure",
    "is_retryable",
    "make_backoff",
    "read_body",
    "read_with_retries",
]

T = TypeVar("T")
ReadTimeouts = tuple[float, float]
"""Seconds to connect, and seconds to wait for the next bytes."""

_CHUNK = 64 * 1024  # bytes

_BACKOFF = Backoff(first=1.0, longest=2.0, growth=1.1, jitter=(1.0, 1.1), attempts=6)
"""Spring Cloud Kubernetes retries in this way at start: 6 attempts, a first pause of
1 s, each pause 1.1 times the one before, and 2 s at most. The jitter of up to a tenth
keeps the workers of a restarted service from reading at the same moment."""

_NO_ANSWER = "timed out"


def make_backoff(seconds: float) -> Backoff:
    """Make the rule for the pauses between the attempts to read a source.

    Args:
        seconds: The time for all attempts together.
    """
    return replace(_BACKOFF, budget=seconds)


def read_with_retries(source: str, read: Callable[[], T], retries: Retries) -> T:
    """Return the result of the first call of ``read`` that succeeds.

    Each call runs in its own thread. If it is late, the thread is abandoned and ends
    with the process. The timeout of a socket would limit only one read, and there is no
    timeout for resolving a name or for the login command of a kubeconfig.

    Args:
        source: The redacted name, for errors.
        read: One attempt; it raises :class:`TemporaryFailure` if another may succeed.
        retries: The attempts and the time for all of them.

    Raises:
        SourceUnreachable: The attempts or the time ran out.
    """
    while True:
        try:
            return call_within(retries.deadline.left(), read, "modern-flask-config")
        except DeadlinePassed:
            reason = _NO_ANSWER
        except TemporaryFailure as failure:
            reason = str(failure)
        if not retries.pause():
            break
    raise SourceUnreachable(source, reason, retries.failures)


class _Body(Protocol):
    """The part of :class:`urllib3.HTTPResponse` that :func:`read_body` uses."""

    def read1(self, amt: int, decode_content: bool) -> bytes: ...


def read_body(
    source: str, body: _Body, encoding: str | None, length: str | None, limit: int
) -> bytes:
    """Read all bytes of an answer, exactly as the server sent them.

    Args:
        source: The redacted name, for errors.
        body: The unread answer.
        encoding: Its ``Content-Encoding``. The request accepts only identity, and the
            kit expands nothing else: a kilobyte of gzip may hold a gigabyte.
        length: Its ``Content-Length``.
        limit: The maximum number of bytes.

    Raises:
        MalformedAnswer: The answer is compressed.
        TooLarge: The answer is longer than ``limit``.
    """
    if encoding and encoding.strip().lower() != "identity":
        raise MalformedAnswer(
            source,
            "the answer is compressed, although the request does not accept that",
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


def is_retryable(status: int) -> bool:
    """Whether another attempt may succeed after this HTTP status: 429 or 5xx."""
    return status == 429 or 500 <= status <= 599


def describe_failure(error: BaseException) -> str:
    """Return why a request failed, without the exception's text, which has the URL."""
    return reason_of(error) or f"the request failed ({type(error).__name__})"
