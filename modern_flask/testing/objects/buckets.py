"""Buckets, objects and uploads in memory, and their listing as XML."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote
from xml.sax.saxutils import escape

from ...storage.checksums import Crc64

__all__ = [
    "STORED_HEADERS",
    "Bucket",
    "Entry",
    "Upload",
    "format_time",
    "make_listing",
    "make_xml",
]

STORED_HEADERS = ("cache-control", "content-disposition", "content-encoding", "expires")
_PAGE = 1000  # the maximum number of objects in one listing


@dataclass
class Entry:
    """An object, or a part of one."""

    body: bytes
    etag: str
    headers: dict[str, str] = field(default_factory=dict)
    modified: float = field(default_factory=time.time)

    @property
    def crc64(self) -> str:
        crc = Crc64()
        crc.update(self.body)
        return str(crc.value)

    @property
    def iso_date(self) -> str:
        return format_time(self.modified)


@dataclass
class Upload:
    """A multipart upload that is not complete."""

    key: str
    headers: dict[str, str]
    parts: dict[int, Entry] = field(default_factory=dict)
    begun: float = field(default_factory=time.time)


@dataclass
class Bucket:
    """Objects by key, uploads by id."""

    objects: dict[str, Entry] = field(default_factory=dict)
    uploads: dict[str, Upload] = field(default_factory=dict)


def format_time(moment: float) -> str:
    """Format a time to the second, with the zero milliseconds that oss2 requires."""
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def make_xml(tag: str, content: Any) -> bytes:
    """Make a document from a tag and its content: text, or a list of such pairs."""
    return ('<?xml version="1.0" encoding="UTF-8"?>' + _element(tag, content)).encode()


def _element(tag: str, content: Any) -> str:
    if isinstance(content, list):
        inner = "".join(_element(*child) for child in content)
    else:
        inner = escape(str(content))
    return f"<{tag}>{inner}</{tag}>"


def make_listing(name: str, bucket: Bucket, query: Mapping[str, str]) -> bytes:
    """Answer ``GET /`` of a bucket; ``list-type`` chooses version 1 or 2."""
    second = query.get("list-type") == "2"
    marker = query.get("marker", "")
    if second:
        marker = query.get("continuation-token") or query.get("start-after", "")
    most = min(int(query.get("max-keys") or 100), _PAGE)
    prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
    found = list(_iterate_names(bucket, prefix, delimiter, marker))
    page, truncated = found[:most], len(found) > most
    url = query.get("encoding-type") == "url"

    def encode(text: str) -> str:
        return quote(text, safe="") if url else text

    head: list[tuple[str, Any]] = [
        ("Name", name),
        ("Prefix", encode(prefix)),
        ("Delimiter", encode(delimiter)),
        ("MaxKeys", most),
        ("IsTruncated", str(truncated).lower()),
    ]
    if url:
        head.append(("EncodingType", "url"))
    head.append(("KeyCount", len(page)) if second else ("Marker", encode(marker)))
    if truncated:
        tag = "NextContinuationToken" if second else "NextMarker"
        head.append((tag, encode(page[-1][0])))
    body = [
        ("CommonPrefixes", [("Prefix", encode(key))])
        if entry is None
        else ("Contents", _describe(encode(key), entry))
        for key, entry in page
    ]
    return make_xml("ListBucketResult", head + body)


def _iterate_names(
    bucket: Bucket, prefix: str, delimiter: str, marker: str
) -> Iterator[tuple[str, Entry | None]]:
    """Yield keys with their objects, and common prefixes with ``None``, in order."""
    last = None
    for key in sorted(bucket.objects, key=str.encode):
        if not key.startswith(prefix):
            continue
        begin, mark, _ = (
            key[len(prefix) :].partition(delimiter) if delimiter else ("",) * 3
        )
        if mark:
            common = prefix + begin + mark
            if common != last and common.encode() > marker.encode():
                last = common
                yield common, None
        elif key.encode() > marker.encode():
            yield key, bucket.objects[key]


def _describe(key: str, entry: Entry) -> list[tuple[str, Any]]:
    return [
        ("Key", key),
        ("LastModified", entry.iso_date),
        ("ETag", f'"{entry.etag}"'),
        ("Type", "Normal"),
        ("Size", len(entry.body)),
        ("StorageClass", "Standard"),
        ("Owner", [("ID", "1"), ("DisplayName", "1")]),
    ]
