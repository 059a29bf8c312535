"""What a vendor's SDK may say in the log."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

__all__ = ["hush", "unheard"]

# Within our own calls every failure is raised; the SDK's log would tell it twice.
_unheard: ContextVar[bool] = ContextVar("modern_flask_storage_unheard", default=False)

_MISSES = ("NoSuchKey", "NoSuchResource", "NoSuchUpload")
_SECRETS = (
    "security-token",
    "Authorization",
    "StringToSign",
    "sign_key",
    "q-signature",
)


class _Discreet(logging.Filter):
    """Lets an SDK's warnings through, but no signing key, no token, no expected miss.

    At DEBUG the COS SDK prints the signing key and the Authorization header, oss2 the
    headers with the security token; at INFO both print headers with customer keys.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        if record.levelno < logging.WARNING or _unheard.get():
            return False
        text = record.getMessage()
        if any(code in text for code in _MISSES):
            return False
        if any(word in text for word in _SECRETS):
            record.msg, record.args = "(an SDK's message that holds a signature)", ()
        return True


DISCREET = _Discreet()


def hush(package: str) -> None:
    """Put the filter on every logger that ``package`` has made; again does nothing.

    A filter, since a level would not outlast the service's own logging configuration;
    on each logger, since a filter does not reach the loggers below.
    """
    for name in list(logging.Logger.manager.loggerDict):
        if name == package or name.startswith(f"{package}."):
            logging.getLogger(name).addFilter(DISCREET)


@contextmanager
def unheard() -> Iterator[None]:
    """Keep the SDKs silent: whatever happens in here is raised to the caller."""
    token = _unheard.set(True)
    try:
        yield
    finally:
        _unheard.reset(token)
