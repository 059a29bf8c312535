"""How an object is sent: at once or in parts, whole or not at all."""

import logging
from contextlib import suppress

from ..bodies import Part, Source, iterate_part_sizes
from ..errors import (
    IntegrityError,
    ObjectExists,
    ObjectNotFound,
    OutcomeUnknown,
    StorageError,
    StorageUnavailable,
    UnexpectedAnswer,
)
from ..retries import is_repeatable
from .answers import ABORT, COMPLETE, HEAD, PUT, PUT_PART, START
from .bucket import Bucket
from .headers import Headers
from .refusals import NOT_CONCLUSIVE

__all__ = ["MultipartUpload", "put_at_once"]

logger = logging.getLogger(__name__)

_CLEAN_UP = (
    15.0  # seconds for the deletion of parts, when the upload has failed already
)


def put_at_once(
    bucket: Bucket, key: str, part: Part, headers: dict[str, str], overwrite: bool
) -> Headers:
    """Store an object in one request; the answer.

    Bytes that changed on the way are sent again: the vendor compares them with
    Content-MD5 before it stores them.

    Raises:
        IntegrityError: They changed on the way each time.
        ObjectExists, OutcomeUnknown: Only without ``overwrite``.
    """
    headers = {**headers, "Content-MD5": part.md5}
    if not overwrite:
        return _NewObject(bucket, key, part, headers).put()

    def send() -> Headers:
        answer = bucket.put(key, part, headers)
        bucket.check_crc64(key, part.crc64, answer)
        return answer

    return bucket.call(PUT, key, send, size=part.size, repeat=_is_worth_resending)


def _is_worth_resending(error: StorageError) -> bool:
    return isinstance(error, IntegrityError) or is_repeatable(error)


class _NewObject:
    """A put that must not overwrite.

    It is repeated where the answer says that nothing was stored. Where the answer was
    lost, the object is looked for: none is there, or another one, or one with the same
    bytes. The last may be ours, or that of another writer who stores the same bytes
    under this key, so that is neither a success nor a failure.
    """

    def __init__(
        self, bucket: Bucket, key: str, part: Part, headers: dict[str, str]
    ) -> None:
        self._bucket, self._key = bucket, key
        self._part, self._headers = part, headers
        self._lost: StorageUnavailable | None = None

    def put(self) -> Headers:
        bucket, part = self._bucket, self._part
        try:
            answer = bucket.call(
                PUT,
                self._key,
                lambda: bucket.put(self._key, part, self._headers),
                size=part.size,
                repeat=self._is_repeatable,
            )
        except ObjectExists:
            if self._lost is not None:
                # It may be the object of an attempt that went through late.
                self._look(self._lost)
            raise
        except StorageUnavailable as error:
            if self._lost is None or isinstance(error, OutcomeUnknown):
                raise
            reason = f"{self._lost.reason}, and no object was there shortly afterwards"
            raise self._make_unknown(reason) from error
        # There is nothing to send again: this put may not replace what it stored.
        bucket.check_crc64(self._key, part.crc64, answer)
        return answer

    def _is_repeatable(self, error: StorageError) -> bool:
        if isinstance(error, StorageUnavailable) and error.maybe_done:
            self._lost = error
            return not self._look(error)
        return _is_worth_resending(error)

    def _look(self, lost: StorageUnavailable) -> bool:
        """Look for the object after a lost answer; return whether there is one.

        Raises:
            ObjectExists: It has other bytes.
            OutcomeUnknown: It has the same bytes, or could not be looked for.
        """
        bucket, key, part = self._bucket, self._key, self._part
        try:
            found = bucket.call(HEAD, key, lambda: bucket.head(key))
        except ObjectNotFound:
            return False
        except StorageError as error:
            reason = f"{lost.reason}, and what is there could not be found out"
            raise self._make_unknown(reason) from error
        crc = found.get(f"{bucket.prefix}hash-crc64ecma")
        same = crc == str(part.crc64)
        if crc is None:
            same = found["etag"].strip('"').lower() == part.etag
        if same and found["content-length"] == str(part.size):
            reason = f"{lost.reason}, and an object with the same bytes is there"
            raise self._make_unknown(reason) from lost
        raise ObjectExists(key, bucket.place) from lost

    def _make_unknown(self, reason: str) -> OutcomeUnknown:
        return OutcomeUnknown(PUT.name, self._key, self._bucket.place, reason)


