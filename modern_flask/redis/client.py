"""The Redis client, with a limit on every wait."""

import logging
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import suppress
from inspect import signature
from math import inf, nan
from threading import TIMEOUT_MAX
from typing import Any

from redis import Redis
from redis.backoff import NoBackoff
from redis.connection import SSLConnection, parse_url
from redis.driver_info import DriverInfo
from redis.exceptions import TimeoutError
from redis.retry import Retry

from ..config.values import find_key, find_origin
from ..errors import UnknownSetting, find_nearest
from .errors import BadNumber, BadRedisUrl, SingleConnection
from .retry import BudgetRetry

__all__ = ["open_redis", "ping"]

logger = logging.getLogger(__name__)

_Settings = Mapping[str, Any]

_WAITS = {
    "socket_connect_timeout": 1,
    "socket_timeout": 2,
    # After this time without a command, a PING checks a connection before its use.
    "health_check_interval": 30,
}
"""Seconds. With the defaults of redis-py a command can wait for minutes if the network
drops packets."""

_NUMBERS: dict[str, tuple[str, str, type[int] | type[float], float, float]] = {
    "port": ("a port from 1 to 65535", "6379", int, 1, 65535),
    "db": ("the number of a database", "0", int, 0, inf),
    "socket_connect_timeout": ("a number of seconds", "1", float, 0.001, TIMEOUT_MAX),
    "socket_timeout": ("a number of seconds", "2", float, 0.001, TIMEOUT_MAX),
    "health_check_interval": ("a number of seconds", "30", float, 0, inf),
}
"""The settings that are numbers: name, example, type, lowest and highest value."""

_RENAMED = {"charset": "encoding", "errors": "encoding_errors"}
"""Keywords of redis-py 3 and 4, with their present names."""


def open_redis(settings: _Settings) -> Iterator[Redis]:
    """Open the service's Redis client and close its pool at shutdown.

    Args:
        settings: Keywords of :class:`redis.Redis`, and ``url``, whose parts override
            them. Both override the kit's defaults.

    Yields:
        A client with limits: 1 s to connect, 2 s for an answer, and 3 s to retry after
        a lost connection. A command that blocks on purpose, such as ``BLPOP``, needs a
        ``socket_timeout`` that is longer than its own timeout. The client connects at
        the first command; threads and forked processes may share it.
        If the client has a callable attribute ``observe_lookup(function, hit)``, each
        call of a cached function calls it, with the dotted name of the function and
        whether Redis had the result.

    Raises:
        UnknownSetting: redis-py does not have the keyword; the error shows the nearest
            ones.
        BadRedisUrl: ``url`` is not a Redis URL.
        BadNumber: A port, the number of a database, or a number of seconds is wrong.
        SingleConnection: ``single_connection_client`` is on.
    """
    _check_known(settings)
    given = _replace_retired(settings)
    from_url = _parse_url(settings)
    given.pop("url", None)
    given |= _parse_numbers(settings, given.keys() - from_url.keys())
    options = {**_WAITS, "retry": BudgetRetry(), **given, **from_url}
    if options.get("single_connection_client"):
        name = "single_connection_client"
        raise SingleConnection(find_key(settings, name), find_origin(settings, name))
    client = Redis(**options)
    try:
        yield client
    finally:
        client.close()


def _parse_numbers(settings: _Settings, names: Collection[str]) -> dict[str, Any]:
    """Return the settings in ``names`` as numbers. A setting may also be a text.

    None stays None, because redis-py gives it a meaning, except for the port.
    """
    return {
        name: _parse_number(settings, name)
        for name in _NUMBERS.keys() & names
        if settings[name] is not None or name == "port"
    }


def _parse_number(settings: _Settings, name: str) -> float:
    noun, example, kind, least, most = _NUMBERS[name]
    value, found = settings[name], nan
    # In Python True is 1, and int() would turn 6379.5 into 6379.
    if isinstance(value, kind | int | str) and not isinstance(value, bool):
        with suppress(ValueError):
            found = kind(value)
    if least <= found <= most:
        return found
    key, origin = find_key(settings, name), find_origin(settings, name)
    raise BadNumber(key, origin, noun, example)


