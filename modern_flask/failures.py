"""What an exception was caused by, and its reason in two words.

The text of an exception may hold a URL, a password or a statement: what is shown to
others is one of the reasons below, found in the text, and never the text itself.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator

__all__ = ["REASONS", "causes", "describe", "reason_of", "tls_reason"]

REASONS = {
    "connection refused": ("connection refused",),
    "timed out": ("timed out", "timeout expired", "nothing came in", "no answer in"),
    "unknown host": (
        *("name or service not known", "nodename nor servname provided"),
        *("name resolution", "could not translate host name", "failed to resolve"),
        *("no address associated", "getaddrinfo failed"),
    ),
    "no route": ("no route to host", "network is unreachable"),
    "connection lost": (
        *("connection reset", "connection closed by server", "broken pipe"),
        *("server closed the connection", "lost connection", "gone away"),
        *("remote end closed connection", "incompleteread"),
    ),
    "credentials refused": (
        *("password authentication failed", "no password supplied", "wrongpass"),
        *("authentication required", "invalid username-password", "access denied"),
        *("access_refused", "access refused", "invalidaccesskeyid"),
        *("signaturedoesnotmatch", "accessdenied"),
    ),
    "certificate refused": ("certificate verify failed",),
    "too many connections": (
        *("too many connections", "too many clients", "max number of clients"),
        "remaining connection slots",
    ),
    "still loading": ("loading the dataset", "the database system is starting up"),
    "disk full": ("no space left on device",),
    "not permitted": ("permission denied", "read-only file system"),
    "not there": (
        *("no such file or directory", "unable to open database file"),
        *("nosuchbucket", "unknown database"),
    ),
}
"""Each reason, and what drivers and systems call it in their texts."""

_KINDS: tuple[tuple[type[BaseException], str], ...] = (
    (socket.gaierror, "unknown host"),
    (ConnectionRefusedError, "connection refused"),
    (ssl.SSLCertVerificationError, "certificate refused"),
    (TimeoutError, "timed out"),
    (ConnectionError, "connection lost"),
    (ssl.SSLError, "connection lost"),
)
"""What an exception's class says, the narrowest first: a timeout is an OSError."""

_NAMES = {"IncompleteRead": "connection lost", "ProtocolError": "connection lost"}


def causes(error: BaseException) -> Iterator[BaseException]:
    """``error``, then all that it was made from, wherever libraries keep it.

    That is ``__cause__``, ``__context__``, urllib3's ``reason`` and the exceptions
    among its arguments.
    """
    seen: set[int] = set()
    waiting: list[object] = [error]
    for found in waiting:
        if isinstance(found, BaseException) and id(found) not in seen:
            seen.add(id(found))
            yield found
            waiting += [found.__cause__, found.__context__]
            waiting += [getattr(found, "reason", None), *found.args]


def reason_of(error: BaseException) -> str:
    """The reason in one of the words of ``REASONS``; empty where it is not known."""
    chain = list(causes(error))
    for cause in chain:
        text = str(cause).lower()
        for reason, phrases in REASONS.items():
            if any(phrase in text for phrase in phrases):
                return reason
    for kind, reason in _KINDS:
        if any(isinstance(cause, kind) for cause in chain):
            return reason
    names = [type(cause).__name__ for cause in chain]
    if any("Timeout" in name for name in names):
        return "timed out"
    return next((_NAMES[name] for name in names if name in _NAMES), "")


def describe(error: BaseException) -> str:
    """The class of ``error``, and its reason where it is known: for logs and probes.

    ``OperationalError: connection refused``
    """
    reason = reason_of(error)
    name = type(error).__name__
    return f"{name}: {reason}" if reason else name


def tls_reason(error: BaseException) -> str:
    """Why TLS failed, in OpenSSL's words; empty where TLS did not fail."""
    for cause in causes(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return str(cause.verify_message).rstrip(".")
        if isinstance(cause, ssl.SSLEOFError | ssl.SSLZeroReturnError):
            return ""
        if isinstance(cause, ssl.SSLError):
            reason = getattr(cause, "reason", None) or type(cause).__name__
            return str(reason).replace("_", " ").lower()
    return ""
