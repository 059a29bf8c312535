"""The requests of COS, through cos-python-sdk-v5."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, TypeAlias

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
from .bucket import Bucket
from .connections import AnswerBody
from .headers import Headers, lower_names
from .sdk_errors import describe_lost_answer, make_refusal

__all__ = ["Connect", "CosBucket", "Timeouts"]

_RETRIES = 2  # of the raw client, after 1 s and 2 s; our own calls have their own
_COMPLETION = 600.0  # seconds: COS joins the parts of a large object before it answers

Timeouts: TypeAlias = tuple[float, float]
Connect: TypeAlias = Callable[[Timeouts, int], Any]


class CosBucket(Bucket):
    """A bucket of COS.

    Args:
        connect: Makes a client from timeouts (connect, read) in seconds and retries.
        name: With the appid; empty if only ``raw`` is used.
        limits: Timeouts in seconds.
        token: The security token of temporary credentials, if there is one.
        anonymous: Whether requests are not signed.
        bucket_key: The setting to name in an error if the bucket is missing.
    """

    vendor = "cos"
    prefix = "x-cos-"

    def __init__(
        self,
        connect: Connect,
        name: str,
        *,
        limits: Timeouts,
        token: Callable[[], str | None] = lambda: None,
        anonymous: bool = False,
        bucket_key: str = "STORAGE_BUCKET",
    ) -> None:
        super().__init__(name, bucket_key)
        self._connect, self._token, self._anonymous = connect, token, anonymous
        self.raw = connect(limits, _RETRIES)
        self._client = connect(limits, 0)
        self._patient = connect((limits[0], max(limits[1], _COMPLETION)), 0)

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
            )
        )

    def complete_upload(
        self, key: str, upload: str, etags: Sequence[str], headers: dict[str, str]
    ) -> Headers:
        parts = [{"PartNumber": n, "ETag": etag} for n, etag in enumerate(etags, 1)]
        answer = self._patient.complete_multipart_upload(
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
        if answer.get("IsTruncated") != "true":
            return page, ""
        return page, answer.get("NextMarker") or page[-1].key

    def url(self, key: str, expires: int, method: str) -> str:
        if self._anonymous:
            raise Unsupported(self.vendor, "is opened anonymously and signs no URLs")
        # The SDK leaves the token of temporary credentials out of presigned URLs.
        token = self._token()
        params = {"x-cos-security-token": token} if token else {}
        with self.translate_errors("sign a URL for", key):
            return str(
                self._client.get_presigned_url(
                    Bucket=self._require_name(),
                    Key=key,
                    Method=method,
                    Expired=expires,
                    Params=params,
                )
            )

    def ping(self, timeout: float) -> None:
        self._connect((timeout, timeout), 0).head_bucket(Bucket=self.name)

    def list_buckets(self, timeout: float) -> None:
        self._connect((timeout, timeout), 0).list_buckets(MaxKeys=1)

    def make_error(
        self, error: Exception, operation: str, key: str
    ) -> StorageError | None:
        from qcloud_cos import CosClientError, CosServiceError

        place = self.place
        if isinstance(error, CosServiceError):
            digest = error.get_digest_msg()
            digest = digest if isinstance(digest, dict) else {}
            code, request = digest.get("code", ""), digest.get("requestid", "")
            status = error.get_status_code()
            return make_refusal(status, code, request, operation, key, place)
        if isinstance(error, CosClientError):
            cause = error.__context__
            if isinstance(cause, Exception):
                reason = describe_lost_answer(cause)
                return StorageUnavailable(operation, key, place, reason)
            return UnexpectedAnswer(operation, key, place, str(error))
        return None
