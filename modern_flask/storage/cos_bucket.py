"""A bucket of COS behind the interface."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, TypeAlias

from .errors import (
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

__all__ = ["Connect", "CosStorage", "Timeouts"]

_RETRIES = 2  # of the raw client, after 1 s and 2 s; our own calls have their own
_COMPLETION = 600.0  # seconds: COS joins the parts of a large object before it answers

Timeouts: TypeAlias = tuple[float, float]
Connect: TypeAlias = Callable[[Timeouts, int], Any]


class CosStorage(RemoteStorage):
    """A bucket of COS. ``raw`` is a ``qcloud_cos.CosS3Client``.

    Args:
        connect: Makes a client from timeouts (connect, read) in seconds and retries.
        bucket: With the appid; empty for a storage of which only ``raw`` is used.
        limits: Timeouts in seconds.
        part_size: Bytes of a part of a large upload.
        token: The security token of temporary credentials, if there is one.
        bucket_key: The setting to name where the bucket is missing.
    """

    vendor = "cos"
    prefix = "x-cos-"

    def __init__(
        self,
        connect: Connect,
        bucket: str,
        *,
        limits: Timeouts,
        part_size: int = PART,
        token: Callable[[], str | None] = lambda: None,
        bucket_key: str = "STORAGE_BUCKET",
    ) -> None:
        super().__init__(bucket, part_size, bucket_key)
        self._connect, self._token = connect, token
        self._raw = connect(limits, _RETRIES)
        self._client = connect(limits, 0)
        self._patient = connect((limits[0], max(limits[1], _COMPLETION)), 0)

    @property
    def bucket(self) -> str:
        """The bucket's name.

        Raises:
            NoBucket: None is configured.
        """
        if not self._name:
            raise self._no_bucket()
        return self._name

    def _write(self, key: str, part: Part, headers: dict[str, str]) -> Headers:
        # The SDK lays Metadata over its headers as it is: the way in for all of them.
        answer = self._client.put_object(
            Bucket=self.bucket, Key=key, Body=part.content(), Metadata=headers
        )
        return lowered(answer)

    def _begin(self, key: str, headers: dict[str, str]) -> str:
        answer = self._client.create_multipart_upload(
            Bucket=self.bucket, Key=key, Metadata=headers
        )
        return str(answer["UploadId"])

    def _send(self, key: str, upload: str, number: int, part: Part) -> Headers:
        body = part.content()
        return lowered(
            self._client.upload_part(
                Bucket=self.bucket,
                Key=key,
                Body=body,
                PartNumber=number,
                UploadId=upload,
            )
        )

    def _finish(
        self, key: str, upload: str, etags: Sequence[str], headers: dict[str, str]
    ) -> Headers:
        parts = [{"PartNumber": n, "ETag": etag} for n, etag in enumerate(etags, 1)]
        answer = self._patient.complete_multipart_upload(
            Bucket=self.bucket,
            Key=key,
            UploadId=upload,
            MultipartUpload={"Part": parts},
            Metadata=headers,
        )
        return lowered(answer)

    def _abort(self, key: str, upload: str) -> None:
        self._client.abort_multipart_upload(
            Bucket=self.bucket, Key=key, UploadId=upload
        )

    def _open(self, key: str, headers: dict[str, str]) -> tuple[Headers, Stream]:
        # Unasked, COS may compress a text on its way, and then its checksum is another.
        asked = {**headers, "Accept-Encoding": "identity"}
        answer = self._client.get_object(Bucket=self.bucket, Key=key, Metadata=asked)
        raw = answer.pop("Body").get_raw_stream()
        return lowered(answer), WireBody(raw, lambda: self._answers("get", key))

    def _look(self, key: str) -> Headers:
        return lowered(self._client.head_object(Bucket=self.bucket, Key=key))

    def _remove(self, key: str) -> None:
        self._client.delete_object(Bucket=self.bucket, Key=key)

    def _page(self, prefix: str, after: str, most: int) -> tuple[Page, str]:
        answer = self._client.list_objects(
            Bucket=self.bucket, Prefix=prefix, Marker=after, MaxKeys=most
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

    def _sign(self, key: str, expires: int, method: str) -> str:
        if self._client.get_conf()._anonymous:
            raise Unsupported(self.vendor, "is opened anonymously and signs no URLs")
        # The SDK leaves the token of temporary credentials out of what it presigns.
        token = self._token()
        params = {"x-cos-security-token": token} if token else {}
        with self._answers("sign a URL for", key):
            return str(
                self._client.get_presigned_url(
                    Bucket=self.bucket,
                    Key=key,
                    Method=method,
                    Expired=expires,
                    Params=params,
                )
            )

    def _reach_bucket(self, timeout: float) -> None:
        self._connect((timeout, timeout), 0).head_bucket(Bucket=self._name)

    def _list_buckets(self, timeout: float) -> None:
        self._connect((timeout, timeout), 0).list_buckets(MaxKeys=1)

    def _fault(self, error: Exception, operation: str, key: str) -> StorageError | None:
        from qcloud_cos import CosClientError, CosServiceError

        if isinstance(error, CosServiceError):
            told = error.get_digest_msg()
            told = told if isinstance(told, dict) else {}
            code, request = told.get("code", ""), told.get("requestid", "")
            status = error.get_status_code()
            return refusal(status, code, request, operation, key, self.place)
        if isinstance(error, CosClientError):
            cause = error.__context__
            if isinstance(cause, Exception):
                return StorageUnavailable(operation, key, self.place, reason_of(cause))
            return UnexpectedAnswer(operation, key, self.place, str(error))
        return None
