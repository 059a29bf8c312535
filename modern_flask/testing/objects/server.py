"""The common part of the COS server and the OSS server: buckets and objects.

Sources: the API references of both vendors, and the requests of their SDKs. A subclass
adds addresses, signatures and errors; see :mod:`modern_flask.testing.cos` and
:mod:`modern_flask.testing.oss`.
"""

import base64
import copy
import hashlib
import secrets
import threading
import time
from collections import deque
from email.utils import formatdate, parsedate_to_datetime
from typing import Any, Self

from .buckets import STORED_HEADERS, Bucket, Entry, make_listing, make_xml
from .faults import Faults
from .http import Answer, HttpServer, Refused, Request
from .uploads import Uploads

__all__ = ["ObjectServer"]


class ObjectServer(Faults, Uploads):
    """Buckets in memory. As a context manager, it serves until the block ends.

    Args:
        bucket: The name of the first bucket.
        token: A security token that every request must carry.

    Attributes:
        buckets: The stored objects; tests may read and change them.
        clock: Returns seconds since 1970, to check the expiry of signatures. Replace it
            to change the time.
        requests: The method and path of all answered requests, the newest last.
    """

    account, secret = "test-account", "test-secret-0123456789"

    def __init__(self, bucket: str, token: str = "") -> None:
        super().__init__()
        self.bucket, self.token = bucket, token
        self.buckets = {bucket: Bucket()}
        self.clock = time.time
        self.requests: deque[tuple[str, str]] = deque(maxlen=1000)
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        self._http = HttpServer(self._serve)
        self.port = int(self._http.server_address[1])
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,))
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()
        self._thread.join()

    def _serve(self, request: Request) -> tuple[Answer, dict[str, Any]]:
        request_id = secrets.token_hex(12).upper()
        with self._lock:
            faults = self._take_faults(request)
            if "drop" in faults:
                return Answer(), faults
            if "reply" in faults:
                self.requests.append((request.method, request.path))
                return copy.deepcopy(faults["reply"]), faults
            if "corrupt" in faults and request.method == "PUT" and request.body:
                del faults["corrupt"]  # one bit, on the way here or on the way back
                request.body = bytes([request.body[0] ^ 1]) + request.body[1:]
            self.requests.append((request.method, request.path))
            try:
                if "status" in faults:
                    value = faults["status"]
                    raise Refused(*(value if isinstance(value, tuple) else (value, "")))
                request.bucket, request.key = self.parse_address(request)
                self.verify(request)
                answer = self._route(request)
            except Refused as refused:
                answer = self.make_error(request, refused, request_id)
        if "answer" in faults:
            return copy.deepcopy(faults["answer"]), faults
        answer.headers[f"{self.prefix}request-id"] = request_id
        for name, value in faults.get("headers", {}).items():
            if value is None:
                answer.headers.pop(name, None)
            else:
                answer.headers[name] = value
        return answer, faults

    # A vendor's subclass implements these.

    def parse_address(self, request: Request) -> tuple[str, str]:
        """Return the bucket and the key of a request; each is empty if missing."""
        raise Refused(501, "NotImplemented")

    def verify(self, request: Request) -> None:
        """Raise :class:`Refused` unless the request has a valid, current signature."""
        raise Refused(501, "NotImplemented")

    def make_error(self, request: Request, refused: Refused, request_id: str) -> Answer:
        body = [
            ("Code", refused.code),
            ("Message", refused.message),
            ("Resource", request.path),
            ("RequestId", request_id),
        ]
        if refused.signed:
            body.append(("StringToSign", refused.signed))
        document = make_xml("Error", body)
        if refused.status == 304 or request.method == "HEAD":
            document = b""
        return Answer(refused.status, document, {"Content-Type": "application/xml"})

    def check_token(self, given: str | None) -> None:
        if self.token and given != self.token:
            raise Refused(403, "InvalidAccessKeyId", "The security token is wrong.")

    # Buckets.

    def _route(self, request: Request) -> Answer:
        if not request.bucket:
            return self._service()
        if not request.key:
            return self._on_bucket(request)
        self.find_bucket(request.bucket)
        return self._on_upload(request) or self._on_object(request)

    def _service(self) -> Answer:
        buckets = [
            (
                "Bucket",
                [
                    ("Name", name),
                    ("Location", "test"),
                    ("CreationDate", "2026-01-01T00:00:00.000Z"),
                    ("ExtranetEndpoint", "127.0.0.1"),
                    ("IntranetEndpoint", "127.0.0.1"),
                    ("StorageClass", "Standard"),
                ],
            )
            for name in self.buckets
        ]
        owner = ("Owner", [("ID", "1"), ("DisplayName", "1")])
        return Answer(
            body=make_xml("ListAllMyBucketsResult", [owner, ("Buckets", buckets)])
        )

    def find_bucket(self, name: str) -> Bucket:
        if name not in self.buckets:
            raise Refused(404, "NoSuchBucket")
        return self.buckets[name]

    def _on_bucket(self, request: Request) -> Answer:
        name = request.bucket
        if request.method == "PUT":
            if name in self.buckets:
                raise Refused(409, "BucketAlreadyExists")
            self.buckets[name] = Bucket()
            return Answer()
        bucket = self.find_bucket(name)
        if request.method == "DELETE":
            if bucket.objects:
                raise Refused(409, "BucketNotEmpty")
            del self.buckets[name]
            return Answer(204)
        if request.method == "POST" and "delete" in request.query:
            return self._delete_many(request, bucket)
        if request.method == "GET" and "uploads" in request.query:
            return self._list_uploads(request, bucket)
        if request.method == "GET":
            return Answer(body=make_listing(name, bucket, request.query))
        return Answer()

    # Objects.

    def _on_object(self, request: Request) -> Answer:
        bucket, key = self.buckets[request.bucket], request.key
        if request.method == "PUT":
            self.check_overwrite(request)
            source = request.headers.get(f"{self.prefix}copy-source")
            if source is not None:
                return self._copy(request, bucket, self.find_source(source))
            entry = self.make_entry(request.body, self.select_headers(request), request)
            bucket.objects[key] = entry
            return Answer(headers=self.make_checksum_headers(entry))
        if request.method == "DELETE":
            bucket.objects.pop(key, None)
            return Answer(204)
        if key not in bucket.objects:
            raise Refused(404, "NoSuchKey", "The specified key does not exist.")
        return self._read(request, bucket.objects[key])

    def _copy(self, request: Request, bucket: Bucket, source: Entry) -> Answer:
        directive = request.headers.get(f"{self.prefix}metadata-directive", "copy")
        replaced = directive.lower() in {"replace", "replaced"}
        headers = self.select_headers(request) if replaced else source.headers
        entry = bucket.objects[request.key] = Entry(
            source.body, source.etag, dict(headers)
        )
        fields = [("LastModified", entry.iso_date), ("ETag", f'"{entry.etag}"')]
        return Answer(
            body=make_xml("CopyObjectResult", fields),
            headers=self.make_checksum_headers(entry),
        )

    def _read(self, request: Request, entry: Entry) -> Answer:
        self._check_conditions(request, entry)
        headers = {
            **entry.headers,
            **self.make_checksum_headers(entry),
            "Last-Modified": formatdate(entry.modified, usegmt=True),
            "Accept-Ranges": "bytes",
        }
        if request.method == "HEAD":
            return Answer(headers={**headers, "Content-Length": str(len(entry.body))})
        span = self.parse_range(request, len(entry.body))
        if span is None:
            return Answer(body=entry.body, headers=headers)
        start, stop = span
        headers["Content-Range"] = f"bytes {start}-{stop - 1}/{len(entry.body)}"
        return Answer(206, entry.body[start:stop], headers)

    def _check_conditions(self, request: Request, entry: Entry) -> None:
        given = request.headers
        match = given.get("if-match", entry.etag).strip('"')
        if match.lower() not in {"*", entry.etag.lower()}:
            raise Refused(412, "PreconditionFailed")
        until = given.get("if-unmodified-since")
        if until and int(entry.modified) > parsedate_to_datetime(until).timestamp():
            raise Refused(412, "PreconditionFailed")
        none = given.get("if-none-match", "").strip('"')
        if none and none.lower() in {"*", entry.etag.lower()}:
            raise Refused(304, "NotModified")
        since = given.get("if-modified-since")
        if since and int(entry.modified) <= parsedate_to_datetime(since).timestamp():
            raise Refused(304, "NotModified")

    # For both kinds of upload.

    def select_headers(self, request: Request) -> dict[str, str]:
        """Select the headers that later responses for the object contain."""
        meta = f"{self.prefix}meta-"
        return {
            name: value
            for name, value in request.headers.items()
            if name in STORED_HEADERS or name.startswith(meta)
        } | {"content-type": request.headers.get("content-type", self.default_type)}

    def make_entry(
        self, body: bytes, headers: dict[str, str], request: Request
    ) -> Entry:
        digest = hashlib.md5(body, usedforsecurity=False)
        expected = request.headers.get("content-md5")
        right = base64.b64encode(digest.digest()).decode()
        if self.checks_digests and expected and expected != right:
            raise Refused(400, self.bad_digest)
        return Entry(body, self.make_etag(digest.hexdigest()), headers)

    def check_overwrite(self, request: Request) -> None:
        forbid = request.headers.get(f"{self.prefix}forbid-overwrite", "")
        there = request.key in self.buckets[request.bucket].objects
        if there and forbid.lower() == "true":
            raise Refused(409, "FileAlreadyExists", "The object exists already.")
