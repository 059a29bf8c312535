"""Tencent Cloud COS through cos-python-sdk-v5."""

import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from ..config.values import find_key, find_origin
from ..errors import ConfigurationError, UnknownSetting, make_import_fault
from .bodies import PART
from .buckets.client import BucketClient
from .buckets.connections import POOL_SIZE, make_pool
from .buckets.cos_bucket import Connect, CosBucket
from .buckets.sdk_logs import filter_sdk_logs
from .endpoint import Address, check_bucket_name, read_address
from .errors import InvalidSetting, MissingSettings
from .settings import (
    list_missing,
    read_seconds,
    read_text,
    read_timeouts,
    read_whole_number,
)
from .storage import Storage

if TYPE_CHECKING:
    from requests import Session

__all__ = ["CosStorage", "open_cos"]

_SMALLEST_PART = 1024 * 1024  # bytes; COS refuses smaller parts, except the last
_OURS = ("vendor", "bucket", "deadline", "part_size")
_ALIASES = {"access_id": "SecretId", "access_key": "SecretKey"}
# They may have only digits, and then come as numbers.
_TEXTS = ("secret_id", "secret_key", "token", "appid", "region")

_DOMAINS = r"(?:myqcloud\.com|tencentcos\.cn)"
_BUCKET_HOST = re.compile(
    rf"(?P<bucket>[a-z0-9][a-z0-9-]*-\d+)\.(?P<host>cos[a-z0-9.-]*\.{_DOMAINS}(?::\d+)?)"
)
_OWN_HOST = re.compile(rf".*\.{_DOMAINS}(?::\d+)?")
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?")
_FULL_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*-\d+")
_NAME_RULE = "use letters, digits and hyphens"
_FULL_NAME_RULE = "add the appid to the name, as in files-1250000000"


class CosStorage(Storage):
    """A bucket of COS. ``raw`` is a ``qcloud_cos.CosS3Client``.

    Args:
        bucket: The requests of COS.
        part_size: Bytes of a part of a large upload.
    """

    def __init__(self, bucket: CosBucket, part_size: int = PART) -> None:
        super().__init__(BucketClient(bucket, part_size))


def open_cos(settings: Mapping[str, Any]) -> Iterator[Storage]:
    """Open a COS client with its own connection pool, and close it.

    Args:
        settings: The keywords of ``qcloud_cos.CosConfig`` in snake case: ``secret_id``,
            ``secret_key``, ``region`` or ``endpoint``, and so on; ``access_id`` and
            ``access_key`` are old names of the first two. ``bucket``, with the appid,
            is needed for everything but ``raw``. ``timeout`` in seconds, a number or a
            pair (connect, read): 3 and 30 if not set. ``deadline`` in seconds for an
            operation with its retries, besides a second for each 64 KiB of a body: 60
            if not set. ``part_size`` in bytes. The endpoint may have a scheme, a slash
            at its end, and the bucket in it.

    Raises:
        MissingExtra: cos-python-sdk-v5 is not installed.
        BrokenPackage: It is installed and can't be imported.
        InvalidSetting: A name that no bucket has, or another value that can't be used.
        MissingSettings: A key that is needed to sign or address requests.
        UnknownSetting: A key that CosConfig does not have.
        ConfigurationError: CosConfig refuses a value.
    """
    try:
        import qcloud_cos
    except ImportError as error:
        key, origin = find_key(settings, "vendor"), find_origin(settings, "vendor")
        raise make_import_fault(
            error, "qcloud_cos", "storage", "cos-python-sdk-v5", "cos", key, origin
        ) from error

    options = _read_options(settings, qcloud_cos.CosConfig)
    bucket = _read_address(settings, options)
    options["Timeout"] = read_timeouts(settings)
    part_size = read_whole_number(settings, "part_size", PART, _SMALLEST_PART, "bytes")
    session = _make_session(settings)
    filter_sdk_logs("qcloud_cos")

    def connect(retries: int) -> Any:
        configured = qcloud_cos.CosConfig(**options)
        return qcloud_cos.CosS3Client(configured, retry=retries, session=session)

    try:
        yield _make_storage(settings, options, connect, bucket, part_size)
    finally:
        session.close()


