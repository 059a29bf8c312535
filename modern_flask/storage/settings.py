"""Settings that several vendors have, checked."""

from collections.abc import Collection, Mapping
from typing import Any

from ..config.values import find_key, find_origin
from .errors import InvalidSetting

__all__ = [
    "list_missing",
    "read_seconds",
    "read_text",
    "read_timeouts",
    "read_whole_number",
]

_CONNECT = 3.0  # seconds: a vendor that is up accepts a connection at once
_READ = 30.0  # seconds without a byte, not for the whole transfer


def read_timeouts(
    settings: Mapping[str, Any], name: str = "timeout"
) -> tuple[float, float]:
    """Seconds to connect and to wait for a byte.

    Args:
        settings: ``timeout`` is a number or its text, for both, or a pair.
        name: The setting's name.

    Raises:
        InvalidSetting: It is none of these, or not above zero.
    """
    value = settings.get(name)
    if value is None:
        return _CONNECT, _READ
    pair = value if isinstance(value, list | tuple) else (value, value)
    try:
        connect, read = (float(item) for item in pair)
    except (TypeError, ValueError):
        connect = read = 0.0
    if not (0 < connect < float("inf") and 0 < read < float("inf")):
        reason = "it must be a number of seconds above zero, or a pair of them"
        raise InvalidSetting(
            find_key(settings, name), find_origin(settings, name), reason
        )
    return connect, read


def read_seconds(settings: Mapping[str, Any], name: str) -> float | None:
    """``settings[name]``, or its text, as seconds; ``None`` if it is not set.

    Raises:
        InvalidSetting: It is not a number above zero.
    """
    value = settings.get(name)
    if value is None:
        return None
    try:
        seconds = float(value)
    except (TypeError, ValueError):
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        reason = "it must be a number of seconds above zero"
        raise InvalidSetting(
            find_key(settings, name), find_origin(settings, name), reason
        )
    return seconds


def read_text(settings: Mapping[str, Any], name: str) -> str | None:
    """``settings[name]`` as text; ``None`` if it is not set.

    A secret or an account that has only digits may come as a whole number.

    Raises:
        InvalidSetting: It is of another type, from which its text can't be known.
    """
    value = settings.get(name)
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    try:
        if isinstance(value, bytes):
            return value.decode()
    except UnicodeDecodeError:
        pass
    reason = f"it is of type {type(value).__name__}, not text"
    raise InvalidSetting(
        find_key(settings, name),
        find_origin(settings, name),
        reason,
        "write it in quotes",
    )


def read_whole_number(
    settings: Mapping[str, Any], name: str, default: int, least: int, unit: str
) -> int:
    """``settings[name]``, or its text, as a number of at least ``least``.

    Raises:
        InvalidSetting: It is not a whole number, or below ``least``.
    """
    value = settings.get(name)
    try:
        number = default if value is None else int(value)
    except (TypeError, ValueError):
        number = least - 1
    if number < least:
        reason = f"it must be a number of at least {least} {unit}"
        raise InvalidSetting(
            find_key(settings, name), find_origin(settings, name), reason
        )
    return number


def list_missing(settings: Mapping[str, Any], names: Collection[str]) -> list[str]:
    """The keys of those ``names`` that are not set, or empty."""
    return [find_key(settings, name) for name in names if not settings.get(name)]
