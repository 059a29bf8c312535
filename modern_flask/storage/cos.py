"""Tencent Cloud COS through cos-python-sdk-v5."""

import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from ..config.values import find_key, find_origin
from ..errors import ConfigurationError, MissingExtra, UnknownSetting
from .bodies import PART
from .buckets.client import BucketClient
from .buckets.connections import POOL_SIZE, make_pool
from .buckets.cos_bucket import Connect, CosBucket, Timeouts
from .buckets.sdk_logs import filter_sdk_logs
from .errors import MissingSettings
from .settings import list_missing, read_timeouts, read_whole_number
from .storage import Storage

if TYPE_CHECKING:
    from requests import Session

__all__ = ["CosStorage", "open_cos"]

_SMALLEST_PART = 1024 * 1024  # bytes; COS refuses smaller parts, except the last
_OURS = ("vendor", "bucket", "part_size")
_ALIASES = {"access_id": "SecretId", "access_key": "SecretKey"}


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
            pair (connect, read): 3 and 30 if not set. ``part_size`` in bytes.

    Raises:
        MissingExtra: cos-python-sdk-v5 is not installed.
        MissingSettings: A key that is needed to sign or address requests.
        UnknownSetting: A key that CosConfig does not have.
        ConfigurationError: CosConfig refuses a value.
    """
    try:
        import qcloud_cos
    except ModuleNotFoundError as error:
        key, origin = find_key(settings, "vendor"), find_origin(settings, "vendor")
        raise MissingExtra(
            "storage", "cos-python-sdk-v5", "cos", key, origin
        ) from error

    options = _read_options(settings, qcloud_cos.CosConfig)
    limits = read_timeouts(settings)
    part_size = read_whole_number(settings, "part_size", PART, _SMALLEST_PART, "bytes")
    session = _make_session(settings)
    filter_sdk_logs("qcloud_cos")

    def connect(limits: Timeouts, retries: int) -> Any:
        configured = qcloud_cos.CosConfig(**{**options, "Timeout": limits})
        return qcloud_cos.CosS3Client(configured, retry=retries, session=session)

    try:
        yield _make_storage(settings, options, connect, limits, part_size)
    finally:
        session.close()


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
    limits: Timeouts,
    part_size: int,
) -> CosStorage:
    from qcloud_cos import CosClientError

    try:
        bucket = CosBucket(
            connect,
            settings.get("bucket") or "",
            limits=limits,
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
            options[known[name]] = value
    for name, parameter in _ALIASES.items():
        if settings.get(name):
            options.setdefault(parameter, settings[name])
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
