"""What can be wrong with the telemetry's configuration."""

from __future__ import annotations

from ..config.masking import redact
from ..errors import ConfigurationError

__all__ = ["BadEndpoint", "BadLimit", "BadPort", "UnreadableFile"]


class BadEndpoint(ConfigurationError):
    """An endpoint that is no URL: nothing could ever be sent there."""

    def __init__(
        self, variable: str, value: str, example: str, origin: object = None
    ) -> None:
        self.variable, self.value, self.example = variable, value, example
        self.origin = origin
        super().__init__(
            f'{variable} = "{redact(value)}" is no URL of a collector.',
            ("set in", origin or ""),
            ("write", f"a URL with http:// or https://, such as {example}"),
        )


class BadLimit(ConfigurationError):
    """A limit of spans that is no number: OpenTelemetry would not start."""

    def __init__(self, variable: str, value: str, origin: object = None) -> None:
        self.variable, self.value, self.origin = variable, value, origin
        super().__init__(
            f'{variable} = "{value}" is no whole number from 0 on.',
            ("set in", origin or ""),
            ("write", "a number such as 128, or nothing for the default"),
        )


class BadPort(ConfigurationError):
    """A port that is none: nobody could ever ask there."""

    def __init__(self, key: str, value: object, origin: object = None) -> None:
        self.key, self.value, self.origin = key, value, origin
        super().__init__(
            f'{key} = "{value}" is no port.',
            ("set in", origin or ""),
            ("write", "a number from 0 to 65535; 0 takes any that is free"),
        )


class UnreadableFile(ConfigurationError):
    """A certificate or a key that can't be read: no connection could ever be made."""

    def __init__(self, variable: str, path: str, origin: object = None) -> None:
        self.variable, self.path, self.origin = variable, path, origin
        super().__init__(
            f'{variable} = "{path}" is no file that can be read.',
            ("set in", origin or ""),
            ("write", "the path of a PEM file, or nothing for the system's"),
        )