def _read_address(settings: Mapping[str, Any], options: dict[str, Any]) -> str:
    """Put the endpoint's scheme and host into ``options``; return the bucket's name."""
    appid = options.get("Appid")
    address = read_address(settings, _BUCKET_HOST, f"-{appid}" if appid else "")
    key, origin = find_key(settings, "endpoint"), find_origin(settings, "endpoint")
    if address.path:
        raise InvalidSetting(key, origin, "it has a path", "use a host name")
    if address.scheme:
        scheme = options.setdefault("Scheme", address.scheme)
        if scheme != address.scheme:
            reason = f"its scheme is not that of {find_key(settings, 'scheme')}"
            raise InvalidSetting(key, origin, reason)
    if address.host:
        options["Endpoint"] = address.host
    if not options.get("Domain"):
        _check_name(settings, address, appid)
    return address.bucket


def _check_name(settings: Mapping[str, Any], address: Address, appid: Any) -> None:
    """Refuse a bucket name that COS can't have, or that lacks the appid."""
    check_bucket_name(settings, address.bucket, _NAME, _NAME_RULE)
    # Clouds that are not Tencent's own may have names without an appid.
    if not appid and (not address.host or _OWN_HOST.fullmatch(address.host)):
        check_bucket_name(settings, address.bucket, _FULL_NAME, _FULL_NAME_RULE)


def _make_session(settings: Mapping[str, Any]) -> "Session":
    """The connections of one client; the SDK's own are shared by all clients."""
    import requests

    hosts = read_whole_number(settings, "pool_connections", 10, 1, "hosts")
    size = read_whole_number(settings, "pool_max_size", POOL_SIZE, 1, "connections")
    session = requests.Session()
    for scheme in ("http://", "https://"):
        session.mount(scheme, make_pool(hosts, size))
    return session


def _make_storage(
    settings: Mapping[str, Any],
    options: Mapping[str, Any],
    connect: Connect,
    name: str,
    part_size: int,
) -> CosStorage:
    from qcloud_cos import CosClientError

    try:
        bucket = CosBucket(
            connect,
            name,
            limits=options["Timeout"],
            deadline=read_seconds(settings, "deadline"),
            token=_make_token_reader(options),
            anonymous=bool(options.get("Anonymous")),
            bucket_key=find_key(settings, "bucket"),
        )
    except CosClientError as error:
        # The SDK's texts name the setting and never show its value.
        raise ConfigurationError(f"The storage cos can't be opened: {error}") from error
    return CosStorage(bucket, part_size)


def _read_options(settings: Mapping[str, Any], config: Any) -> dict[str, Any]:
    """The keywords of ``CosConfig`` that are set."""
    known: dict[str, str] = {}
    for parameter in inspect.signature(config).parameters:
        # SecretId precedes its old spelling Secret_id; both are secret_id here.
        known.setdefault(snake_case(parameter), parameter)
    known |= _ALIASES
    options: dict[str, Any] = {}
    for name, value in settings.items():
        if name in _OURS:
            continue
        if name not in known:
            names = [find_key(settings, each) for each in (*_OURS, *known)]
            raise UnknownSetting(
                find_key(settings, name), find_origin(settings, name), names
            )
        if name not in _ALIASES:
            value = read_text(settings, name) if name in _TEXTS else value
            options[known[name]] = value
    for name, parameter in _ALIASES.items():
        if settings.get(name):
            options.setdefault(parameter, read_text(settings, name))
    _check_complete(settings, options)
    return options


def _check_complete(settings: Mapping[str, Any], options: Mapping[str, Any]) -> None:
    absent = []
    if not (options.get("Anonymous") or options.get("CredentialInstance")):
        required = {"secret_id": "SecretId", "secret_key": "SecretKey"}
        absent += list_missing(
            settings, [n for n, p in required.items() if not options.get(p)]
        )
    if not any(options.get(name) for name in ("Region", "Endpoint", "Domain")):
        region, endpoint = find_key(settings, "region"), find_key(settings, "endpoint")
        absent.append(f"{region} (or {endpoint})")
    if absent:
        raise MissingSettings("cos", absent)


def snake_case(name: str) -> str:
    """``PoolMaxSize`` as ``pool_max_size``, ``VerifySSL`` as ``verify_ssl``."""
    boundary = r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])"
    return re.sub(boundary, "_", name).lower()


def _make_token_reader(options: Mapping[str, Any]) -> Callable[[], str | None]:
    """Reads the current security token: a credentials object renews it."""
    credentials, token = options.get("CredentialInstance"), options.get("Token")
    if credentials is not None and not options.get("SecretId"):
        return lambda: getattr(credentials, "token", None)
    return lambda: token
