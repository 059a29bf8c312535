"""A bucket of OSS behind the interface."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from .errors import (
    IntegrityError,
    StorageError,
    StorageUnavailable,
    UnexpectedAnswer,
    Unsupported,
)
from .storage import ObjectInfo, Page
from .reader import Stream
from .bucket_client import RemoteStorage
from .bodies import PART, Part
from .sdk_errors import WireBody, reason_of, refusal
from .bucket import Headers, lowered

__all__ = ["OssStorage"]

_LONGEST_V4 = 7 * 24 * 3600  # seconds that a V4 presigned URL may last
_PROBE = ".ping"  # a key that is only asked for, never written


class OssStorage(RemoteStorage):
    """A bucket of OSS. ``raw`` is an ``oss2.Bucket``, without one an ``oss2.Service``.

    Args:
        options: Keywords of both: auth, endpoint, session, proxies and region.
        bucket: Empty for a storage of which only ``raw`` is used.
        is_cname: The endpoint is the bucket's own domain.
        limits: Timeouts (connect, read) in seconds.
        part_size: Bytes of a part of a large upload.
        bucket_key: The setting to name where the bucket is missing.

    Attributes:
        service: An ``oss2.Service``, whether there is a bucket or not.
    """

    vendor = "oss"
    prefix = "x-oss-"

    def __init__(
        self,
        options: Mapping[str, Any],
        bucket: str,
        *,
        is_cname: bool = False,
        limits: tuple[float, float],
        part_size: int = PART,
        bucket_key: str = "STORAGE_BUCKET",
    ) -> None:
        super().__init__(bucket, part_size, bucket_key)
        self._options, self._is_cname = dict(options), is_cname
        self.service = self._make_service(limits)
        self._raw = self._make_bucket(limits) if bucket else self.service
        # This one's checksums are ours, at memory speed; oss2's may be pure Python.
        self._client = self._make_bucket(limits, enable_crc=False) if bucket else None

    def _make_service(self, limits: tuple[float, float]) -> Any:
        import oss2

        return oss2.Service(**self._options, connect_timeout=limits)

    def _make_bucket(self, limits: tuple[float, float], **options: Any) -> Any:
        import oss2

        return oss2.Bucket(
            **self._options,
            bucket_name=self._name,
            is_cname=self._is_cname,
            connect_timeout=limits,
            # Strict means: no key that begins with a question mark.
            is_verify_object_strict=False,
            **options,
        )

    @property
    def bucket(self) -> Any:
        """The client of our own operations.

        Raises:
            NoBucket: No bucket is configured.
        """
        if self._client is None:
            raise self._no_bucket()
        return self._client

    def _write(self, key: str, part: Part, headers: dict[str, str]) -> Headers:
        return lowered(
            self.bucket.put_object(key, part.content(), headers=headers).headers
        )

    def _begin(self, key: str, headers: dict[str, str]) -> str:
        return str(self.bucket.init_multipart_upload(key, headers=headers).upload_id)

    def _send(self, key: str, upload: str, number: int, part: Part) -> Headers:
        answer = self.bucket.upload_part(key, upload, number, part.content())
        return lowered(answer.headers)

    def _finish(
        self, key: str, upload: str, etags: Sequence[str], headers: dict[str, str]
    ) -> Headers:
        from oss2.models import PartInfo

        parts = [PartInfo(n, etag.strip('"')) for n, etag in enumerate(etags, 1)]
        answer = self.bucket.complete_multipart_upload(
            key, upload, parts, headers=headers
        )
        return lowered(answer.headers)

    def _abort(self, key: str, upload: str) -> None:
        self.bucket.abort_multipart_upload(key, upload)

    def _open(self, key: str, headers: dict[str, str]) -> tuple[Headers, Stream]:
        # Unasked, OSS answers a range that is not all there with the whole object.
        asked = {**headers, "x-oss-range-behavior": "standard"}
        answer = self.bucket.get_object(key, headers=asked)
        raw = answer.resp.response.raw
        return lowered(answer.headers), WireBody(raw, lambda: self._answers("get", key))

    def _quoted(self, etag: str) -> str:
        return etag  # as oss2 itself sends it

    def _look(self, key: str) -> Headers:
        return lowered(self.bucket.head_object(key).headers)

    def _remove(self, key: str) -> None:
        self.bucket.delete_object(key)

    def _page(self, prefix: str, after: str, most: int) -> tuple[Page, str]:
        answer = self.bucket.list_objects_v2(
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

    def _sign(self, key: str, expires: int, method: str) -> str:
        bucket = self.bucket
        if expires > _LONGEST_V4 and bucket.auth.auth_version() == "v4":
            raise Unsupported(
                self.vendor,
                f"presigns for {_LONGEST_V4} seconds at most, not for {expires}",
                "make the URL again when it is needed",
            )
        with self._answers("sign a URL for", key):
            return str(bucket.sign_url(method, key, expires, slash_safe=True))

    def _reach_bucket(self, timeout: float) -> None:
        from oss2.exceptions import NoSuchKey

        with suppress(NoSuchKey):
            self._make_bucket((timeout, timeout)).head_object(_PROBE)

    def _list_buckets(self, timeout: float) -> None:
        self._make_service((timeout, timeout)).list_buckets(max_keys=1)

    def _fault(self, error: Exception, operation: str, key: str) -> StorageError | None:
        from oss2 import exceptions

        place = self.place
        if isinstance(error, exceptions.RequestError):
            reason = reason_of(error.exception)
            return StorageUnavailable(operation, key, place, reason)
        if isinstance(error, exceptions.InconsistentError):
            return IntegrityError(key, place, "oss2 found another checksum")
        if isinstance(error, exceptions.ServerError):
            # The string that was signed holds the security token.
            for name in ("StringToSign", "CanonicalRequest", "StringToSignBytes"):
                error.details.pop(name, None)
            return refusal(
                error.status, error.code, error.request_id, operation, key, place
            )
        if isinstance(error, exceptions.OssError):
            return UnexpectedAnswer(operation, key, place, str(error.body))
        return None
