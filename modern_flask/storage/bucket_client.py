"""What COS and OSS have in common: headers, parts, checksums, pages."""

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import suppress
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Any

from .errors import (
    InvalidRange,
    NoBucket,
    ObjectChanged,
    ObjectNotFound,
    PermissionDenied,
    UnexpectedAnswer,
)
from .storage import Body, ObjectInfo, Page
from .keys import check_key, is_portable, readable, wired
from .reader import ObjectReader, Stream
from .bodies import PART, Crc64, Source
from .upload import PartedUpload
from .bucket import Headers, Wire, dated, ranged

__all__ = ["RemoteStorage"]

_METHODS = ("GET", "HEAD", "PUT", "DELETE")
_PAGE = 1000  # objects: the most that COS and OSS list at once


class RemoteStorage(Wire):
    """A bucket of a vendor that speaks HTTP.

    Args:
        bucket: Its name; empty for a storage of which only ``raw`` is used.
        part_size: Bytes. Larger bodies go up in parts of this size; a part is in memory
            up to 8 MiB and in a temporary file beyond.
        bucket_key: The setting to name where the bucket is missing.
    """

    _raw: Any

    def __init__(
        self, bucket: str, part_size: int = PART, bucket_key: str = "STORAGE_BUCKET"
    ) -> None:
        self._name, self._part_size, self._bucket_key = bucket, part_size, bucket_key

    @property
    def raw(self) -> Any:
        return self._raw

    @property
    def place(self) -> str:
        return f"{self.vendor} bucket {self._name}" if self._name else self.vendor

    def _no_bucket(self) -> NoBucket:
        return NoBucket(self.vendor, self._bucket_key)

    def _put(
        self,
        key: str,
        body: Body,
        content_type: str,
        metadata: Mapping[str, str],
        overwrite: bool,
    ) -> ObjectInfo:
        headers = {"Content-Type": content_type}
        for name, value in metadata.items():
            headers[f"{self.prefix}meta-{name}"] = wired(value)
        if not overwrite:
            headers[f"{self.prefix}forbid-overwrite"] = "true"
        source = Source(body)
        with source.part(self._part_size) as first:
            if source.ended:
                answer = self._tried(
                    "put", key, lambda: self._write(key, first, headers), overwrite
                )
            else:
                parted = PartedUpload(self, key, headers, overwrite)
                answer = parted.send(first, source, self._part_size)
        self._compare(key, source.crc64, answer)
        return ObjectInfo(
            key,
            source.size,
            answer["etag"].strip('"'),
            dated(answer),
            content_type,
            dict(metadata),
        )

    def _get(self, key: str, start: int, end: int | None) -> ObjectReader:
        asked = ranged(start, end)
        try:
            headers, body = self._tried("get", key, lambda: self._open(key, asked))
        except InvalidRange as error:
            reason = "the object ends before"
            raise InvalidRange(key, start, end, reason) from error
        try:
            info = self._info(key, headers)
            stop = info.size if end is None else min(end, info.size)
            length = int(headers["content-length"])
            if length != stop - start:
                reason = f"{length} bytes came for the range {start}:{stop}"
                raise UnexpectedAnswer("get", key, self.place, reason)
        except BaseException:
            body.close()
            raise
        crc = headers.get(f"{self.prefix}hash-crc64ecma")
        whole = start == 0 and stop == info.size and crc is not None

        def resume(offset: int) -> Stream:
            return self._resumed(key, info.etag, start + offset, stop)

        return ObjectReader(
            info,
            self.place,
            body,
            length,
            checksum=Crc64() if whole else None,
            expected=int(crc) if whole and crc else None,
            resume=resume,
        )

    def _resumed(self, key: str, etag: str, start: int, stop: int) -> Stream:
        headers = ranged(start, stop) | {"If-Match": self._quoted(etag)}
        try:
            answer, body = self._tried("get", key, lambda: self._open(key, headers))
        except (ObjectNotFound, InvalidRange) as error:
            raise ObjectChanged(key, self.place) from error
        if answer.get("etag", "").strip('"') != etag:
            body.close()
            raise ObjectChanged(key, self.place)
        return body

    def _quoted(self, etag: str) -> str:
        return f'"{etag}"'

    def _info(self, key: str, headers: Headers) -> ObjectInfo:
        try:
            meta = f"{self.prefix}meta-"
            total = headers.get("content-range", "").rpartition("/")[2]
            return ObjectInfo(
                key,
                int(total or headers["content-length"]),
                headers["etag"].strip('"'),
                parsedate_to_datetime(headers["last-modified"]),
                headers.get("content-type"),
                {
                    name.removeprefix(meta): readable(value)
                    for name, value in headers.items()
                    if name.startswith(meta)
                },
            )
        except (KeyError, ValueError) as error:
            reason = f"its answer has no usable {error.args[0]}"
            raise UnexpectedAnswer("get", key, self.place, reason) from error

    def _head(self, key: str) -> ObjectInfo:
        return self._info(key, self._tried("head", key, lambda: self._look(key)))

    def _delete(self, key: str) -> None:
        with suppress(ObjectNotFound):
            self._tried("delete", key, lambda: self._remove(key))

    def _list(self, prefix: str, limit: int | None) -> Iterator[Page]:
        most = _PAGE if limit is None else min(limit, _PAGE)
        after = ""
        while True:
            call = partial(self._page, prefix, after, most)
            page, after = self._tried("list", prefix, call)
            yield [info for info in page if is_portable(info.key)]
            if not after:
                return

    def url(self, key: str, *, expires: int = 3600, method: str = "GET") -> str:
        """A URL that lets whoever has it do ``method`` for ``expires`` seconds.

        Raises:
            ValueError: A method without presigned URLs, or no time at all.
            Unsupported: Longer than the vendor's signatures last.
        """
        check_key(key)
        if method not in _METHODS:
            raise ValueError(f"method must be one of {', '.join(_METHODS)}.")
        if expires < 1:
            raise ValueError(f"expires must be at least 1 second, it is {expires}.")
        return self._sign(key, expires, method)

    def _ping(self, timeout: float) -> None:
        with self._answers("answer a ping", ""):
            if self._name:
                self._reach_bucket(timeout)
                return
            try:
                self._list_buckets(timeout)
            except Exception as error:
                fault = self._fault(error, "answer a ping", "")
                # Known, and allowed to less than listing buckets: it serves us.
                if isinstance(fault, PermissionDenied) and fault.code == "AccessDenied":
                    return
                raise

    @abstractmethod
    def _reach_bucket(self, timeout: float) -> None:
        """Ask for the bucket; no wait lasts longer than ``timeout`` seconds."""

    @abstractmethod
    def _list_buckets(self, timeout: float) -> None:
        """Ask for one bucket of the account's, within ``timeout`` seconds."""
