"""What a right answer to each request of COS and OSS is.

A proxy, a login page or a load balancer may answer in the vendor's place. So an answer
counts only if it has a status, headers and a document that the vendor's has. Sources:
the API references of both vendors.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree

__all__ = [
    "ABORT",
    "COMPLETE",
    "DELETE",
    "GET",
    "HEAD",
    "LIST",
    "LIST_BUCKETS",
    "PING_BUCKET",
    "PING_OBJECT",
    "PUT",
    "PUT_PART",
    "RANGE",
    "START",
    "Answer",
    "Operation",
    "clean_code",
]

_MEDIA_TYPE = re.compile(r"[a-z0-9.+-]{1,40}/[a-z0-9.+-]{1,60}")
_CODE = re.compile(r"[A-Za-z0-9._-]{1,80}")
_BEGINNING = 4096  # bytes in which the root of a document must begin


@dataclass(frozen=True)
class Operation:
    """A request of the vendors, and what its answer must be.

    Args:
        name: As errors name it.
        statuses: The statuses of a right answer.
        headers: The headers that a right answer has, in lower case.
        root: The root element of its document; empty if there is no document.
        elements: The elements that must be in the root, and have a text.
        has_object: Whether the body is an object's, of any content type.
        on_object: Whether the request is about an object, not about its bucket.
        patience: The seconds to wait for an answer, if the timeouts allow less.
    """

    name: str
    statuses: tuple[int, ...] = (200,)
    headers: tuple[str, ...] = ()
    root: str = ""
    elements: tuple[str, ...] = ()
    has_object: bool = False
    on_object: bool = True
    patience: float = 0.0

    def describe(self, prefix: str) -> str:
        """The right answer in words, such as ``200 with x-cos- headers and etag``."""
        statuses = " or ".join(map(str, self.statuses))
        parts = [f"{prefix} headers", *self.headers]
        if self.root:
            parts.append(f"<{self.root}>")
        *most, last = parts
        return f"{statuses} with {', '.join(most)}{' and ' if most else ''}{last}"


_INFO = ("etag", "last-modified", "content-length")

PUT = Operation("put", headers=("etag",))
PUT_PART = Operation("put", headers=("etag",))
START = Operation("put", root="InitiateMultipartUploadResult", elements=("UploadId",))
COMPLETE = Operation(
    "put",
    root="CompleteMultipartUploadResult",
    elements=("ETag",),
    # The parts of a large object are joined before the answer comes.
    patience=600.0,
)
ABORT = Operation("put", statuses=(204,))
GET = Operation("get", headers=_INFO, has_object=True)
# A range that is the whole object may be answered as if there were none.
RANGE = Operation("get", statuses=(200, 206), headers=_INFO, has_object=True)
HEAD = Operation("head", headers=_INFO, has_object=True)
DELETE = Operation("delete", statuses=(204,))
LIST = Operation("list", root="ListBucketResult", on_object=False)
PING_BUCKET = Operation("answer a ping", on_object=False)
# It asks for an object that nobody stores, so it is about the bucket.
PING_OBJECT = Operation(
    "answer a ping", headers=_INFO, has_object=True, on_object=False
)
LIST_BUCKETS = Operation(
    "answer a ping", root="ListAllMyBucketsResult", on_object=False
)


@dataclass(frozen=True)
class Answer:
    """An answer, seen below the SDK.

    Attributes:
        status: Its status.
        headers: Its headers, with names in lower case.
        content: The bytes of its body; empty if the body is an object's.
        prefix: The beginning of the vendor's own headers, such as ``x-cos-``.
    """

    status: int
    headers: Mapping[str, str]
    content: bytes
    prefix: str

    @property
    def is_the_vendors(self) -> bool:
        """Whether it has a header that only the vendor's answers have."""
        return any(name.startswith(self.prefix) for name in self.headers)

    @property
    def content_type(self) -> str:
        """The media type; empty if there is none, or an odd one."""
        kind = self.headers.get("content-type", "").partition(";")[0].strip().lower()
        return kind if _MEDIA_TYPE.fullmatch(kind) else ""

    @property
    def root(self) -> str:
        """The name of the document's root element; empty if it is not XML."""
        parser: Any = ElementTree.XMLPullParser(("start",))
        try:
            parser.feed(self.content[:_BEGINNING].lstrip())
            for _, element in parser.read_events():
                return _strip_namespace(element.tag)
        except ElementTree.ParseError:
            return ""
        return ""

    def find_text(self, name: str, content: bytes | None = None) -> str:
        """The text of an element below the root; empty if there is none."""
        try:
            root = ElementTree.fromstring((content or self.content).strip())
        except ElementTree.ParseError:
            return ""
        for element in root:
            if _strip_namespace(element.tag) == name:
                return (element.text or "").strip()
        return ""

    def fits(self, operation: Operation) -> bool:
        """Whether this is a right answer to ``operation``."""
        return (
            self.status in operation.statuses
            and self.is_the_vendors
            and all(self.headers.get(name) for name in operation.headers)
            and (operation.has_object or self.content_type != "text/html")
            and operation.root in {"", self.root}
            and all(self.find_text(name) for name in operation.elements)
        )

    def describe(self, code: str = "") -> str:
        """The status and the code or the content type; never the body."""
        return f"it answered {self.status} {code or self.content_type}".rstrip()


def clean_code(text: str) -> str:
    """A vendor's code, or nothing if the text is not a code."""
    return text if _CODE.fullmatch(text) else ""


def _strip_namespace(tag: str) -> str:
    return tag.rpartition("}")[2]
