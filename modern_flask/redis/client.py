"""The Redis client: plain keywords in, bounded waits out."""

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
from ..errors import ConfigurationError, UnknownSetting, find_nearest
from .errors import BadRedisUrl, SingleConnection
from .retry import BudgetRetry

logger = logging.getLogger(__name__)

_Settings = Mapping[str, Any]

_WAITS = {
    "socket_connect_timeout": 1,
    "socket_timeout": 2,
    # A connection that was idle for so long is asked before it is trusted.
    "health_check_interval": 30,
}
"""Seconds. redis-py's own let one command wait for minutes when packets are dropped."""

_NUMBERS: dict[str, tuple[str, str, type[int] | type[float], float, float]] = {
    "port": ("a port from 1 to 65535", "6379", int, 1, 65535),
    "db": ("the number of a database", "0", int, 0, inf),
    "socket_connect_timeout": ("a number of seconds", "1", float, 0.001, TIMEOUT_MAX),
    "socket_timeout": ("a number of seconds", "2", float, 0.001, TIMEOUT_MAX),
    "health_check_interval": ("a number of seconds", "30", float, 0, inf),
}
"""What has to be a number: its name, an example, its kind, the least, the most."""

_RENAMED = {"charset": "encoding", "errors": "encoding_errors"}
"""Keywords of redis-py 3 and 4, and what they are called now."""


class BadNumber(ConfigurationError):
    """A value that has to be a number, and is none that can be used."""

    def __init__(self, key: str, origin: object, number: str, example: str) -> None:
        self.key, self.origin = key, origin
        self.number, self.example = number, example
        super().__init__(
            f"{key} is not {number}.",
            ("set in", origin or ""),
            ("write", f"a number such as {example}, or remove the key"),
        )


def open_redis(settings: _Settings) -> Iterator[Redis]:
    """Open the service's Redis client and close its pool at shutdown.

    Args:
        settings: Keywords of :class:`redis.Redis`, or ``url`` whose parts win over
            them. Both win over our defaults.

    Yields:
        A client whose every wait is bounded: 1 s to connect, 2 s for an answer, 3 s in
        which a lost connection is tried again. A command that blocks on purpose, such
        as ``BLPOP``, needs a ``socket_timeout`` longer than its own. The client
        connects at the first command, and may be shared by threads and over a fork.
        A callable ``observe_lookup(function, hit)`` that is put on it is told of each
        call of a cached function: its dotted name, and whether Redis had the answer.

    Raises:
        UnknownSetting: A keyword that redis-py does not have, with the nearest ones.
        BadRedisUrl: ``url`` is not one.
        BadNumber: A port, a database or a number of seconds is none.
        SingleConnection: ``single_connection_client`` is on.
    """
    _check_known(settings)
    given = current(settings)
    from_url = _parsed(settings)
    given.pop("url", None)
    given |= _numbers(settings, given.keys() - from_url.keys())
    options = {**_WAITS, "retry": BudgetRetry(), **given, **from_url}
    if options.get("single_connection_client"):
        name = "single_connection_client"
        raise SingleConnection(find_key(settings, name), find_origin(settings, name))
    client = Redis(**options)
    try:
        yield client
    finally:
        client.close()


def _numbers(settings: _Settings, names: Collection[str]) -> dict[str, Any]:
    """Those of ``names`` that are numbers, also where their text was given.

    None means something to redis-py, but for the port.
    """
    return {
        name: number(settings, name)
        for name in _NUMBERS.keys() & names
        if settings[name] is not None or name == "port"
    }


def number(settings: _Settings, name: str) -> float:
    called, example, kind, least, most = _NUMBERS[name]
    value, found = settings[name], nan
    # True is 1 to Python, and int() would cut 6379.5.
    if isinstance(value, kind | int | str) and not isinstance(value, bool):
        with suppress(ValueError):
            found = kind(value)
    if least <= found <= most:
        return found
    raise BadNumber(
        find_key(settings, name), find_origin(settings, name), called, example
    )


