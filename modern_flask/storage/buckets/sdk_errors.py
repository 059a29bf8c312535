"""The errors of SDKs as this package's errors."""

from ...failures import reason_of
from ..errors import StorageError, StorageUnavailable, UnexpectedAnswer

__all__ = ["describe_lost_answer", "make_unknown_error"]


def make_unknown_error(
    error: Exception, operation: str, key: str, place: str
) -> StorageError:
    """The error for an exception that an SDK lets through from below.

    Lost connections come as OSError, from urllib3 itself, or as the UnboundLocalError
    of a COS SDK that could not send a body twice. An answer that an SDK can't parse
    comes as any exception of its parser.
    """
    from urllib3.exceptions import HTTPError

    if isinstance(error, OSError | HTTPError | UnboundLocalError):
        return StorageUnavailable(operation, key, place, describe_lost_answer(error))
    reason = f"its answer can't be read ({type(error).__name__})"
    return UnexpectedAnswer(operation, key, place, reason)


def describe_lost_answer(error: BaseException) -> str:
    """The class of a network error and its reason, such as ``connection refused``.

    Where no reason is known it is the class of the error below. The error's own text
    may contain URLs and is never used.
    """
    name = type(error).__name__
    below = getattr(error.args[0] if error.args else None, "reason", None)
    reason = reason_of(error)
    if not reason and isinstance(below, Exception):
        reason = type(below).__name__
    return f"{name}: {reason}" if reason else name
