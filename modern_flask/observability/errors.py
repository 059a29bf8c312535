"""The errors in the configuration of telemetry."""

from __future__ import annotations

from ..config.masking import redact
from ..errors import ConfigurationError

__all__ = [
    "FIX_ADDRESS",
    "FIX_BUCKETS",
    "FIX_FILE",
    "FIX_LIMIT",
    "FIX_PORT",
    "FIX_TOKEN",
    "BadAddress",
    "BadBuckets",
    "BadEndpoint",
    "BadLimit",
    "BadPort",
    "EmptyToken",
    "UnreadableFile",
]

FIX_LIMIT = "use a number such as 128, or remove the variable for the default"
FIX_PORT = "use a number from 0 to 65535; 0 takes any free port"
FIX_ADDRESS = "use addresses and networks, such as 10.0.0.0/8, separated by commas"
FIX_BUCKETS = "use seconds in increasing order, such as 0.01, 0.1, 0.5, 1, 5"
FIX_TOKEN = "set a token, or remove the key if everybody may read the metrics"
FIX_FILE = "use the path of a PEM file, or remove the variable for the system's"


class BadAddress(ConfigurationError):
    """A part of a list of addresses is neither an address nor a network."""

    def __init__(self, key: str, value: str, origin: object = None) -> None:
        self.key, self.value, self.origin = key, value, origin
        super().__init__(
            f'{key} has "{value}", which is not an address or a network.',
            ("set in", origin or ""),
            ("fix", FIX_ADDRESS),
        )


class BadBuckets(ConfigurationError):
    """The bounds of the buckets are not increasing positive numbers."""

    def __init__(self, key: str, value: object, origin: object = None) -> None:
        self.key, self.value, self.origin = key, value, origin
        shown = value if isinstance(value, str) else repr(value)
        super().__init__(
            f'{key} = "{shown}" is not a list of increasing positive numbers.',
            ("set in", origin or ""),
            ("fix", FIX_BUCKETS),
        )


class BadEndpoint(ConfigurationError):
    """An endpoint is not a URL, so no span can be sent there."""

    def __init__(
        self, variable: str, value: str, example: str, origin: object = None
    ) -> None:
        self.variable, self.value, self.example = variable, value, example
        self.origin = origin
        super().__init__(
            f'{variable} = "{redact(value)}" is not the URL of a collector.',
            ("set in", origin or ""),
            ("fix", f"use a URL with http:// or https://, such as {example}"),
        )


class BadLimit(ConfigurationError):
    """A limit for spans is not a number, so OpenTelemetry would not start."""

    def __init__(self, variable: str, value: str, origin: object = None) -> None:
        self.variable, self.value, self.origin = variable, value, origin
        super().__init__(
            f'{variable} = "{value}" is not a whole number of 0 or more.',
            ("set in", origin or ""),
            ("fix", FIX_LIMIT),
        )


class BadPort(ConfigurationError):
    """The value of a key is not a port number."""

    def __init__(self, key: str, value: object, origin: object = None) -> None:
        self.key, self.value, self.origin = key, value, origin
        super().__init__(
            f'{key} = "{value}" is not a port number.',
            ("set in", origin or ""),
            ("fix", FIX_PORT),
        )


class EmptyToken(ConfigurationError):
    """A token is set, but it is empty, so it would protect nothing."""

    def __init__(self, key: str, origin: object = None) -> None:
        self.key, self.origin = key, origin
        super().__init__(
            f"{key} is empty.", ("set in", origin or ""), ("fix", FIX_TOKEN)
        )


class UnreadableFile(ConfigurationError):
    """A certificate or a key can't be read, so no connection is possible."""

    def __init__(self, variable: str, path: str, origin: object = None) -> None:
        self.variable, self.path, self.origin = variable, path, origin
        super().__init__(
            f'{variable} = "{path}" is not a readable file.',
            ("set in", origin or ""),
            ("fix", FIX_FILE),
        )
