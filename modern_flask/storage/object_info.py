"""What a storage knows about an object without reading its bytes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

__all__ = ["ObjectInfo"]


@dataclass(frozen=True)
class ObjectInfo:
    """What a storage knows about an object without reading its bytes.

    Attributes:
        key: The object's key.
        size: The size of the whole object in bytes.
        etag: The vendor's name for this version, without quotes.
        last_modified: Aware, in UTC; to the second with COS and OSS.
        content_type: ``None`` in listings, which do not contain it.
        metadata: The names in lower case; empty in listings.
    """

    key: str
    size: int
    etag: str
    last_modified: datetime
    content_type: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
