"""Object storage: one interface over Tencent COS, Aliyun OSS, a folder and memory.

Importing it imports no vendor's SDK; ``open_cos`` and ``open_oss`` do when called.
"""

from .cos import open_cos
from .errors import (
    BucketNotFound,
    IntegrityError,
    InvalidKey,
    InvalidMetadata,
    InvalidRange,
    InvalidSetting,
    MissingSettings,
    NoBucket,
    ObjectChanged,
    ObjectExists,
    ObjectNotFound,
    PermissionDenied,
    StorageError,
    StorageUnavailable,
    UnexpectedAnswer,
    Unsupported,
)
from .storage import Body, ObjectInfo, Observer, Storage, ping
from .local_client import open_local
from .memory import MemoryStorage, open_memory
from .oss import open_oss
from .reader import ObjectReader

__all__ = [
    "Body",
    "BucketNotFound",
    "IntegrityError",
    "InvalidKey",
    "InvalidMetadata",
    "InvalidRange",
    "InvalidSetting",
    "MemoryStorage",
    "MissingSettings",
    "NoBucket",
    "ObjectChanged",
    "ObjectExists",
    "ObjectInfo",
    "ObjectNotFound",
    "ObjectReader",
    "Observer",
    "PermissionDenied",
    "Storage",
    "StorageError",
    "StorageUnavailable",
    "UnexpectedAnswer",
    "Unsupported",
    "open_cos",
    "open_local",
    "open_memory",
    "open_oss",
    "ping",
]
