"""The requests of COS, through cos-python-sdk-v5."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any, TypeAlias

from ..bodies import Part
from ..client import Page
from ..errors import (
    PermissionDenied,
    StorageError,
    StorageUnavailable,
    UnexpectedAnswer,
    Unsupported,
)
from ..object_info import ObjectInfo
from ..reader import Stream
from .answers import PING_BUCKET
from .bucket import Bucket
from .connections import AnswerBody
from .headers import Headers, lower_names
from .sdk_errors import describe_lost_answer

__all__ = ["Connect", "CosBucket", "Timeouts"]

_RETRIES = 2  # of the raw client, after 1 s and 2 s; our own calls have their own

Timeouts: TypeAlias = tuple[float, float]
Connect: TypeAlias = Callable[[int], Any]


class CosBucket(Bucket):
    """A bucket of COS.

    Args:
        connect: Makes a client from the number of its retries.
        name: With the appid; empty if only ``raw`` is used.
        limits: Timeouts (connect, read) in seconds.
        deadline: Seconds for an operation in all.
        token: The security token of temporary credentials, if there is one.
        anonymous: Whether requests are not signed.
        bucket_key: The setting to name in an error if the bucket is missing.
    """

    vendor = "cos"
    prefix = "x-cos-"
    ping_operation = PING_BUCKET

    def __init__(
        self,
        connect: Connect,
        name: str,
        *,
        limits: Timeouts,
        deadline: float | None = None,
        token: Callable[[], str | None] = lambda: None,
        anonymous: bool = False,
        bucket_key: str = "STORAGE_BUCKET",
    ) -> None:
        super().__init__(name, bucket_key, limits, deadline)
        self._token, self._anonymous = token, anonymous
        self.raw, self._client = connect(_RETRIES), connect(0)

    def _require_name(self) -> str:
        if not self.name:
            raise self.make_no_bucket()
        return self.name

    def put(self, key: str, part: Part, headers: dict[str, str]) -> Headers:
        # The SDK copies Metadata over its headers unchanged: all headers go this way.
        answer = self._client.put_object(
            Bucket=self._require_name(), Key=key, Body=part.content(), Metadata=headers
        )
        return lower_names(answer)

    def start_upload(self, key: str, headers: dict[str, str]) -> str:
        answer = self._client.create_multipart_upload(
            Bucket=self._require_name(), Key=key, Metadata=headers
        )
        return str(answer["UploadId"])

    def put_part(self, key: str, upload: str, number: int, part: Part) -> Headers:
        body = part.content()
        return lower_names(
            self._client.upload_part(
                Bucket=self._require_name(),
                Key=key,
                Body=body,
                PartNumber=number,
                UploadId=upload,
                ContentMD5=part.md5,
            )
        )

    def complete_upload(
        self, key: str, upload: str, etags: Sequence[str], headers: dict[str, str]
    ) -> Headers:
        parts = [{"PartNumber": n, "ETag": etag} for n, etag in enumerate(etags, 1)]
        answer = self._client.complete_multipart_upload(
            Bucket=self._require_name(),
            Key=key,
            UploadId=upload,
            MultipartUpload={"Part": parts},
            Metadata=headers,
        )
        return lower_names(answer)

    def abort_upload(self, key: str, upload: str) -> None:
        self._client.abort_multipart_upload(
            Bucket=self._require_name(), Key=key, UploadId=upload
        )

    def get(self, key: str, headers: dict[str, str]) -> tuple[Headers, Stream]:
        # Otherwise COS may compress a text on its way, which changes its checksum.
        headers = {**headers, "Accept-Encoding": "identity"}
        answer = self._client.get_object(
            Bucket=self._require_name(), Key=key, Metadata=headers
        )
        raw = answer.pop("Body").get_raw_stream()
        body = AnswerBody(raw, lambda: self.translate_errors("get", key))
        return lower_names(answer), body

    def head(self, key: str) -> Headers:
        return lower_names(
            self._client.head_object(Bucket=self._require_name(), Key=key)
        )

    def delete(self, key: str) -> None:
        self._client.delete_object(Bucket=self._require_name(), Key=key)

    def list_page(self, prefix: str, after: str, most: int) -> tuple[Page, str]:
        answer = self._client.list_objects(
            Bucket=self._require_name(), Prefix=prefix, Marker=after, MaxKeys=most
        )
        page = [
            ObjectInfo(
                each["Key"],
                int(each["Size"]),
                each["ETag"].strip('"'),
                datetime.fromisoformat(each["LastModified"]),
            )
            for each in answer.get("Contents", [])
        ]
        if answer["IsTruncated"] != "true":
            return page, ""
        return page, answer.get("NextMarker") or page[-1].key

    def url(self, key: str, expires: int, method: str, content_type: str | None) -> str:
        if self._anonymous:
            raise Unsupported(self.vendor, "is opened anonymously and signs no URLs")
        # The SDK leaves the token of temporary credentials out of presigned URLs.
        token = self._token()
        params = {"x-cos-security-token": token} if token else {}
        headers = {} if content_type is None else {"Content-Type": content_type}
        with self.translate_errors("sign a URL for", key):
            return str(
                self._client.get_presigned_url(
                    Bucket=self._require_name(),
                    Key=key,
                    Method=method,
                    Expired=expires,
                    Params=params,
                    Headers=headers,
                )
            )

    def ping(self) -> None:
        self._client.head_bucket(Bucket=self.name)

    def list_buckets(self) -> None:
        self._client.list_buckets(MaxKeys=1)

    def check_bucket(self) -> None:
        # A HEAD that finds nothing has no body, and so no code. The bucket is requested
        # once, until it is known to be there.
        if self._was_seen:
            return
        with suppress(PermissionDenied):
            self.call(PING_BUCKET, "", self.ping)
        self._was_seen = True

    def make_error(
        self, error: Exception, operation: str, key: str
    ) -> StorageError | None:
        from qcloud_cos import CosClientError

        if isinstance(error, CosClientError):
            cause = error.__context__
            if isinstance(cause, Exception):
                reason = describe_lost_answer(cause)
                return StorageUnavailable(operation, key, self.place, reason)
            return UnexpectedAnswer(operation, key, self.place, str(error))
        return None
