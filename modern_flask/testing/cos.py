"""A COS server for tests. It verifies the signatures of the real SDK.

Sources: Tencent Cloud COS, "Request Signature" and the API reference.
"""

import hashlib
import hmac
from typing import Any
from urllib.parse import quote, unquote

from .objects import Answer, ObjectServer, Refused, Request

__all__ = ["CosServer"]

REGION = "ap-test"
_DOMAIN = f"cos.{REGION}.myqcloud.com"


class CosServer(ObjectServer):
    """COS on 127.0.0.1. Clients use it as the proxy for COS's real host names.

    >>> with CosServer() as server:
    ...     for storage in open_cos(server.settings):
    ...         storage.put("a", b"...")
    """

    prefix = "x-cos-"
    smallest_part = 1024 * 1024
    bad_digest = "BadDigest"

    def __init__(self, bucket: str = "test-1250000000", token: str = "") -> None:
        super().__init__(bucket, token)

    @property
    def proxies(self) -> dict[str, str]:
        """Proxies for requests, so that presigned URLs reach this server too."""
        return {"http": f"http://127.0.0.1:{self.port}"}

    @property
    def settings(self) -> dict[str, Any]:
        """The settings with which ``open_cos`` connects to this server."""
        settings = {
            "vendor": "cos",
            "secret_id": self.account,
            "secret_key": self.secret,
            "region": REGION,
            "scheme": "http",
            "proxies": self.proxies,
            "bucket": self.bucket,
        }
        return {**settings, "token": self.token} if self.token else settings

    def parse_address(self, request: Request) -> tuple[str, str]:
        host = request.host.rpartition(":")[0] if ":" in request.host else request.host
        bucket = (
            host.removesuffix(f".{_DOMAIN}") if host.endswith(f".{_DOMAIN}") else ""
        )
        return bucket, request.path.removeprefix("/")

    def parse_source(self, text: str) -> tuple[str, str]:
        host, _, key = unquote(text).partition("/")
        return host.removesuffix(f".{_DOMAIN}"), key

    def make_error(self, request: Request, refused: Refused, request_id: str) -> Answer:
        answer = super().make_error(request, refused, request_id)
        answer.headers["x-cos-trace-id"] = request_id
        return answer

    def verify(self, request: Request) -> None:
        signed = _read_signature(request)
        if signed is None:
            raise Refused(403, "AccessDenied", "Access Denied.")
        if signed.get("q-ak") != self.account:
            raise Refused(403, "InvalidAccessKeyId")
        begin, _, end = signed["q-sign-time"].partition(";")
        if not int(begin) <= self.clock() <= int(end):
            raise Refused(403, "AccessDenied", "Request has expired")
        expected, form = self._compute_signature(request, signed)
        if not hmac.compare_digest(signed["q-signature"], expected):
            raise Refused(403, "SignatureDoesNotMatch", signed=form)
        token = "x-cos-security-token"
        self.check_token(request.headers.get(token) or request.query.get(token))

    def _compute_signature(
        self, request: Request, signed: dict[str, str]
    ) -> tuple[str, str]:
        """Compute the signature, and the text of the request that it signs."""
        headers = dict(request.headers)
        # The signature covers the host without its port.
        headers["host"] = request.host.partition(":")[0]
        query = {name.lower(): value for name, value in request.query.items()}
        form = "\n".join(
            [
                request.method.lower(),
                request.path,
                _join_pairs(signed["q-url-param-list"], query),
                _join_pairs(signed["q-header-list"], headers, "latin-1"),
                "",
            ]
        )
        moment = signed["q-sign-time"]
        digest = hashlib.sha1(form.encode(), usedforsecurity=False).hexdigest()
        key = _sign(self.secret, signed["q-key-time"])
        return _sign(key, f"sha1\n{moment}\n{digest}\n"), form


def _read_signature(request: Request) -> dict[str, str] | None:
    """Return the parts of a signature, from the header or from a presigned URL."""
    if "q-signature" in request.query:
        return request.query
    header = request.headers.get("authorization", "")
    if not header.startswith("q-sign-algorithm=sha1&"):
        return None
    return dict(part.partition("=")[::2] for part in header.split("&"))


def _join_pairs(names: str, values: dict[str, str], encoding: str = "utf-8") -> str:
    """Join the named parameters or headers for signing; a missing one is empty."""
    encoded = [
        (name, quote(values.get(unquote(name), "").encode(encoding), safe="-_.~"))
        for name in names.split(";")
        if name
    ]
    return "&".join(f"{name}={value}" for name, value in sorted(encoded))


def _sign(key: str, text: str) -> str:
    return hmac.new(key.encode(), text.encode(), hashlib.sha1).hexdigest()
