"""Aliyun OSS through oss2."""

import logging
import re
from collections.abc import Iterator, Mapping
from typing import Any

from ..config.values import find_key, find_origin
from ..errors import ConfigurationError, MissingExtra, UnknownSetting
from .errors import MissingSettings
from .hush import hush
from .interface import Storage
from .oss_bucket import OssStorage
from .transfer import PART
from .vendor import POOL, missing, pool, timeouts, whole_number

__all__ = ["OssStorage", "open_oss"]

logger = logging.getLogger(__name__)

_SMALLEST_PART = 100 * 1024  # bytes; OSS refuses smaller ones but for the last
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
    "pool_size",
    "part_size",
)
REGION = re.compile(
    r"(?:^|\.)oss-(?!accelerate)([a-z0-9-]+?)(?:-internal)?\.aliyuncs\.com$"
    r"|(?:^|\.)([a-z]+-[a-z0-9-]+)\.oss\.aliyuncs\.com$"
)


def open_oss(settings: Mapping[str, Any]) -> Iterator[Storage]:
    """Open an OSS client with a connection pool of its own, and close it.

    Args:
        settings: ``access_key_id``, ``access_key_secret`` and ``endpoint``;
            ``security_token`` of temporary credentials; ``region``, where the endpoint
            does not tell it, for signatures of version 4; ``bucket`` for everything but
            ``raw`` and ``service``; ``is_cname`` for a domain of one's own; ``proxies``
            by scheme; ``timeout`` in seconds, a number or a pair (connect, read): 3 and
            30 if not set; ``pool_size`` in connections; ``part_size`` in bytes. Other
            keys are warned of in the log.

    Raises:
        MissingExtra: oss2 is not installed.
        MissingSettings: A key without which nothing can be signed or addressed.
        ConfigurationError: oss2 refuses a value.
    """
    try:
        import oss2
    except ModuleNotFoundError as error:
        key, origin = find_key(settings, "vendor"), find_origin(settings, "vendor")
        raise MissingExtra("storage", "oss2", "oss", key, origin) from error

    _warn_of_unknown(settings)
    lacking = missing(settings, ("access_key_id", "access_key_secret", "endpoint"))
    if lacking:
        raise MissingSettings("oss", lacking)
    size = whole_number(settings, "pool_size", POOL, 1, "connections")
    hush("oss2")
    session = oss2.Session(adapter=pool(2, size))
    try:
        yield opened(settings, session)
    finally:
        session.session.close()


def opened(settings: Mapping[str, Any], session: Any) -> OssStorage:
    from oss2.exceptions import ClientError

    region = region_of(settings)
    options = {
        "auth": _auth_of(settings, region),
        "endpoint": settings["endpoint"],
        "session": session,
        "proxies": settings.get("proxies"),
        "region": region,
    }
    try:
        return OssStorage(
            options,
            settings.get("bucket") or "",
            is_cname=bool(settings.get("is_cname")),
            limits=timeouts(settings),
            part_size=whole_number(
                settings, "part_size", PART, _SMALLEST_PART, "bytes"
            ),
            bucket_key=find_key(settings, "bucket"),
        )
    except ClientError as error:
        # Its texts show an endpoint at most.
        raise ConfigurationError(
            f"The storage oss can't be opened: {error.body}"
        ) from error


def _warn_of_unknown(settings: Mapping[str, Any]) -> None:
    """The predecessor ignored such keys, so they may not stop a service now."""
    known = [find_key(settings, name) for name in _KNOWN]
    for name in settings:
        if name not in _KNOWN:
            key = find_key(settings, name)
            logger.warning(
                "%s", UnknownSetting(key, find_origin(settings, name), known)
            )


def region_of(settings: Mapping[str, Any]) -> str | None:
    """The region that V4 signatures name; ``None`` leaves V1 signatures."""
    region = str(settings.get("region") or "").removeprefix("oss-")
    if region:
        return region
    host = re.sub(r"^[a-zA-Z]+://|[:/].*$", "", str(settings["endpoint"]).strip())
    found = REGION.search(host.lower())
    if found:
        return found[1] or found[2]
    logger.warning(
        "%s tells no region, so requests are signed by version 1, which new accounts"
        " and buckets refuse; set %s.",
        find_key(settings, "endpoint"),
        find_key(settings, "region"),
    )
    return None


def _auth_of(settings: Mapping[str, Any], region: str | None) -> Any:
    import oss2

    account = str(settings["access_key_id"]).strip()
    secret = str(settings["access_key_secret"]).strip()
    token = settings.get("security_token")
    if token:
        version = oss2.AUTH_VERSION_4 if region else oss2.AUTH_VERSION_1
        return oss2.StsAuth(account, secret, token, version)
    return oss2.AuthV4(account, secret) if region else oss2.Auth(account, secret)
