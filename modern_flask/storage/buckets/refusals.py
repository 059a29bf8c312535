"""The answers that are not right ones, as this package's errors."""

import base64
import binascii
import re
from dataclasses import dataclass

from ...waiting import parse_retry_after
from ..errors import (
    CHECK_PROXY,
    BucketNotFound,
    IntegrityError,
    InvalidRange,
    ObjectArchived,
    ObjectChanged,
    ObjectExists,
    ObjectLocked,
    ObjectNotFound,
    PermissionDenied,
    StorageError,
    StorageUnavailable,
    UnexpectedAnswer,
)
from .answers import Answer, Operation, clean_code

__all__ = ["NOT_CONCLUSIVE", "TOO_SHORT", "Refusal"]

TOO_SHORT = "the object is shorter"
NOT_CONCLUSIVE = "NoSuchUpload"
"""The code for an upload that is complete, aborted, or has never been."""

_TRY_LATER = {"RequestTimeout", "SlowDown", "InternalError"}
_NOTHING_DONE = {"RequestTimeout", "SlowDown", "ServiceUnavailable"}
_WRONG_BYTES = {"BadDigest", "InvalidDigest"}
_ARCHIVED = {"InvalidObjectState", "RestoreAlreadyInProgress"}
_LOCKED = re.compile(r"Immutable|Locked|WORM|Retention")


@dataclass(frozen=True)
class Refusal:
    """An answer that its operation does not expect.

    Args:
        answer: The answer.
        operation: The operation.
        key: The object's key.
        place: Where it went wrong, in words.
        is_head: Whether the request was a HEAD, whose answer has no body.
        forbids: Whether the request forbade to overwrite an object.
    """

    answer: Answer
    operation: Operation
    key: str
    place: str
    is_head: bool = False
    forbids: bool = False

    def make_error(self) -> StorageError:
        """The error; it never contains the vendor's text."""
        answer, code, request = self.answer, self._code, self._request
        if self._is_temporary:
            return self._make_unavailable()
        if answer.is_the_vendors and answer.status >= 400:
            known = self._find_known(answer.status, code, request)
            if known is not None:
                return known
            reason, remedy = answer.describe(code), ""
        else:
            right = self.operation.describe(answer.prefix)
            reason, remedy = f"{answer.describe(code)}, not {right}", CHECK_PROXY
        name, key = self.operation.name, self.key
        return UnexpectedAnswer(name, key, self.place, reason, request, remedy)

    def _find_known(self, status: int, code: str, request: str) -> StorageError | None:
        """The error of a class of its own, if the refusal has one."""
        key, place = self.key, self.place
        if code in _ARCHIVED:
            return ObjectArchived(self.operation.name, key, place, code, request)
        if _LOCKED.search(code):
            return ObjectLocked(self.operation.name, key, place, code, request)
        if status in {401, 403}:
            return PermissionDenied(self.operation.name, key, place, code, request)
        if code in _WRONG_BYTES:
            return IntegrityError(key, place, f"they changed on the way ({code})")
        if status == 404:
            return self._find_missing(code, request)
        if self.forbids and status == 409 and code != "OperationAborted":
            return ObjectExists(key, place, request)
        if status == 412:
            return ObjectChanged(key, place)
        if status == 416:
            return InvalidRange(key, 0, None, TOO_SHORT)
        return None

    def _find_missing(self, code: str, request: str) -> StorageError | None:
        # The answer of COS to a HEAD has no body and no code.
        silent = self.is_head and not code
        if code == "NoSuchBucket" or (silent and not self.operation.on_object):
            return BucketNotFound(self.place, code, request)
        if code == "NoSuchKey" or silent:
            return ObjectNotFound(self.key, self.place, request)
        return None

    @property
    def _is_temporary(self) -> bool:
        status = self.answer.status
        # COS answers the completion of an upload with 200 and an error in the body.
        failed_late = status < 300 and self.answer.root == "Error"
        return (
            status >= 500
            or status in {408, 429}
            or failed_late
            or self._code in _TRY_LATER
        )

    def _make_unavailable(self) -> StorageUnavailable:
        reason = self.answer.describe(self._code)
        name, key = self.operation.name, self.key
        error = StorageUnavailable(name, key, self.place, reason, self._request)
        nothing = self.answer.status in {408, 429, 503} or self._code in _NOTHING_DONE
        error.maybe_done = not nothing
        error.retry_after = parse_retry_after(
            self.answer.headers.get("retry-after", "")
        )
        return error

    @property
    def _code(self) -> str:
        """The vendor's code, of the document or of a header; empty if there is none."""
        text = self._find("Code")
        return clean_code(text or self.answer.headers.get("x-cos-error-code", ""))

    @property
    def _request(self) -> str:
        name = f"{self.answer.prefix}request-id"
        return clean_code(self.answer.headers.get(name, "") or self._find("RequestId"))

    def _find(self, name: str) -> str:
        answer = self.answer
        if answer.root == "Error":
            return answer.find_text(name)
        # OSS sends the document of an answer without a body in a header.
        encoded = answer.headers.get("x-oss-err", "")
        try:
            document = base64.b64decode(encoded, validate=True)
        except (binascii.Error, ValueError):
            return ""
        return answer.find_text(name, document) if document else ""
