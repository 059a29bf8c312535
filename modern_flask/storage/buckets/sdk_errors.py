"""The errors of SDKs and the refusals of vendors as this package's errors."""

from ...failures import reason_of
from ..errors import (
    BucketNotFound,
    IntegrityError,
    InvalidRange,
    ObjectChanged,
    ObjectExists,
    ObjectNotFound,
    PermissionDenied,
    StorageError,
    StorageUnavailable,
    UnexpectedAnswer,
)

__all__ = ["TOO_SHORT", "describe_lost_answer", "make_refusal", "make_unknown_error"]

TOO_SHORT = "the object is shorter"
_TRY_LATER = {"RequestTimeout", "SlowDown", "InternalError"}
_WRONG_BYTES = {"BadDigest", "InvalidDigest"}


def make_refusal(
    status: int, code: str, request: str, operation: str, key: str, place: str
) -> StorageError:
    """The error for an answer of ``status``; it never contains the vendor's text."""
    if status in {401, 403}:
        return PermissionDenied(operation, key, place, code, request)
    if code == "NoSuchBucket":
        return BucketNotFound(place, code, request)
    if status == 404 and code != "NoSuchUpload":
        return ObjectNotFound(key, place, request)
    if status == 409 and operation == "put" and code != "OperationAborted":
        return ObjectExists(key, place, request)
    if status == 412:
        return ObjectChanged(key, place)
    if status == 416:
        return InvalidRange(key, 0, None, TOO_SHORT)
    if code in _WRONG_BYTES:
        return IntegrityError(key, place, f"they changed on the way ({code})")
    reason = f"it answered {status} {code}".rstrip()
    # COS answers the completion of an upload with 200 and an error in the body.
    if status >= 500 or status == 429 or status < 400 or code in _TRY_LATER:
        return StorageUnavailable(operation, key, place, reason, request)
    return UnexpectedAnswer(operation, key, place, reason, request)


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
