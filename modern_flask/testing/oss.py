"""An OSS server for tests. It verifies the signatures of the real SDK.

Sources: Alibaba Cloud OSS, "Include signatures in the Authorization header" and
"Include signatures in URLs", versions 1 and 4, and the API reference.
"""

import base64
import hashlib
import hmac
import ipaddress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote, unquote

from .objects import Answer, ObjectServer, Refused, Request

__all__ = ["OssServer"]

REGION = "cn-hangzhou"
_SKEW = 15 * 60  # seconds by which a client's clock may differ
_LONGEST_V4 = 7 * 24 * 3600  # seconds
# Version 1 signs only these parameters of the query.
_SIGNED_V1 = frozenset(
    {"acl", "append", "continuation-token", "delete", "location", "partNumber"}
    | {"position", "security-token", "uploadId", "uploads", "versionId", "bucketInfo"}
    | {"response-cache-control", "response-content-disposition", "objectMeta", "stat"}
    | {"response-content-encoding", "response-content-language", "response-expires"}
    | {"response-content-type", "symlink", "tagging", "x-oss-process"}
)


class OssServer(ObjectServer):
    """OSS on 127.0.0.1. URLs have the bucket in the path or as the host's first label.

    >>> with OssServer() as server:
    ...     for storage in open_oss(server.settings):
    ...         storage.put("a", b"...")
    """

    prefix = "x-oss-"
    smallest_part = 100 * 1024
    bad_digest = "InvalidDigest"
    lax_ranges = True

    def __init__(self, bucket: str = "test-bucket", token: str = "") -> None:
        super().__init__(bucket, token)

    @property
    def settings(self) -> dict[str, Any]:
        """The settings with which ``open_oss`` connects to this server."""
        settings = {
            "vendor": "oss",
            "access_key_id": self.account,
            "access_key_secret": self.secret,
            "endpoint": f"http://127.0.0.1:{self.port}",
            "region": REGION,
            "bucket": self.bucket,
        }
        return {**settings, "security_token": self.token} if self.token else settings

    def make_etag(self, digest: str) -> str:
        return digest.upper()

    def parse_address(self, request: Request) -> tuple[str, str]:
        host = request.host.partition(":")[0]
        path = request.path.removeprefix("/")
        try:
            ipaddress.ip_address(host)
        except ValueError:
            return ("" if host.startswith("oss-") else host.partition(".")[0]), path
        bucket, _, key = path.partition("/")
        return bucket, key

    def parse_source(self, text: str) -> tuple[str, str]:
        bucket, _, key = unquote(text).removeprefix("/").partition("/")
        return bucket, key

    def make_error(self, request: Request, refused: Refused, request_id: str) -> Answer:
        answer = super().make_error(request, refused, request_id)
        if request.method == "HEAD":
            # OSS sends the error of a response without a body in a header.
            request.method = "GET"
            document = super().make_error(request, refused, request_id).body
            answer.headers["x-oss-err"] = base64.b64encode(document).decode()
        return answer

    def verify(self, request: Request) -> None:
        header = request.headers.get("authorization", "")
        if header.startswith("OSS4-HMAC-SHA256 "):
            fields = dict(
                part.strip().partition("=")[::2] for part in header[17:].split(",")
            )
            self._verify_v4(request, fields, request.headers.get("x-oss-date", ""))
        elif request.query.get("x-oss-signature-version") == "OSS4-HMAC-SHA256":
            query = request.query
            fields = {
                "Credential": query.get("x-oss-credential", ""),
                "AdditionalHeaders": query.get("x-oss-additional-headers", ""),
                "Signature": query.get("x-oss-signature", ""),
            }
            lifetime = int(query.get("x-oss-expires", 0))
            if lifetime > _LONGEST_V4:
                raise Refused(403, "AccessDenied", "Expires must be 7 days at most.")
            self._verify_v4(request, fields, query.get("x-oss-date", ""), lifetime)
        else:
            self._verify_v1(request, header)
        query_token = request.query.get("x-oss-security-token")
        self.check_token(
            request.headers.get("x-oss-security-token")
            or query_token
            or request.query.get("security-token")
        )

    def _verify_v4(
        self,
        request: Request,
        fields: dict[str, str],
        moment: str,
        lifetime: int | None = None,
    ) -> None:
        account, _, scope = fields.get("Credential", "").partition("/")
        if account != self.account:
            raise Refused(403, "InvalidAccessKeyId")
        try:
            when = datetime.strptime(moment, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        except ValueError:
            raise Refused(403, "AccessDenied", "x-oss-date is missing.") from None
        self._check_time(when.timestamp(), lifetime)
        day = moment[:8]
        if scope != f"{day}/{REGION}/oss/aliyun_v4_request":
            raise Refused(403, "SignatureDoesNotMatch", "The scope is wrong.")
        form = _make_canonical_request(request, fields)
        digest = hashlib.sha256(form.encode()).hexdigest()
        text = f"OSS4-HMAC-SHA256\n{moment}\n{scope}\n{digest}"
        key = f"aliyun_v4{self.secret}".encode()
        for step in (day, REGION, "oss", "aliyun_v4_request"):
            key = hmac.new(key, step.encode(), hashlib.sha256).digest()
        expected = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
        if not hmac.compare_digest(expected, fields.get("Signature", "")):
            raise Refused(403, "SignatureDoesNotMatch", signed=form)

    def _verify_v1(self, request: Request, header: str) -> None:
        query = request.query
        if header.startswith("OSS "):
            account, _, signature = header[4:].partition(":")
            moment = request.headers.get("x-oss-date") or request.headers["date"]
            self._check_time(parsedate_to_datetime(moment).timestamp(), None)
        elif "OSSAccessKeyId" in query:
            account, signature = query["OSSAccessKeyId"], query.get("Signature", "")
            moment = query.get("Expires", "0")
            if self.clock() > int(moment):
                raise Refused(403, "AccessDenied", "Request has expired.")
        else:
            raise Refused(403, "AccessDenied", "Anonymous access is forbidden.")
        if account != self.account:
            raise Refused(403, "InvalidAccessKeyId")
        text = _make_string_to_sign(request, moment)
        secret = self.secret.encode()
        expected = hmac.new(secret, text.encode(), hashlib.sha1).digest()
        if not hmac.compare_digest(base64.b64encode(expected).decode(), signature):
            raise Refused(403, "SignatureDoesNotMatch", signed=text)

    def _check_time(self, signed: float, lifetime: int | None) -> None:
        """Check the time: 15 minutes for a header, the lifetime for a URL."""
        age = self.clock() - signed
        if lifetime is None and abs(age) > _SKEW:
            raise Refused(403, "RequestTimeTooSkewed")
        if lifetime is not None and not -_SKEW <= age <= lifetime:
            raise Refused(403, "AccessDenied", "Request has expired.")


def _make_canonical_request(request: Request, fields: dict[str, str]) -> str:
    """Make the canonical request of version 4."""
    additional = sorted(filter(None, fields.get("AdditionalHeaders", "").split(";")))
    signed = {"content-type", "content-md5", *additional}
    headers = sorted(
        (name, value.strip())
        for name, value in request.headers.items()
        if name in signed or name.startswith("x-oss-")
    )
    query = sorted(
        (quote(name, safe="-_.~"), quote(value, safe="-_.~"))
        for name, value in request.query.items()
        if name != "x-oss-signature"
    )
    resource = f"/{request.bucket}/{request.key}" if request.bucket else "/"
    return "\n".join(
        [
            request.method,
            quote(resource, safe="/-_.~"),
            "&".join(f"{name}={value}" if value else name for name, value in query),
            "".join(f"{name}:{value}\n" for name, value in headers),
            ";".join(additional),
            request.headers.get("x-oss-content-sha256", "UNSIGNED-PAYLOAD"),
        ]
    )


def _make_string_to_sign(request: Request, moment: str) -> str:
    """Make the string that version 1 signs."""
    headers = sorted(
        f"{name}:{value}\n"
        for name, value in request.headers.items()
        if name.startswith("x-oss-")
    )
    query = sorted(
        f"{name}={value}" if value else name
        for name, value in request.query.items()
        if name in _SIGNED_V1
    )
    resource = f"/{request.bucket}/{request.key}" if request.bucket else "/"
    return "\n".join(
        [
            request.method,
            request.headers.get("content-md5", ""),
            request.headers.get("content-type", ""),
            moment,
            "".join(headers) + resource + ("?" + "&".join(query) if query else ""),
        ]
    )
