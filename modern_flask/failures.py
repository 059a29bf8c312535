"""Finds the causes of an exception, and its reason as a short text.

The text of an exception may contain a URL, a password or a statement. So the kit shows
one of the reasons below, which it finds by the text, and never the text itself.
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
"""Each reason, with the texts of drivers and systems that mean it."""

_KINDS: tuple[tuple[type[BaseException], str], ...] = (
    (socket.gaierror, "unknown host"),
    (ConnectionRefusedError, "connection refused"),
    (ssl.SSLCertVerificationError, "certificate refused"),
    (TimeoutError, "timed out"),
    (ConnectionError, "connection lost"),
    (ssl.SSLError, "connection lost"),
)
"""The reason for each class, the narrowest first, because a timeout is an OSError."""

_NAMES = {"IncompleteRead": "connection lost", "ProtocolError": "connection lost"}


def causes(error: BaseException) -> Iterator[BaseException]:
    """Yield ``error``, then all exceptions that caused it.

    Libraries keep them in ``__cause__``, in ``__context__``, in urllib3's ``reason``
    and in the arguments of an exception.
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
    """Return the reason, one of ``REASONS``; empty if it is not known."""
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
    """Return the class of ``error`` and its reason if known, for logs and probes.

    An example is ``OperationalError: connection refused``.
    """
    reason = reason_of(error)
    name = type(error).__name__
    return f"{name}: {reason}" if reason else name


def tls_reason(error: BaseException) -> str:
    """Return OpenSSL's reason for a failure of TLS; empty if TLS did not fail."""
    for cause in causes(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return str(cause.verify_message).rstrip(".")
        if isinstance(cause, ssl.SSLEOFError | ssl.SSLZeroReturnError):
            return ""
        if isinstance(cause, ssl.SSLError):
            reason = getattr(cause, "reason", None) or type(cause).__name__
            return str(reason).replace("_", " ").lower()
    return ""
