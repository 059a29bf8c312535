"""The client of a bucket over HTTP: parts, checksums, retries and pages."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Any

from ...waiting import Deadline
from ..bodies import PART, Body, Source
from ..checksums import Crc64
from ..client import Client, Page
from ..errors import (
    InvalidRange,
    ObjectChanged,
    ObjectNotFound,
    PermissionDenied,
    UnexpectedAnswer,
)
from ..keys import decode_value, encode_value, is_portable
from ..object_info import ObjectInfo
from ..reader import ObjectReader, Stream
from .answers import DELETE, GET, HEAD, LIST, LIST_BUCKETS, RANGE
from .bucket import Bucket
from .headers import Headers, make_range, parse_date
from .refusals import TOO_SHORT
from .upload import MultipartUpload, put_at_once

__all__ = ["BucketClient"]


class BucketClient(Client):
    """What COS and OSS have in common, over the requests of one of them.

    Args:
        bucket: The vendor's requests.
        part_size: Bytes. Larger bodies are sent in parts of this size; a part is in
            memory up to 8 MiB and in a temporary file beyond.
    """

    def __init__(self, bucket: Bucket, part_size: int = PART) -> None:
        self.bucket, self.vendor = bucket, bucket.vendor
        self._part_size = part_size

    @property
    def raw(self) -> Any:
        return self.bucket.raw

    @property
    def place(self) -> str:
        return self.bucket.place

    def put(
        self,
        key: str,
        body: Body,
        content_type: str,
        metadata: Mapping[str, str],
        overwrite: bool,
    ) -> ObjectInfo:
        bucket = self.bucket
        headers = {"Content-Type": content_type}
        for name, value in metadata.items():
            headers[f"{bucket.prefix}meta-{name}"] = encode_value(value)
        if not overwrite:
            headers[f"{bucket.prefix}forbid-overwrite"] = "true"
        source = Source(body)
        with source.read_part(self._part_size) as first:
            if source.has_ended:
                answer = put_at_once(bucket, key, first, headers, overwrite)
            else:
                upload = MultipartUpload(bucket, key, headers, overwrite)
                answer = upload.send(first, source, self._part_size)
        return ObjectInfo(
            key,
            source.size,
            answer["etag"].strip('"'),
            parse_date(answer),
            content_type,
            dict(metadata),
        )

    def get(self, key: str, start: int, end: int | None) -> ObjectReader:
        try:
            headers, body = self._open(key, make_range(start, end))
        except InvalidRange as error:
            raise InvalidRange(key, start, end, TOO_SHORT) from error
        try:
            info = self._read_info("get", key, headers)
            stop = info.size if end is None else min(end, info.size)
            self._check_range(key, headers, start, stop)
        except BaseException:
            body.close()
            raise
        crc = headers.get(f"{self.bucket.prefix}hash-crc64ecma", "")
        whole = start == 0 and stop == info.size and crc.isdecimal()

        def resume(offset: int) -> Stream:
            return self._resume(key, info.etag, start + offset, stop)

        return ObjectReader(
            info,
            self.place,
            body,
            stop - start,
            checksum=Crc64() if whole else None,
            expected=int(crc) if whole else None,
            resume=resume,
        )

    def _open(self, key: str, headers: dict[str, str]) -> tuple[Headers, Stream]:
        bucket, operation = self.bucket, RANGE if headers.get("Range") else GET
        return bucket.call(operation, key, lambda: bucket.get(key, headers))

    def _check_range(self, key: str, headers: Headers, start: int, stop: int) -> None:
        """Refuse the answer if its bytes are not those from ``start`` to ``stop``."""
        length, span = headers["content-length"], headers.get("content-range")
        right = f"bytes {start}-{stop - 1}/"
        if length != str(stop - start) or not (span or right).startswith(right):
            reason = f"its answer has other bytes than the range {start}:{stop}"
            raise UnexpectedAnswer("get", key, self.place, reason)

    def _resume(self, key: str, etag: str, start: int, stop: int) -> Stream:
        bucket = self.bucket
        headers = make_range(start, stop) | {"If-Match": bucket.quote_etag(etag)}
        try:
            answer, body = self._open(key, headers)
        except (ObjectNotFound, InvalidRange) as error:
            raise ObjectChanged(key, self.place) from error
        try:
            if answer["etag"].strip('"') != etag:
                raise ObjectChanged(key, self.place)
            self._check_range(key, answer, start, stop)
        except BaseException:
            body.close()
            raise
        return body

    def _read_info(self, operation: str, key: str, headers: Headers) -> ObjectInfo:
        try:
            meta = f"{self.bucket.prefix}meta-"
            total = headers.get("content-range", "").rpartition("/")[2]
            return ObjectInfo(
                key,
                int(total or headers["content-length"]),
                headers["etag"].strip('"'),
                parsedate_to_datetime(headers["last-modified"]),
                headers.get("content-type"),
                {
                    name.removeprefix(meta): decode_value(value)
                    for name, value in headers.items()
                    if name.startswith(meta)
                },
            )
        except ValueError as error:
            reason = "its answer has no usable size or date"
            raise UnexpectedAnswer(operation, key, self.place, reason) from error

    def head(self, key: str) -> ObjectInfo:
        bucket = self.bucket
        try:
            headers = bucket.call(HEAD, key, lambda: bucket.head(key))
        except ObjectNotFound:
            bucket.check_bucket()
            raise
        return self._read_info("head", key, headers)

    def delete(self, key: str) -> None:
        bucket = self.bucket
        with suppress(ObjectNotFound):
            bucket.call(DELETE, key, lambda: bucket.delete(key))

    def list_pages(self, prefix: str, limit: int | None) -> Iterator[Page]:
        # Only the first page may be small: if many keys are hidden, small pages would
        # cost a request for each of them.
        most = self.page_size if limit is None else min(limit, self.page_size)
        after = ""
        while True:
            request = partial(self.bucket.list_page, prefix, after, most)
            page, following = self.bucket.call(LIST, prefix, request)
            yield [info for info in page if is_portable(info.key)]
            if not following:
                return
            if following == after:
                reason = "its answer leads to the same page again"
                raise UnexpectedAnswer("list", prefix, self.place, reason)
            after, most = following, self.page_size

    def url(self, key: str, expires: int, method: str, content_type: str | None) -> str:
        return self.bucket.url(key, expires, method, content_type)

    def ping(self, timeout: float) -> None:
        bucket, deadline = self.bucket, Deadline(timeout)
        if bucket.name:
            # OSS is asked for an object that nobody stores.
            operation = bucket.ping_operation
            with suppress(ObjectNotFound), bucket.exchange(operation, "", deadline):
                bucket.ping()
            return
        try:
            with bucket.exchange(LIST_BUCKETS, "", deadline):
                bucket.list_buckets()
        except PermissionDenied as error:
            # The vendor knows us; we only may not list buckets.
            if error.code != "AccessDenied":
                raise
