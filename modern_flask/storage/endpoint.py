"""``STORAGE_ENDPOINT`` and ``STORAGE_BUCKET``, as people copy them from a console."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from ..config.values import find_key, find_origin
from .errors import InvalidSetting
from .settings import read_text

__all__ = ["Address", "check_bucket_name", "read_address"]


@dataclass(frozen=True)
class Address:
    """Where a bucket is.

    Attributes:
        scheme: ``http`` or ``https``; empty if the endpoint has none.
        host: The endpoint's host and port without the bucket; empty if there is none.
        bucket: The bucket's name; empty if there is none.
        path: What followed the host, without slashes; empty if it was the bucket.
    """

    scheme: str
    host: str
    bucket: str
    path: str = ""


def read_address(
    settings: Mapping[str, Any], pattern: re.Pattern[str], suffix: str = ""
) -> Address:
    """Read the endpoint, which may have a scheme, a slash and the bucket in it.

    Args:
        settings: ``endpoint`` and ``bucket``.
        pattern: The vendor's host names with a bucket, in the groups ``bucket`` and
            ``host``.
        suffix: What the vendor's name of the bucket ends with, if the configured one
            does not.

    Raises:
        InvalidSetting: The endpoint names another bucket than ``bucket`` does.
    """
    endpoint = (read_text(settings, "endpoint") or "").strip()
    bucket = (read_text(settings, "bucket") or "").strip()
    full = bucket if not bucket or bucket.endswith(suffix) else bucket + suffix
    parts = urlsplit(endpoint if "//" in endpoint else f"//{endpoint}")
    host, path = parts.netloc, parts.path.strip("/")
    found = pattern.fullmatch(host.lower())
    if bucket and host.lower().startswith(f"{full}."):
        host = host[len(full) + 1 :]
    elif found:
        if bucket:
            raise InvalidSetting(
                find_key(settings, "endpoint"),
                find_origin(settings, "endpoint"),
                f"it names another bucket than {find_key(settings, 'bucket')} does",
                "name the bucket once",
            )
        host, bucket = found["host"], found["bucket"]
    path = "" if path and path in {bucket, full} else path
    return Address(parts.scheme, host, bucket, path)


def check_bucket_name(
    settings: Mapping[str, Any], name: str, pattern: re.Pattern[str], rule: str
) -> None:
    """Refuse a bucket name that the vendor can't have.

    Raises:
        InvalidSetting: The name does not match ``pattern``, which ``rule`` describes.
    """
    if name and not pattern.fullmatch(name):
        key, origin = find_key(settings, "bucket"), find_origin(settings, "bucket")
        raise InvalidSetting(key, origin, "it is not the name of a bucket", rule)