def _list_keywords() -> set[str]:
    """``url`` and the keywords of the installed redis-py that are not retired."""
    return {*signature(Redis).parameters, "url"} - _RETIRED.keys()


def _check_known(settings: _Settings) -> None:
    known = _list_keywords()
    for name in settings:
        if name not in known and name not in _RETIRED:
            # Compared without the prefix, which is the same for all keys.
            keys = [find_key(settings, each) for each in find_nearest(name, known)]
            raise UnknownSetting(
                find_key(settings, name), find_origin(settings, name), keys
            )


def _replace_retired(settings: _Settings) -> dict[str, Any]:
    """Replace the retired keywords by the present ones, with a warning for each."""
    options = {name: settings[name] for name in settings if name not in _RETIRED}
    for name in _RETIRED:
        if name in settings:
            instead = _RETIRED[name](name, settings[name], options)
            logger.warning(
                "%s is retired in redis-py; %s.", find_key(settings, name), instead
            )
    return options


def _rename(name: str, value: Any, options: dict[str, Any]) -> str:
    options.setdefault(_RENAMED[name], value)
    return f"{_RENAMED[name]} replaces it"


def _replace_retry_on_timeout(name: str, value: Any, options: dict[str, Any]) -> str:
    if value:
        options["retry_on_error"] = [
            *(options.get("retry_on_error") or []),
            TimeoutError,
        ]
        return "retry_on_error with TimeoutError replaces it"
    return "it has no effect"


def _replace_lib_info(name: str, value: Any, options: dict[str, Any]) -> str:
    attribute = "name" if name == "lib_name" else name
    info = options.setdefault("driver_info", DriverInfo())
    if isinstance(info, DriverInfo):
        setattr(info, attribute, value)
    return "driver_info replaces it"


def _drop(name: str, value: Any, options: dict[str, Any]) -> str:
    return "it has no effect"


_RETIRED: dict[str, Callable[[str, Any, dict[str, Any]], str]] = {
    "auto_close_connection_pool": _drop,
    "charset": _rename,
    "errors": _rename,
    "lib_name": _replace_lib_info,
    "lib_version": _replace_lib_info,
    "retry_on_timeout": _replace_retry_on_timeout,
}


def _parse_url(settings: _Settings) -> dict[str, Any]:
    """Return the parts of the URL as keywords of :class:`redis.Redis`."""
    if not settings.get("url"):
        return {}
    key, origin = find_key(settings, "url"), find_origin(settings, "url")
    try:
        parts: dict[str, Any] = parse_url(str(settings["url"]))  # type: ignore[no-untyped-call]
    except ValueError:
        # The error may quote a part of the password.
        raise BadRedisUrl(key, origin) from None
    if parts.pop("connection_class", None) is SSLConnection:
        parts["ssl"] = True
    if "path" in parts:
        parts["unix_socket_path"] = parts.pop("path")
    _check_query(parts, key, origin)
    return parts


def _check_query(parts: Collection[str], key: str, origin: object) -> None:
    known = _list_keywords() - {"url"}
    for name in parts:
        if name not in known:
            # A name without a similar keyword may be the end of a password with "?".
            if near := find_nearest(name, known):
                raise UnknownSetting(
                    f"{key}?{name}", origin, [f"{key}?{each}" for each in near]
                )
            raise BadRedisUrl(key, origin)


def ping(client: Redis, timeout: float) -> None:
    """Send ``PING`` to Redis on a new connection.

    Args:
        timeout: Seconds: half of them to connect, half for each answer. The system
            resolves the name of the host without this limit.

    Raises:
        redis.exceptions.RedisError: Redis did not answer, or not in time.
    """
    pool = client.connection_pool
    options = {
        **pool.connection_kwargs,
        "socket_connect_timeout": timeout / 2,
        "socket_timeout": timeout / 2,
        "health_check_interval": 0,
        "retry": Retry(NoBackoff(), 0),
        "retry_on_error": [],
        # Without driver_info, a new connection sends two commands less.
        "driver_info": None,
    }
    connection = pool.connection_class(**options)
    try:
        connection.connect()
        connection.send_command("PING", check_health=False)
        connection.read_response()
    finally:
        connection.disconnect()
