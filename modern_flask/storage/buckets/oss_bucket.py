"""The requests of OSS, through oss2."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from xml.etree import ElementTree

from ..bodies import Part
from ..client import Page
from ..errors import (
    StorageError,
    StorageUnavailable,
    UnexpectedAnswer,
    Unsupported,
)
from ..object_info import ObjectInfo
from ..reader import Stream
from .answers import PING_OBJECT
from .bucket import Bucket
from .connections import AnswerBody
from .headers import Headers, lower_names
from .sdk_errors import describe_lost_answer

__all__ = ["OssBucket"]

_LONGEST_V4 = 7 * 24 * 3600  # seconds that a V4 presigned URL may last
_PROBE = ".ping"  # a key that is only requested, never written


class OssBucket(Bucket):
    """A bucket of OSS. ``raw`` is an ``oss2.Bucket``, without one an ``oss2.Service``.

    Args:
        options: Keywords of both: auth, endpoint, session, proxies and region.
        name: Empty if only ``raw`` and ``service`` are used.
        is_cname: The endpoint is the bucket's own domain.
        limits: Timeouts (connect, read) in seconds.
        deadline: Seconds for an operation in all.
        bucket_key: The setting to name in an error if the bucket is missing.

    Attributes:
        service: An ``oss2.Service``, with and without a bucket.
    """

    vendor = "oss"
    prefix = "x-oss-"
    ping_operation = PING_OBJECT

    def __init__(
        self,
        options: Mapping[str, Any],
        name: str,
        *,
        is_cname: bool = False,
        limits: tuple[float, float],
        deadline: float | None = None,
        bucket_key: str = "STORAGE_BUCKET",
    ) -> None:
        super().__init__(name, bucket_key, limits, deadline)
        self._options, self._is_cname = dict(options), is_cname
        self.service = self._make_service(limits)
        self.raw = self._make_bucket(limits) if name else self.service
        # The checksums of our own operations are computed by Crc64, at memory speed;
        # those of oss2 may be computed in pure Python.
        self._bucket = self._make_bucket(limits, enable_crc=False) if name else None

    def _make_service(self, limits: tuple[float, float]) -> Any:
        import oss2

        return oss2.Service(**self._options, connect_timeout=limits)

    def _make_bucket(self, limits: tuple[float, float], **options: Any) -> Any:
        import oss2

        return oss2.Bucket(
            **self._options,
            bucket_name=self.name,
            is_cname=self._is_cname,
            connect_timeout=limits,
            # Strict means: no key that begins with a question mark.
            is_verify_object_strict=False,
            **options,
        )

    def _require_bucket(self) -> Any:
        if self._bucket is None:
            raise self.make_no_bucket()
        return self._bucket

    def put(self, key: str, part: Part, headers: dict[str, str]) -> Headers:
        bucket = self._require_bucket()
        return lower_names(
            bucket.put_object(key, part.content(), headers=headers).headers
        )

    def start_upload(self, key: str, headers: dict[str, str]) -> str:
        bucket = self._require_bucket()
        return str(bucket.init_multipart_upload(key, headers=headers).upload_id)

    def put_part(self, key: str, upload: str, number: int, part: Part) -> Headers:
        answer = self._require_bucket().upload_part(
            key, upload, number, part.content(), headers={"Content-MD5": part.md5}
        )
        return lower_names(answer.headers)

    def complete_upload(
        self, key: str, upload: str, etags: Sequence[str], headers: dict[str, str]
    ) -> Headers:
        from oss2.models import PartInfo

        parts = [PartInfo(n, etag.strip('"')) for n, etag in enumerate(etags, 1)]
        answer = self._require_bucket().complete_multipart_upload(
            key, upload, parts, headers=headers
        )
        # The document has the etag; whether a header has it too is not documented.
        root = ElementTree.fromstring(answer.resp.response.content.strip())
        return {"etag": root.findtext("{*}ETag", "")} | lower_names(answer.headers)

    def abort_upload(self, key: str, upload: str) -> None:
        self._require_bucket().abort_multipart_upload(key, upload)

    def get(self, key: str, headers: dict[str, str]) -> tuple[Headers, Stream]:
        # Otherwise OSS answers a range that ends after the object with all of it.
        headers = {**headers, "x-oss-range-behavior": "standard"}
        answer = self._require_bucket().get_object(key, headers=headers)
        raw = answer.resp.response.raw
        body = AnswerBody(raw, lambda: self.translate_errors("get", key))
        return lower_names(answer.headers), body

    def quote_etag(self, etag: str) -> str:
        return etag  # without quotes, as oss2 itself sends it

    def head(self, key: str) -> Headers:
        return lower_names(self._require_bucket().head_object(key).headers)

    def delete(self, key: str) -> None:
        self._require_bucket().delete_object(key)

    def list_page(self, prefix: str, after: str, most: int) -> tuple[Page, str]:
        answer = self._require_bucket().list_objects_v2(
            prefix=prefix, continuation_token=after, max_keys=most
        )
        page = [
            ObjectInfo(
                each.key,
                int(each.size),
                each.etag,
                datetime.fromtimestamp(each.last_modified, UTC),
            )
            for each in answer.object_list
        ]
        return page, answer.next_continuation_token if answer.is_truncated else ""

    def url(self, key: str, expires: int, method: str, content_type: str | None) -> str:
        bucket = self._require_bucket()
        if expires > _LONGEST_V4 and bucket.auth.auth_version() == "v4":
            raise Unsupported(
                self.vendor,
                f"presigns for {_LONGEST_V4} seconds at most, not for {expires}",
                "make the URL again when it is needed",
            )
        headers = None if content_type is None else {"Content-Type": content_type}
        with self.translate_errors("sign a URL for", key):
            return str(bucket.sign_url(method, key, expires, headers, slash_safe=True))

    def ping(self) -> None:
        self._require_bucket().head_object(_PROBE)

    def list_buckets(self) -> None:
        self.service.list_buckets(max_keys=1)

    def make_error(
        self, error: Exception, operation: str, key: str
    ) -> StorageError | None:
        from oss2 import exceptions

        if isinstance(error, exceptions.RequestError):
            reason = describe_lost_answer(error.exception)
            return StorageUnavailable(operation, key, self.place, reason)
        if isinstance(error, exceptions.OssError):
            return UnexpectedAnswer(operation, key, self.place, str(error.body))
        return None
