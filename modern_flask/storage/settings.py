"""Settings that several vendors have, checked."""

from collections.abc import Collection, Mapping
from typing import Any

from ..config.values import find_key, find_origin
from .errors import InvalidSetting

__all__ = ["list_missing", "read_timeouts", "read_whole_number"]

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
