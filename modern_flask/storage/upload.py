"""An upload in parts: all of it becomes an object, or none of it stays behind."""

import logging
from contextlib import suppress

from .errors import (
    StorageError,
    StorageUnavailable,
    UnexpectedAnswer,
)
from .bodies import Part, Source, part_sizes
from .bucket import Headers, Wire

__all__ = ["PartedUpload"]

logger = logging.getLogger(__name__)


class PartedUpload:
    """One object on its way.

    Args:
        storage: Where to.
        key: The object's key.
        headers: Those of a plain put.
        overwrite: Whether the completion may be asked twice.
    """

    def __init__(
        self, storage: Wire, key: str, headers: dict[str, str], overwrite: bool
    ) -> None:
        self._storage, self._key = storage, key
        self._headers, self._overwrite = headers, overwrite
        self._etags: list[str] = []
        self._id = ""

    def send(self, first: Part, source: Source, part_size: int) -> Headers:
        """Send ``first`` and what is left of ``source``; the answer to the completion.

        Raises:
            IntegrityError: A part arrived with another checksum; no object was made.
        """
        storage, key = self._storage, self._key
        self._id = storage._tried(
            "put", key, lambda: storage._begin(key, self._headers)
        )
        try:
            sizes = part_sizes(part_size)
            next(sizes)
            self._part(first)
            while not source.ended:
                with source.part(next(sizes, part_size)) as part:
                    self._part(part)
            return self._completed(source.crc64)
        except BaseException:
            self._abort()
            raise

    def _part(self, part: Part) -> None:
        storage, key, number = self._storage, self._key, len(self._etags) + 1
        answer = storage._tried(
            "put", key, lambda: storage._send(key, self._id, number, part)
        )
        storage._compare(key, part.crc64, answer)
        self._etags.append(answer["etag"])

    def _completed(self, crc64: int) -> Headers:
        storage, key = self._storage, self._key
        forbid = f"{storage.prefix}forbid-overwrite"
        headers = {
            name: self._headers[name] for name in self._headers if name == forbid
        }

        def finish() -> Headers:
            return storage._finish(key, self._id, self._etags, headers)

        try:
            return storage._tried("put", key, finish, repeatable=self._overwrite)
        except (StorageUnavailable, UnexpectedAnswer):
            # The answer to the first attempt may have been lost: then the upload is
            # gone, and the object is there.
            if self._overwrite:
                with suppress(StorageError):
                    found = storage._tried("head", key, lambda: storage._look(key))
                    if found.get(f"{storage.prefix}hash-crc64ecma") == str(crc64):
                        return found
            raise

    def _abort(self) -> None:
        storage, key = self._storage, self._key
        try:
            with storage._answers("put", key):
                storage._abort(key, self._id)
        except StorageError as error:
            if "NoSuchUpload" in getattr(error, "reason", ""):
                return
            logger.warning(
                "%s: parts of an upload stay behind: %s", storage.place, error
            )
