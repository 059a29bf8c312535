"""Tencent Cloud COS through cos-python-sdk-v5."""

import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ..config.values import find_key, find_origin
from ..errors import ConfigurationError, MissingExtra, UnknownSetting
from .cos_bucket import Connect, CosStorage, Timeouts
from .errors import MissingSettings
from .hush import hush
from .interface import Storage
from .transfer import PART
from .vendor import POOL, missing, pool, timeouts, whole_number

__all__ = ["CosStorage", "open_cos"]

_SMALLEST_PART = 1024 * 1024  # bytes; COS refuses smaller ones but for the last
_OURS = ("vendor", "bucket", "part_size")
_ALIASES = {"access_id": "SecretId", "access_key": "SecretKey"}


def open_cos(settings: Mapping[str, Any]) -> Iterator[Storage]:
    """Open a COS client with a connection pool of its own, and close it.

    Args:
        settings: The keywords of ``qcloud_cos.CosConfig`` in snake case: ``secret_id``,
            ``secret_key``, ``region`` or ``endpoint``, and so on; ``access_id`` and
            ``access_key`` are old names of the first two. ``bucket``, with the appid,
            for everything but ``raw``. ``timeout`` in seconds, a number or a pair
            (connect, read): 3 and 30 if not set. ``part_size`` in bytes.

    Raises:
        MissingExtra: cos-python-sdk-v5 is not installed.
        MissingSettings: A key without which nothing can be signed or addressed.
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
    import requests

    options = _options_of(settings, qcloud_cos.CosConfig)
    limits = timeouts(settings)
    part_size = whole_number(settings, "part_size", PART, _SMALLEST_PART, "bytes")
    hosts = whole_number(settings, "pool_connections", 10, 1, "hosts")
    size = whole_number(settings, "pool_max_size", POOL, 1, "connections")
    hush("qcloud_cos")
    session = requests.Session()
    for scheme in ("http://", "https://"):
        session.mount(scheme, pool(hosts, size))

    def connect(limits: Timeouts, retries: int) -> Any:
        configured = qcloud_cos.CosConfig(**{**options, "Timeout": limits})
        return qcloud_cos.CosS3Client(configured, retry=retries, session=session)

    try:
        yield opened(settings, options, connect, limits, part_size)
    finally:
        session.close()


def opened(
    settings: Mapping[str, Any],
    options: Mapping[str, Any],
    connect: Connect,
    limits: Timeouts,
    part_size: int,
) -> CosStorage:
    from qcloud_cos import CosClientError

    try:
        return CosStorage(
            connect,
            settings.get("bucket") or "",
            limits=limits,
            part_size=part_size,
            token=_token_of(options),
            bucket_key=find_key(settings, "bucket"),
        )
    except CosClientError as error:
        # Its texts name the setting and never show its value.
        raise ConfigurationError(f"The storage cos can't be opened: {error}") from error


def _options_of(settings: Mapping[str, Any], config: Any) -> dict[str, Any]:
    """The keywords of ``CosConfig`` that ``settings`` name."""
    known: dict[str, str] = {}
    for parameter in inspect.signature(config).parameters:
        # SecretId comes before its old spelling Secret_id; both are secret_id here.
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
    lacking = []
    if not (options.get("Anonymous") or options.get("CredentialInstance")):
        wanted = {"secret_id": "SecretId", "secret_key": "SecretKey"}
        lacking += missing(
            settings, [n for n, p in wanted.items() if not options.get(p)]
        )
    if not any(options.get(name) for name in ("Region", "Endpoint", "Domain")):
        region, endpoint = find_key(settings, "region"), find_key(settings, "endpoint")
        lacking.append(f"{region} (or {endpoint})")
    if lacking:
        raise MissingSettings("cos", lacking)


def snake_case(name: str) -> str:
    """``PoolMaxSize`` as ``pool_max_size``, ``VerifySSL`` as ``verify_ssl``."""
    parted = r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])"
    return re.sub(parted, "_", name).lower()


def _token_of(options: Mapping[str, Any]) -> Callable[[], str | None]:
    """The security token of now: an instance of credentials renews its own."""
    credentials, token = options.get("CredentialInstance"), options.get("Token")
    if credentials is not None and not options.get("SecretId"):
        return lambda: getattr(credentials, "token", None)
    return lambda: token
