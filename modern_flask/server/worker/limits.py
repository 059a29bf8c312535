"""The limits of the worker: sizes in bytes, times in seconds."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, fields
from typing import Any

from ...config.values import find_key, find_origin
from ...errors import UnknownSetting
from ..errors import BadLimit

__all__ = ["Limits", "read_limits"]


@dataclass(frozen=True)
class Limits:
    """Settings of the worker, each a key with the prefix ``SERVER_``.

    Args:
        head_timeout: From the first byte of a head to its end.
        body_timeout: Without a byte of the body, and for its first KiB.
        body_rate: Bytes a second that a body has at least, on average.
        write_timeout: Without a byte that the client takes.
        body_memory: A longer body goes to a temporary file.
        body_file: A longer body is read by the app's thread while the app asks for it.
        unsent_memory: A longer rest of a response goes to a temporary file.
        unsent_file: With a longer rest, the app's thread waits for the client.
        queue_limit: Requests that may wait for the app; further ones get a 503.
        queue_timeout: A request that has waited for longer gets a 503; 0 for no limit.
        shutdown_delay: At SIGTERM, how long the process still serves while it is not
            ready, so that balancers take it out.
    """

    head_timeout: float = 10.0
    body_timeout: float = 30.0
    body_rate: float = 1024.0
    write_timeout: float = 30.0
    body_memory: int = 65536
    body_file: int = 64 << 20
    unsent_memory: int = 1 << 20
    unsent_file: int = 1 << 30
    queue_limit: int = 1024
    queue_timeout: float = 0.0
    shutdown_delay: float = 0.0


def read_limits(
    settings: Mapping[str, Any], environ: Mapping[str, str] = os.environ
) -> Limits:
    """Read the limits; in a pod the delay at SIGTERM is 5 s unless it is set.

    Raises:
        UnknownSetting: There is another key.
        BadLimit: A value is not a number of 0 or more.
    """
    types: dict[str, Any] = {name.name: type(name.default) for name in fields(Limits)}
    found: dict[str, Any] = {}
    if environ.get("KUBERNETES_SERVICE_HOST"):
        found["shutdown_delay"] = 5.0
    for name, value in settings.items():
        key, origin = find_key(settings, name), find_origin(settings, name)
        if name not in types:
            known = [find_key(settings, known) for known in types]
            raise UnknownSetting(key, origin, known)
        with suppress(TypeError, ValueError):
            number: float = types[name](value)
            if not isinstance(value, bool) and 0 <= number < float("inf"):
                found[name] = number
                continue
        raise BadLimit(key, value, origin)
    return Limits(**found)
