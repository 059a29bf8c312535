"""Multipart uploads, copies, and the deletion of many objects."""

import base64
import hashlib
import re
import secrets
from urllib.parse import quote
from xml.etree import ElementTree

from .buckets import Bucket, Entry, Upload, format_time, make_xml
from .http import Answer, Refused, Request

__all__ = ["Uploads"]

_RANGE = re.compile(r"bytes=(\d*)-(\d*)")


class Uploads:
    """Answers the requests about uploads. A subclass adds the vendor's details.

    Attributes:
        prefix: The beginning of the vendor's headers.
        smallest_part: The minimum size in bytes of every part except the last.
        bad_digest: The error code for a wrong Content-MD5.
        default_type: The content type of objects that were sent without one.
        lax_ranges: Whether a range beyond the end returns the whole object, unless the
            request requires the behaviour of the standard.
        checks_digests: Whether a Content-MD5 is compared with the bytes.
    """

    prefix = "x-"
    smallest_part = 0
    bad_digest = "BadDigest"
    default_type = "application/octet-stream"
    lax_ranges = False
    checks_digests = True
    buckets: dict[str, Bucket]

    def select_headers(self, request: Request) -> dict[str, str]:
        raise Refused(501, "NotImplemented")

    def make_entry(
        self, body: bytes, headers: dict[str, str], request: Request
    ) -> Entry:
        raise Refused(501, "NotImplemented")

    def check_overwrite(self, request: Request) -> None:
        raise Refused(501, "NotImplemented")

    def parse_source(self, text: str) -> tuple[str, str]:
        """Return the bucket and the key of a copy's source."""
        raise Refused(501, "NotImplemented")

    def make_etag(self, digest: str) -> str:
        return digest

    def make_checksum_headers(self, entry: Entry) -> dict[str, str]:
        """Make the headers with which a client checks the bytes it sent or received."""
        crc = f"{self.prefix}hash-crc64ecma"
        return {"ETag": f'"{entry.etag}"', crc: entry.crc64}

    def find_source(self, text: str) -> Entry:
        name, key = self.parse_source(text)
        bucket = self.buckets.get(name)
        if bucket is None or key not in bucket.objects:
            raise Refused(404, "NoSuchKey")
        return bucket.objects[key]

    def parse_range(self, request: Request, size: int) -> tuple[int, int] | None:
        """Return the requested range; ``None`` for all bytes (RFC 9110, section 14)."""
        value = _RANGE.fullmatch(request.headers.get("range", ""))
        if not value or value[0] == "bytes=-":
            return None
        first, last = value[1], value[2]
        start = int(first) if first else max(0, size - int(last))
        stop = int(last) + 1 if first and last else size
        standard = request.headers.get(f"{self.prefix}range-behavior") == "standard"
        if self.lax_ranges and not standard and (start >= size or stop > size):
            return None
        if start >= size or start >= stop:
            raise Refused(416, "InvalidRange")
        return start, min(stop, size)

    def _on_upload(self, request: Request) -> Answer | None:
        bucket, query = self.buckets[request.bucket], request.query
        if request.method == "POST" and "uploads" in query:
            return self._begin(request, bucket)
        if "uploadId" not in query:
            return None
        upload = bucket.uploads.get(query["uploadId"])
        if upload is None or upload.key != request.key:
            raise Refused(404, "NoSuchUpload")
        if request.method == "PUT":
            return self._part(request, upload)
        if request.method == "POST":
            return self._complete(request, bucket, upload)
        if request.method == "DELETE":
            del bucket.uploads[query["uploadId"]]
            return Answer(204)
        return self._list_parts(request, upload)

    def _begin(self, request: Request, bucket: Bucket) -> Answer:
        self.check_overwrite(request)
        upload_id = secrets.token_hex(16)
        bucket.uploads[upload_id] = Upload(request.key, self.select_headers(request))
        fields = [("Bucket", request.bucket), ("Key", request.key)]
        body = make_xml(
            "InitiateMultipartUploadResult", [*fields, ("UploadId", upload_id)]
        )
        return Answer(body=body)

    def _part(self, request: Request, upload: Upload) -> Answer:
        number = int(request.query["partNumber"])
        if not 1 <= number <= 10_000:
            raise Refused(400, "InvalidArgument")
        source = request.headers.get(f"{self.prefix}copy-source")
        if source is None:
            entry = upload.parts[number] = self.make_entry(request.body, {}, request)
            return Answer(headers=self.make_checksum_headers(entry))
        whole = self.find_source(source)
        value = request.headers.get(f"{self.prefix}copy-source-range", "")
        request.headers["range"] = value
        start, stop = self.parse_range(request, len(whole.body)) or (0, len(whole.body))
        entry = upload.parts[number] = self.make_entry(
            whole.body[start:stop], {}, request
        )
        fields = [("LastModified", entry.iso_date), ("ETag", f'"{entry.etag}"')]
        return Answer(
            body=make_xml("CopyPartResult", fields),
            headers=self.make_checksum_headers(entry),
        )

    def _complete(self, request: Request, bucket: Bucket, upload: Upload) -> Answer:
        self.check_overwrite(request)
        named = [
            (int(part.findtext("PartNumber", "0")), part.findtext("ETag", ""))
            for part in ElementTree.fromstring(request.body).iter("Part")
        ]
        numbers = [number for number, _ in named]
        if not named or numbers != sorted(set(numbers)):
            raise Refused(400, "InvalidPartOrder")
        for number, etag in named:
            part = upload.parts.get(number)
            if part is None or part.etag != etag.strip().strip('"'):
                raise Refused(400, "InvalidPart")
            if len(part.body) < self.smallest_part and number != numbers[-1]:
                raise Refused(400, "EntityTooSmall")
        parts = [upload.parts[number] for number in numbers]
        digests = b"".join(bytes.fromhex(part.etag) for part in parts)
        digest = hashlib.md5(digests, usedforsecurity=False).hexdigest()
        body = b"".join(part.body for part in parts)
        etag = f"{self.make_etag(digest)}-{len(parts)}"
        entry = bucket.objects[upload.key] = Entry(body, etag, upload.headers)
        del bucket.uploads[request.query["uploadId"]]
        fields = [
            ("Bucket", request.bucket),
            ("Key", upload.key),
            ("ETag", f'"{etag}"'),
        ]
        document = make_xml("CompleteMultipartUploadResult", fields)
        return Answer(body=document, headers=self.make_checksum_headers(entry))

    def _list_parts(self, request: Request, upload: Upload) -> Answer:
        after = int(request.query.get("part-number-marker") or 0)
        most = int(request.query.get("max-parts") or 1000)
        numbers = sorted(number for number in upload.parts if number > after)
        page = numbers[:most]
        parts = [
            (
                "Part",
                [
                    ("PartNumber", number),
                    ("LastModified", upload.parts[number].iso_date),
                    ("ETag", f'"{upload.parts[number].etag}"'),
                    ("Size", len(upload.parts[number].body)),
                ],
            )
            for number in page
        ]
        head = [
            ("Key", quote(upload.key, safe="")),
            ("UploadId", request.query["uploadId"]),
            ("NextPartNumberMarker", page[-1] if page else after),
            ("IsTruncated", str(len(numbers) > most).lower()),
        ]
        return Answer(body=make_xml("ListPartsResult", [*head, *parts]))

    def _list_uploads(self, request: Request, bucket: Bucket) -> Answer:
        uploads = [
            (
                "Upload",
                [
                    ("Key", quote(upload.key, safe="")),
                    ("UploadId", upload_id),
                    ("Initiated", format_time(upload.begun)),
                ],
            )
            for upload_id, upload in bucket.uploads.items()
            if upload.key.startswith(request.query.get("prefix", ""))
        ]
        head = [
            ("EncodingType", "url"),
            ("IsTruncated", "false"),
            ("NextKeyMarker", ""),
            ("NextUploadIdMarker", ""),
        ]
        return Answer(body=make_xml("ListMultipartUploadsResult", [*head, *uploads]))

    def _delete_many(self, request: Request, bucket: Bucket) -> Answer:
        digest = hashlib.md5(request.body, usedforsecurity=False).digest()
        if request.headers.get("content-md5") != base64.b64encode(digest).decode():
            raise Refused(400, self.bad_digest)
        root = ElementTree.fromstring(request.body)
        keys = [node.findtext("Key", "") for node in root.iter("Object")]
        for key in keys:
            bucket.objects.pop(key, None)
        quiet = root.findtext("Quiet", "false") == "true"
        deleted = [] if quiet else [("Deleted", [("Key", key)]) for key in keys]
        return Answer(body=make_xml("DeleteResult", deleted))
