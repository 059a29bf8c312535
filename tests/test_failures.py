"""What an exception was caused by, and its reason in two words."""

import socket
import ssl

import pytest

from modern_flask.failures import causes, describe, reason_of, tls_reason


class Wrapped(Exception):
    """As urllib3 does it: the cause is an attribute."""

    def __init__(self, reason: Exception) -> None:
        self.reason = reason
        super().__init__("wrapped")


class ReadTimeout(Exception):
    """As requests and urllib3 name theirs: no subclass of TimeoutError."""


def test_causes_are_found_wherever_libraries_keep_them() -> None:
    """The cause, the context, the ``reason`` and the arguments are all followed."""
    root, middle = OSError("root"), ValueError("middle")
    middle.__cause__ = root
    outer = RuntimeError("outer", Wrapped(middle))
    outer.__context__ = KeyError("context")

    assert {str(each) for each in causes(outer)} >= {"root", "middle", "'context'"}


def test_causes_of_a_circle_end() -> None:
    """Exceptions that name each other as their cause are each given once."""
    one, two = ValueError("one"), ValueError("two")
    one.__cause__, two.__cause__ = two, one

    assert list(causes(one)) == [one, two]


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ConnectionRefusedError(111, "Connection refused"), "connection refused"),
        (socket.gaierror(-2, "Name or service not known"), "unknown host"),
        (socket.gaierror(-99, "in another language"), "unknown host"),
        (TimeoutError(), "timed out"),
        (ReadTimeout("read"), "timed out"),
        (Wrapped(ConnectionResetError(104, "x")), "connection lost"),
        (Exception("FATAL: password authentication failed"), "credentials refused"),
        (ssl.SSLCertVerificationError("self-signed"), "certificate refused"),
        (OSError(28, "No space left on device"), "disk full"),
        (ValueError("anything else"), ""),
    ],
)
def test_reason_is_one_of_few_words(error: Exception, reason: str) -> None:
    """The reason comes from the text or the class of whatever caused the error."""
    assert reason_of(error) == reason


def test_description_holds_no_text_of_the_error() -> None:
    """The class and the reason are shown; the text may hold a secret."""
    error = ConnectionRefusedError("redis://:hunter2@host: connection refused")

    assert describe(error) == "ConnectionRefusedError: connection refused"
    assert describe(ValueError("hunter2")) == "ValueError"


def test_tls_reason_is_in_the_words_of_openssl() -> None:
    """A certificate's fault is named; a connection that ended is not one of TLS."""
    refused = ssl.SSLCertVerificationError("x")
    refused.verify_message = "certificate has expired."

    assert tls_reason(Wrapped(refused)) == "certificate has expired"
    assert tls_reason(ssl.SSLEOFError()) == ""
    assert tls_reason(ValueError()) == ""
