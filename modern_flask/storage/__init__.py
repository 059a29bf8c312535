"""Object storage: one interface to Tencent COS, Aliyun OSS, a folder and memory.

Importing this package imports no SDK; ``open_cos`` and ``open_oss`` import theirs.
"""

from .bodies import Body
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
    ObjectArchived,
    ObjectChanged,
    ObjectExists,
    ObjectLocked,
    ObjectNotFound,
    OutcomeUnknown,
    PermissionDenied,
    StorageError,
    StorageUnavailable,
    UnexpectedAnswer,
    Unsupported,
)
from .local import open_local
from .memory import MemoryStorage, open_memory
from .object_info import ObjectInfo
from .oss import open_oss
from .reader import ObjectReader
from .storage import Observer, Storage, ping

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
    "ObjectArchived",
    "ObjectChanged",
    "ObjectExists",
    "ObjectInfo",
    "ObjectLocked",
    "ObjectNotFound",
    "ObjectReader",
    "Observer",
    "OutcomeUnknown",
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
