"""Aliyun OSS through oss2."""

import logging
import re
from collections.abc import Iterator, Mapping
from typing import Any

from ..config.values import find_key, find_origin
from ..errors import ConfigurationError, UnknownSetting, make_import_fault
from .bodies import PART
from .buckets.client import BucketClient
from .buckets.connections import POOL_SIZE, make_pool
from .buckets.oss_bucket import OssBucket
from .buckets.sdk_logs import filter_sdk_logs
from .endpoint import check_bucket_name, read_address
from .errors import MissingSettings
from .settings import (
    list_missing,
    read_seconds,
    read_text,
    read_timeouts,
    read_whole_number,
)
from .storage import Storage

__all__ = ["OssStorage", "open_oss"]

logger = logging.getLogger(__name__)

_SMALLEST_PART = 100 * 1024  # bytes; OSS refuses smaller parts, except the last
_KNOWN = (
    "vendor",
    "access_key_id",
    "access_key_secret",
    "security_token",
    "endpoint",
    "region",
    "bucket",
    "is_cname",
    "proxies",
    "timeout",
    "deadline",
    "pool_size",
    "part_size",
)
_REGION = re.compile(
    r"(?:^|\.)oss-(?!accelerate)([a-z0-9-]+?)(?:-internal)?\.aliyuncs\.com$"
    r"|(?:^|\.)([a-z]+-[a-z0-9-]+)\.oss\.aliyuncs\.com$"
)
_BUCKET_HOST = re.compile(
    r"(?P<bucket>[a-z0-9][a-z0-9-]{1,61}[a-z0-9])\."
    r"(?P<host>oss-[a-z0-9-]+\.aliyuncs\.com(?::\d+)?)"
)
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]")
_NAME_RULE = "use 3 to 63 small letters, digits and hyphens, without one at either end"


class OssStorage(Storage):
    """A bucket of OSS. ``raw`` is an ``oss2.Bucket``, without one an ``oss2.Service``.

    Args:
        bucket: The requests of OSS.
        part_size: Bytes of a part of a large upload.

    Attributes:
        service: An ``oss2.Service``, with and without a bucket.
    """

    def __init__(self, bucket: OssBucket, part_size: int = PART) -> None:
        super().__init__(BucketClient(bucket, part_size))
        self.service = bucket.service


def open_oss(settings: Mapping[str, Any]) -> Iterator[Storage]:
    """Open an OSS client with its own connection pool, and close it.

    Args:
        settings: ``access_key_id``, ``access_key_secret`` and ``endpoint``;
            ``security_token`` of temporary credentials; ``region`` for signatures of
            version 4, if the endpoint does not contain it; ``bucket`` for everything
            but ``raw`` and ``service``; ``is_cname`` for a custom domain; ``proxies``
            by scheme; ``timeout`` in seconds, a number or a pair (connect, read): 3 and
            30 if not set; ``deadline`` in seconds for an operation with its retries,
            besides a second for each 64 KiB of a body: 60 if not set; ``pool_size`` in
            connections; ``part_size`` in bytes. The log warns about other keys. The
            endpoint may have a scheme, a slash at its end, and the bucket in it.

    Raises:
        MissingExtra: oss2 is not installed.
        BrokenPackage: It is installed and can't be imported.
        InvalidSetting: A name that no bucket has, or another value that can't be used.
        MissingSettings: A key that is needed to sign or address requests.
        ConfigurationError: oss2 refuses a value.
    """
    try:
        import oss2
    except ImportError as error:
        key, origin = find_key(settings, "vendor"), find_origin(settings, "vendor")
        raise make_import_fault(
            error, "oss2", "storage", "oss2", "oss", key, origin
        ) from error

    _warn_of_unknown(settings)
    absent = list_missing(settings, ("access_key_id", "access_key_secret", "endpoint"))
    if absent:
        raise MissingSettings("oss", absent)
    size = read_whole_number(settings, "pool_size", POOL_SIZE, 1, "connections")
    filter_sdk_logs("oss2")
    session = oss2.Session(adapter=make_pool(2, size))
    try:
        yield _make_storage(settings, session)
    finally:
        session.session.close()


def _make_storage(settings: Mapping[str, Any], session: Any) -> OssStorage:
    from oss2.exceptions import ClientError

    region = find_region(settings)
    endpoint, name = _read_address(settings)
    options = {
        "auth": _make_auth(settings, region),
        "endpoint": endpoint,
        "session": session,
        "proxies": settings.get("proxies"),
        "region": region,
    }
    part_size = read_whole_number(settings, "part_size", PART, _SMALLEST_PART, "bytes")
    try:
        bucket = OssBucket(
            options,
            name,
            is_cname=bool(settings.get("is_cname")),
            limits=read_timeouts(settings),
            deadline=read_seconds(settings, "deadline"),
            bucket_key=find_key(settings, "bucket"),
        )
    except ClientError as error:
        # oss2's texts contain an endpoint at most.
        raise ConfigurationError(
            f"The storage oss can't be opened: {error.body}"
        ) from error
    return OssStorage(bucket, part_size)


def _read_address(settings: Mapping[str, Any]) -> tuple[str, str]:
    """The endpoint without the bucket, and the bucket's name."""
    address = read_address(settings, _BUCKET_HOST)
    if address.path:
        # oss2 has always left it out, so it must not stop a service.
        logger.warning(
            "%s has a path, which is left out.", find_key(settings, "endpoint")
        )
    check_bucket_name(settings, address.bucket, _NAME, _NAME_RULE)
    if settings.get("is_cname"):
        return str(settings["endpoint"]), address.bucket
    scheme = f"{address.scheme}://" if address.scheme else ""
    return f"{scheme}{address.host}", address.bucket


def _warn_of_unknown(settings: Mapping[str, Any]) -> None:
    """Warn only: the predecessor ignored such keys, so they must not stop a service."""
    known = [find_key(settings, name) for name in _KNOWN]
    for name in settings:
        if name not in _KNOWN:
            key = find_key(settings, name)
            logger.warning(
                "%s", UnknownSetting(key, find_origin(settings, name), known)
            )


def find_region(settings: Mapping[str, Any]) -> str | None:
    """The region for V4 signatures; with ``None``, requests are signed by V1."""
    region = str(settings.get("region") or "").removeprefix("oss-")
    if region:
        return region
    host = re.sub(r"^[a-zA-Z]+://|[:/].*$", "", str(settings["endpoint"]).strip())
    found = _REGION.search(host.lower())
    if found:
        return found[1] or found[2]
    logger.warning(
        "%s contains no region, so requests are signed by version 1, which new"
        " accounts and buckets refuse; set %s.",
        find_key(settings, "endpoint"),
        find_key(settings, "region"),
    )
    return None


def _make_auth(settings: Mapping[str, Any], region: str | None) -> Any:
    import oss2

    account = (read_text(settings, "access_key_id") or "").strip()
    secret = (read_text(settings, "access_key_secret") or "").strip()
    token = read_text(settings, "security_token")
    if token:
        version = oss2.AUTH_VERSION_4 if region else oss2.AUTH_VERSION_1
        return oss2.StsAuth(account, secret, token, version)
    return oss2.AuthV4(account, secret) if region else oss2.Auth(account, secret)
