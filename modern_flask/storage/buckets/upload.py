"""A multipart upload: all of it becomes an object, or none of it stays behind."""

import logging
from contextlib import suppress

from ..bodies import Part, Source, iterate_part_sizes
from ..errors import (
    StorageError,
    StorageUnavailable,
    UnexpectedAnswer,
)
from .bucket import Bucket
from .headers import Headers

__all__ = ["MultipartUpload"]

logger = logging.getLogger(__name__)


class MultipartUpload:
    """One object that is sent in parts.

    Args:
        bucket: Where the object is stored.
        key: The object's key.
        headers: Those of a plain put.
        overwrite: Whether the completion may be requested twice.
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
            IntegrityError: A part arrived with another checksum; no object was made.
        """
        bucket, key = self._bucket, self._key
        self._id = bucket.call(
            "put", key, lambda: bucket.start_upload(key, self._headers)
        )
        try:
            sizes = iterate_part_sizes(part_size)
            next(sizes)
            self._send_part(first)
            while not source.has_ended:
                with source.read_part(next(sizes, part_size)) as part:
                    self._send_part(part)
            return self._complete(source.crc64)
        except BaseException:
            self._abort()
            raise

    def _send_part(self, part: Part) -> None:
        bucket, key, number = self._bucket, self._key, len(self._etags) + 1
        answer = bucket.call(
            "put", key, lambda: bucket.put_part(key, self._id, number, part)
        )
        bucket.check_crc64(key, part.crc64, answer)
        self._etags.append(answer["etag"])

    def _complete(self, crc64: int) -> Headers:
        bucket, key = self._bucket, self._key
        forbid = f"{bucket.prefix}forbid-overwrite"
        headers = {
            name: self._headers[name] for name in self._headers if name == forbid
        }

        def complete() -> Headers:
            return bucket.complete_upload(key, self._id, self._etags, headers)

        try:
            return bucket.call("put", key, complete, repeatable=self._overwrite)
        except (StorageUnavailable, UnexpectedAnswer):
            # The answer to the first attempt may have been lost: then the upload no
            # longer exists, and the object does.
            if self._overwrite:
                with suppress(StorageError):
                    found = bucket.call("head", key, lambda: bucket.head(key))
                    if found.get(f"{bucket.prefix}hash-crc64ecma") == str(crc64):
                        return found
            raise

    def _abort(self) -> None:
        bucket, key = self._bucket, self._key
        try:
            with bucket.translate_errors("put", key):
                bucket.abort_upload(key, self._id)
        except StorageError as error:
            if "NoSuchUpload" in getattr(error, "reason", ""):
                return
            logger.warning(
                "%s: parts of an upload stay behind: %s", bucket.place, error
            )
