"""Which records of a vendor's SDK reach the log."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

__all__ = ["SDK_FILTER", "filter_sdk_logs", "silence_sdks"]

# Within our own calls every failure is raised; the SDK would log it a second time.
_silent: ContextVar[bool] = ContextVar("modern_flask_storage_silent", default=False)

_MISSES = ("NoSuchKey", "NoSuchResource", "NoSuchUpload")
_SECRETS = (
    "security-token",
    "Authorization",
    "StringToSign",
    "sign_key",
    "q-signature",
)


class _SdkFilter(logging.Filter):
    """Passes an SDK's warnings, without signing keys, tokens and expected misses.

    At DEBUG the COS SDK logs the signing key and the Authorization header, and oss2 the
    headers with the security token; at INFO both log headers with customer keys.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        if record.levelno < logging.WARNING or _silent.get():
            return False
        text = record.getMessage()
        if any(code in text for code in _MISSES):
            return False
        if any(word in text for word in _SECRETS):
            record.msg, record.args = "(an SDK's message that holds a signature)", ()
        return True


SDK_FILTER = _SdkFilter()


def filter_sdk_logs(package: str) -> None:
    """Put the filter on every logger that ``package`` has made; again does nothing.

    It is a filter, since the service's own logging configuration would replace a level;
    and it is on each logger, since a filter does not apply to the loggers below.
    """
    for name in list(logging.Logger.manager.loggerDict):
        if name == package or name.startswith(f"{package}."):
            logging.getLogger(name).addFilter(SDK_FILTER)


@contextmanager
def silence_sdks() -> Iterator[None]:
    """Drop the SDKs' records in the block: all its failures are raised."""
    token = _silent.set(True)
    try:
        yield
    finally:
        _silent.reset(token)
