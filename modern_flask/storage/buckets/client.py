"""The client of a bucket over HTTP: parts, checksums, retries and pages."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Any

from ..bodies import PART, Body, Source
from ..checksums import Crc64
from ..client import PING, Client, Page
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
from .bucket import Bucket
from .headers import Headers, make_range, parse_date
from .sdk_errors import TOO_SHORT
from .upload import MultipartUpload

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
                answer = bucket.call(
                    "put", key, lambda: bucket.put(key, first, headers), overwrite
                )
            else:
                upload = MultipartUpload(bucket, key, headers, overwrite)
                answer = upload.send(first, source, self._part_size)
        bucket.check_crc64(key, source.crc64, answer)
        return ObjectInfo(
            key,
            source.size,
            answer["etag"].strip('"'),
            parse_date(answer),
            content_type,
            dict(metadata),
        )

    def get(self, key: str, start: int, end: int | None) -> ObjectReader:
        bucket, span = self.bucket, make_range(start, end)
        try:
            headers, body = bucket.call("get", key, lambda: bucket.get(key, span))
        except InvalidRange as error:
            raise InvalidRange(key, start, end, TOO_SHORT) from error
        try:
            info = self._read_info(key, headers)
            stop = info.size if end is None else min(end, info.size)
            length = int(headers["content-length"])
            if length != stop - start:
                reason = f"{length} bytes came for the range {start}:{stop}"
                raise UnexpectedAnswer("get", key, self.place, reason)
        except BaseException:
            body.close()
            raise
        crc = headers.get(f"{bucket.prefix}hash-crc64ecma")
        whole = start == 0 and stop == info.size and crc is not None

        def resume(offset: int) -> Stream:
            return self._resume(key, info.etag, start + offset, stop)

        return ObjectReader(
            info,
            self.place,
            body,
            length,
            checksum=Crc64() if whole else None,
            expected=int(crc) if whole and crc else None,
            resume=resume,
        )

    def _resume(self, key: str, etag: str, start: int, stop: int) -> Stream:
        bucket = self.bucket
        headers = make_range(start, stop) | {"If-Match": bucket.quote_etag(etag)}
        try:
            answer, body = bucket.call("get", key, lambda: bucket.get(key, headers))
        except (ObjectNotFound, InvalidRange) as error:
            raise ObjectChanged(key, self.place) from error
        if answer.get("etag", "").strip('"') != etag:
            body.close()
            raise ObjectChanged(key, self.place)
        return body

    def _read_info(self, key: str, headers: Headers) -> ObjectInfo:
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
        except (KeyError, ValueError) as error:
            reason = f"its answer has no usable {error.args[0]}"
            raise UnexpectedAnswer("get", key, self.place, reason) from error

    def head(self, key: str) -> ObjectInfo:
        bucket = self.bucket
        return self._read_info(key, bucket.call("head", key, lambda: bucket.head(key)))

    def delete(self, key: str) -> None:
        bucket = self.bucket
        with suppress(ObjectNotFound):
            bucket.call("delete", key, lambda: bucket.delete(key))

    def list_pages(self, prefix: str, limit: int | None) -> Iterator[Page]:
        most = self.page_size if limit is None else min(limit, self.page_size)
        after = ""
        while True:
            request = partial(self.bucket.list_page, prefix, after, most)
            page, after = self.bucket.call("list", prefix, request)
            yield [info for info in page if is_portable(info.key)]
            if not after:
                return

    def url(self, key: str, expires: int, method: str) -> str:
        return self.bucket.url(key, expires, method)

    def ping(self, timeout: float) -> None:
        bucket = self.bucket
        with bucket.translate_errors(PING, ""):
            if bucket.name:
                bucket.ping(timeout)
                return
            try:
                bucket.list_buckets(timeout)
            except Exception as error:
                fault = bucket.make_error(error, PING, "")
                # The vendor knows us; we only may not list buckets.
                if isinstance(fault, PermissionDenied) and fault.code == "AccessDenied":
                    return
                raise
