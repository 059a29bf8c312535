"""Object storage: one interface over Tencent COS, Aliyun OSS, a folder and memory.

Importing it imports no vendor's SDK; ``open_cos`` and ``open_oss`` do when called.
"""

from modern_flask.storage.cos import open_cos
from modern_flask.storage.errors import (
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
from modern_flask.storage.interface import Body, ObjectInfo, Observer, Storage, ping
from modern_flask.storage.local import open_local
from modern_flask.storage.memory import MemoryStorage, open_memory
from modern_flask.storage.oss import open_oss
from modern_flask.storage.reader import ObjectReader

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