class MultipartUpload:
    """One object that is sent in parts.

    Args:
        bucket: Where the object is stored.
        key: The object's key.
        headers: Those of a plain put.
        overwrite: Whether an object that is there may be replaced.
    """

    def __init__(
        self, bucket: Bucket, key: str, headers: dict[str, str], overwrite: bool
    ) -> None:
        self._bucket, self._key = bucket, key
        self._headers, self._overwrite = headers, overwrite
        self._etags: list[str] = []
        self._id = ""

    def send(self, first: Part, source: Source, part_size: int) -> Headers:
        """Send ``first`` and the rest of ``source``; the answer to the completion.

        Raises:
            IntegrityError: A part changed on the way each time it was sent; no object
                was made.
        """
        bucket, key = self._bucket, self._key
        self._id = bucket.call(
            START, key, lambda: bucket.start_upload(key, self._headers)
        )
        try:
            sizes = iterate_part_sizes(part_size)
            next(sizes)
            self._send_part(first)
            while not source.has_ended:
                with source.read_part(next(sizes, part_size)) as part:
                    self._send_part(part)
            answer = self._complete(source.crc64)
            bucket.check_crc64(key, source.crc64, answer)
        except BaseException:
            self._abort()
            raise
        return answer

    def _send_part(self, part: Part) -> None:
        bucket, key, number = self._bucket, self._key, len(self._etags) + 1

        def send() -> Headers:
            answer = bucket.put_part(key, self._id, number, part)
            bucket.check_crc64(key, part.crc64, answer)
            return answer

        answer = bucket.call(
            PUT_PART, key, send, size=part.size, repeat=_is_worth_resending
        )
        self._etags.append(answer["etag"])

    def _complete(self, crc64: int) -> Headers:
        """Make the object of the parts; an upload can be completed only once."""
        bucket, key = self._bucket, self._key
        forbid = f"{bucket.prefix}forbid-overwrite"
        headers = {
            name: self._headers[name] for name in self._headers if name == forbid
        }
        lost: list[StorageError] = []

        def is_lost(error: StorageError) -> bool:
            if getattr(error, "maybe_done", False):
                lost.append(error)
            return is_repeatable(error)

        try:
            return bucket.call(
                COMPLETE,
                key,
                lambda: bucket.complete_upload(key, self._id, self._etags, headers),
                repeat=is_lost,
            )
        except (ObjectExists, StorageUnavailable, UnexpectedAnswer) as error:
            found = self._find_completed(crc64) if lost else None
            if found is None:
                raise
            # The id is ours alone. If the upload is gone, our completion went through.
            if self._overwrite or NOT_CONCLUSIVE in getattr(error, "reason", ""):
                return found
            reason = "the answer was lost, and an object with the same bytes is there"
            raise OutcomeUnknown(PUT.name, key, bucket.place, reason) from error

    def _find_completed(self, crc64: int) -> Headers | None:
        """The headers of the object, if it has the bytes of this upload."""
        bucket, key = self._bucket, self._key
        with suppress(StorageError):
            found = bucket.call(HEAD, key, lambda: bucket.head(key))
            if found.get(f"{bucket.prefix}hash-crc64ecma") == str(crc64):
                return found
        return None

    def _abort(self) -> None:
        bucket, key = self._bucket, self._key

        def abort() -> None:
            bucket.abort_upload(key, self._id)

        try:
            bucket.call(ABORT, key, abort, within=_CLEAN_UP)
        except StorageError as error:
            if NOT_CONCLUSIVE in getattr(error, "reason", ""):
                return
            logger.warning(
                "%s: parts of an upload stay behind: %s", bucket.place, error
            )
