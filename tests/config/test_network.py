"""Patience, bounded bodies, and the reasons of failures."""

import io
import socket
import ssl
import threading

import pytest

from modern_flask.config.errors import MalformedAnswer, SourceUnreachable, TooLarge
from modern_flask.config.network import (
    Patience,
    Transient,
    persistently,
    read_body,
    tls_failure,
    why,
    within,
    worth_retrying,
)


class Failing:
    """Fails so many times, then answers."""

    def __init__(self, times: int) -> None:
        self.left = times

    def __call__(self) -> str:
        self.left -= 1
        if self.left >= 0:
            raise Transient("status 503")
        return "answer"


class Chunks(io.BytesIO):
    """A body in pieces, counting what was asked for."""

    def read1(self, amt: int | None = -1, decode_content: bool = False) -> bytes:
        assert decode_content is False
        return super().read1(min(amt or 0, 10))


def test_first_success_needs_no_pause(pauses):
    """An answer at once is taken at once."""
    assert persistently("source", Failing(0), pauses.patience()) == "answer"
    assert pauses == []


def test_six_attempts_with_growing_pauses(pauses):
    """Six attempts: pauses from 1 s, each 1.1 times the last, as Spring Cloud's."""
    assert persistently("source", Failing(5), pauses.patience()) == "answer"
    assert pauses == pytest.approx([1, 1.1, 1.21, 1.331, 1.4641])


def test_pauses_are_capped(pauses):
    """No pause is longer than 2 s."""
    persistently("source", Failing(11), pauses.patience(total=60, attempts=12))

    assert max(pauses) == 2.0


def test_jitter_lengthens_by_a_tenth_at_most():
    """Processes that start together don't ask together."""
    pauses: list[float] = []
    patience = Patience(20.0, sleep=pauses.append, chance=lambda: 1.0)

    persistently("source", Failing(2), patience)

    assert pauses == pytest.approx([1.1, 1.21])


def test_attempts_run_out(pauses):
    """After the last attempt the reason of the last failure is told."""
    with pytest.raises(SourceUnreachable) as caught:
        persistently("https://git/x.py", Failing(9), pauses.patience())

    assert str(caught.value) == (
        "https://git/x.py can't be reached: status 503.\n"
        "  tried    6 attempts\n"
        "  check    address, network and proxy, and that the server is up"
    )
    assert len(pauses) == 5


def test_no_pause_beyond_the_deadline():
    """An attempt that could not begin in time is not waited for."""
    now, pauses = [0.0], []

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        now[0] += seconds

    patience = Patience(2.5, clock=lambda: now[0], sleep=sleep, chance=lambda: 0.0)

    with pytest.raises(SourceUnreachable) as caught:
        persistently("source", Failing(9), patience)

    assert caught.value.attempts == 3
    assert pauses == pytest.approx([1.0, 1.1])


def test_other_exceptions_are_not_retried(pauses):
    """Only what may pass is tried again."""

    def broken() -> None:
        raise LookupError("once")

    with pytest.raises(LookupError):
        persistently("source", broken, pauses.patience())
    assert pauses == []


def test_work_that_never_ends_is_left():
    """A deadline holds for work that waits for ever in whatever call."""
    end = threading.Event()

    with pytest.raises(Transient, match=r"^no complete answer in time$"):
        within(0.05, end.wait)
    end.set()


def test_body_up_to_the_limit():
    """A body as long as the limit is whole."""
    assert read_body("source", Chunks(b"x" * 100), None, "100", 100) == b"x" * 100
    assert read_body("source", Chunks(b"x"), "identity", None, 100) == b"x"


@pytest.mark.parametrize("length", [None, "1", "1000000"])
def test_body_over_the_limit(length):
    """A longer body is refused, whatever its Content-Length says, and not read."""
    body = Chunks(b"x" * 1_000_000)

    with pytest.raises(TooLarge) as caught:
        read_body("https://git/x.py", body, None, length, 1000)

    assert str(caught.value) == (
        "https://git/x.py is larger than 1,000 bytes.\n"
        "  mend     check that it is the configuration"
    )
    assert body.tell() <= 1010


def test_compressed_body():
    """A compressed body is refused, unread."""
    body = Chunks(b"x")

    with pytest.raises(MalformedAnswer) as caught:
        read_body("https://git/x.py", body, "gzip", None, 1000)

    assert str(caught.value) == (
        "https://git/x.py: the answer is compressed, "
        "although it was asked for as it is.\n"
        "  mend     serve the file without Content-Encoding"
    )
    assert body.tell() == 0


@pytest.mark.parametrize(
    ("status", "again"),
    [(200, False), (404, False), (429, True), (499, False), (500, True), (599, True)],
)
def test_statuses_worth_retrying(status, again):
    """429 and 5xx say to come again."""
    assert worth_retrying(status) is again


def wrapped(error: Exception) -> Exception:
    """As client libraries hide it: in ``args`` and ``reason`` of others."""
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
            "the host name is not known",
        ),
        (ConnectionRefusedError(), "connection refused"),
        (TimeoutError(), "no answer in time"),
        (ConnectionResetError(), "the connection broke"),
        (ssl.SSLEOFError(), "the connection broke"),
        (ReadTimeoutError(), "no answer in time"),
        (IncompleteRead(), "the connection broke"),
        (ValueError("hunter2"), "the request failed (OSError)"),
    ],
)
def test_reason_of_a_failed_request(error, reason):
    """The reason is found inside of the library's exceptions, in our words."""
    assert why(wrapped(error)) == reason


def test_reason_of_failed_tls():
    """OpenSSL's reason is told; a connection that ends early has none."""
    untrusted = ssl.SSLCertVerificationError(1, "x")
    untrusted.verify_message = "certificate has expired"
    other = ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version number")
    other.reason = "WRONG_VERSION_NUMBER"

    assert tls_failure(wrapped(untrusted)) == "certificate has expired"
    assert tls_failure(wrapped(other)) == "wrong version number"
    assert tls_failure(wrapped(ssl.SSLEOFError())) == ""
    assert tls_failure(wrapped(ValueError())) == ""


def test_circular_causes_end():
    """Exceptions that name each other are walked once."""
    first, second = ValueError(), ValueError()
    first.__cause__, second.__cause__ = second, first

    assert why(first) == "the request failed (ValueError)"
