"""Retries, bodies of limited size, and the reasons of failures."""

import io
import socket
import ssl
import threading

import pytest

from modern_flask.config.errors import (
    CHECK_ADDRESS,
    CHECK_SIZE,
    MalformedAnswer,
    SourceUnreachable,
    TemporaryFailure,
    TooLarge,
)
from modern_flask.config.network import (
    describe_failure,
    is_retryable,
    make_backoff,
    read_body,
    read_with_retries,
)
from modern_flask.failures import tls_reason
from modern_flask.waiting import Retries


class Failing:
    """Fails a number of times, then answers."""

    def __init__(self, times: int) -> None:
        self.left = times

    def __call__(self) -> str:
        self.left -= 1
        if self.left >= 0:
            raise TemporaryFailure("status 503")
        return "answer"


class Chunks(io.BytesIO):
    """A body that is read in pieces of ten bytes."""

    def read1(self, amt: int | None = -1, decode_content: bool = False) -> bytes:
        assert decode_content is False
        return super().read1(min(amt or 0, 10))


def test_first_success_needs_no_pause(pauses):
    """If the first attempt succeeds, there is no pause."""
    assert read_with_retries("source", Failing(0), pauses.retries()) == "answer"
    assert pauses == []


def test_six_attempts_with_growing_pauses(pauses):
    """Six attempts, as in Spring Cloud: 1 s, then 1.1 times the pause before."""
    assert read_with_retries("source", Failing(5), pauses.retries()) == "answer"
    assert pauses == pytest.approx([1, 1.1, 1.21, 1.331, 1.4641])


def test_pauses_are_capped(pauses):
    """No pause is longer than 2 s."""
    read_with_retries("source", Failing(11), pauses.retries(total=60, attempts=12))

    assert max(pauses) == 2.0


def test_jitter_lengthens_by_a_tenth_at_most():
    """Processes that start at the same time do not read at the same time."""
    pauses: list[float] = []
    retries = Retries(
        make_backoff(20.0), sleep=pauses.append, uniform=lambda low, high: high
    )

    read_with_retries("source", Failing(2), retries)

    assert pauses == pytest.approx([1.1, 1.21])


def test_attempts_run_out(pauses):
    """After the last attempt the error has the reason of the last failure."""
    with pytest.raises(SourceUnreachable) as caught:
        read_with_retries("https://git/x.py", Failing(9), pauses.retries())

    assert str(caught.value) == (
        "https://git/x.py can't be reached: status 503 (6 attempts).\n"
        f"  fix      {CHECK_ADDRESS}"
    )
    assert len(pauses) == 5


def test_no_pause_beyond_the_deadline():
    """There is no pause before an attempt that could not begin in time."""
    now, pauses = [0.0], []

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        now[0] += seconds

    retries = Retries(
        make_backoff(2.5),
        clock=lambda: now[0],
        sleep=sleep,
        uniform=lambda low, high: low,
    )

    with pytest.raises(SourceUnreachable) as caught:
        read_with_retries("source", Failing(9), retries)

    assert caught.value.attempts == 3
    assert pauses == pytest.approx([1.0, 1.1])


def test_other_exceptions_are_not_retried(pauses):
    """Only a temporary failure leads to another attempt."""

    def broken() -> None:
        raise LookupError("once")

    with pytest.raises(LookupError):
        read_with_retries("source", broken, pauses.retries())
    assert pauses == []


def test_work_that_never_ends_is_left(pauses):
    """The deadline holds for a call that never returns."""
    end = threading.Event()

    with pytest.raises(SourceUnreachable) as caught:
        read_with_retries("source", end.wait, pauses.retries(total=0.05))
    end.set()

    assert (caught.value.reason, caught.value.attempts) == ("timed out", 1)
    assert pauses == []


def test_body_up_to_the_limit():
    """A body as long as the limit is read completely."""
    assert read_body("source", Chunks(b"x" * 100), None, "100", 100) == b"x" * 100
    assert read_body("source", Chunks(b"x"), "identity", None, 100) == b"x"


@pytest.mark.parametrize("length", [None, "1", "1000000"])
def test_body_over_the_limit(length):
    """A longer body is an error with any Content-Length, and is not read completely."""
    body = Chunks(b"x" * 1_000_000)

    with pytest.raises(TooLarge) as caught:
        read_body("https://git/x.py", body, None, length, 1000)

    assert str(caught.value) == (
        f"https://git/x.py is larger than 1,000 bytes.\n  fix      {CHECK_SIZE}"
    )
    assert body.tell() <= 1010


def test_compressed_body():
    """A compressed body is an error, and is not read."""
    body = Chunks(b"x")

    with pytest.raises(MalformedAnswer) as caught:
        read_body("https://git/x.py", body, "gzip", None, 1000)

    assert str(caught.value) == (
        "https://git/x.py: the answer is compressed, "
        "although the request does not accept that.\n"
        "  fix      serve the file without Content-Encoding"
    )
    assert body.tell() == 0


@pytest.mark.parametrize(
    ("status", "again"),
    [(200, False), (404, False), (429, True), (499, False), (500, True), (599, True)],
)
def test_statuses_worth_retrying(status, again):
    """Another attempt may succeed after 429 and 5xx."""
    assert is_retryable(status) is again


def wrapped(error: Exception) -> Exception:
    """An error inside of ``args`` and ``reason`` of others, as libraries raise it."""
    inner = RuntimeError("url with hunter2", error)
    outer = OSError("hunter2")
    outer.reason = inner  # type: ignore[attr-defined]
    return outer


class ReadTimeoutError(Exception):
    """Named as urllib3's."""


class IncompleteRead(Exception):
    """Named as urllib3's."""


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (
            socket.gaierror(-2, "Name or service not known"),
            "unknown host",
        ),
        (ConnectionRefusedError(), "connection refused"),
        (TimeoutError(), "timed out"),
        (ConnectionResetError(), "connection lost"),
        (ssl.SSLEOFError(), "connection lost"),
        (ReadTimeoutError(), "timed out"),
        (IncompleteRead(), "connection lost"),
        (ValueError("hunter2"), "the request failed (OSError)"),
    ],
)
def test_reason_of_a_failed_request(error, reason):
    """The reason of a wrapped exception is one of the known words."""
    assert describe_failure(wrapped(error)) == reason


def test_reason_of_failed_tls():
    """The reason is OpenSSL's; a connection that ends early has none."""
    untrusted = ssl.SSLCertVerificationError(1, "x")
    untrusted.verify_message = "certificate has expired"
    other = ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version number")
    other.reason = "WRONG_VERSION_NUMBER"

    assert tls_reason(wrapped(untrusted)) == "certificate has expired"
    assert tls_reason(wrapped(other)) == "wrong version number"
    assert tls_reason(wrapped(ssl.SSLEOFError())) == ""
    assert tls_reason(wrapped(ValueError())) == ""


def test_circular_causes_end():
    """Exceptions that name each other are walked once."""
    first, second = ValueError(), ValueError()
    first.__cause__, second.__cause__ = second, first

    assert describe_failure(first) == "the request failed (ValueError)"