def _known_keywords() -> set[str]:
    """``url``, and the keywords of the installed redis-py that are not retired."""
    return {*signature(Redis).parameters, "url"} - _RETIRED.keys()


def _check_known(settings: _Settings) -> None:
    known = _known_keywords()
    for name in settings:
        if name not in known and name not in _RETIRED:
            # Compared without the prefix, in which all keys are alike.
            keys = [find_key(settings, each) for each in find_nearest(name, known)]
            raise UnknownSetting(
                find_key(settings, name), find_origin(settings, name), keys
            )


def current(settings: _Settings) -> dict[str, Any]:
    """``settings`` in redis-py's present words; what was retired is told in the log."""
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
    return f"{_RENAMED[name]} takes its place"


def retry_on_timeout(name: str, value: Any, options: dict[str, Any]) -> str:
    if value:
        options["retry_on_error"] = [
            *(options.get("retry_on_error") or []),
            TimeoutError,
        ]
        return "retry_on_error with TimeoutError takes its place"
    return "it has no effect"


def driver_info(name: str, value: Any, options: dict[str, Any]) -> str:
    attribute = "name" if name == "lib_name" else name
    info = options.setdefault("driver_info", DriverInfo())
    if isinstance(info, DriverInfo):
        setattr(info, attribute, value)
    return "driver_info takes its place"


def drop(name: str, value: Any, options: dict[str, Any]) -> str:
    return "it has no effect"


_RETIRED: dict[str, Callable[[str, Any, dict[str, Any]], str]] = {
    "auto_close_connection_pool": drop,
    "charset": _rename,
    "errors": _rename,
    "lib_name": driver_info,
    "lib_version": driver_info,
    "retry_on_timeout": retry_on_timeout,
}


def _parsed(settings: _Settings) -> dict[str, Any]:
    """The URL's parts as keywords of :class:`redis.Redis`."""
    if not settings.get("url"):
        return {}
    key, origin = find_key(settings, "url"), find_origin(settings, "url")
    try:
        parts: dict[str, Any] = parse_url(str(settings["url"]))  # type: ignore[no-untyped-call]
    except ValueError:
        # It may quote a part of the password.
        raise BadRedisUrl(key, origin) from None
    if parts.pop("connection_class", None) is SSLConnection:
        parts["ssl"] = True
    if "path" in parts:
        parts["unix_socket_path"] = parts.pop("path")
    return _checked_query(parts, key, origin)


def _checked_query(parts: dict[str, Any], key: str, origin: object) -> dict[str, Any]:
    known = _known_keywords() - {"url"}
    for name in parts:
        if name not in known:
            # Without a neighbour it may be the tail of a password with a "?" in it.
            if near := find_nearest(name, known):
                raise UnknownSetting(
                    f"{key}?{name}", origin, [f"{key}?{each}" for each in near]
                )
            raise BadRedisUrl(key, origin)
    return parts


def ping(client: Redis, timeout: float) -> None:
    """Ask Redis for ``PING`` on a connection of its own.

    Args:
        timeout: Seconds for the whole: half to connect, half for each answer. The
            look-up of a name is the system's and is not bounded.

    Raises:
        redis.exceptions.RedisError: It did not answer, or not in time.
    """
    pool = client.connection_pool
    options = {
        **pool.connection_kwargs,
        "socket_connect_timeout": timeout / 2,
        "socket_timeout": timeout / 2,
        "health_check_interval": 0,
        "retry": Retry(NoBackoff(), 0),
        "retry_on_error": [],
        # Saves two answers to wait for.
        "driver_info": None,
    }
    connection = pool.connection_class(**options)
    try:
        connection.connect()
        connection.send_command("PING", check_health=False)
        connection.read_response()
    finally:
        connection.disconnect()
