"""What can be wrong with the telemetry's configuration."""

from __future__ import annotations

from modern_flask.config.values import redacted
from modern_flask.errors import ConfigurationError

__all__ = ["BadEndpoint"]


class BadEndpoint(ConfigurationError):
    """An endpoint that is no URL: nothing could ever be sent there."""

    def __init__(
        self, variable: str, value: str, example: str, origin: object = None
    ) -> None:
        self.variable, self.value, self.example = variable, value, example
        self.origin = origin
        super().__init__(
            f'{variable} = "{redacted(value)}" is no URL of a collector.',
            ("set in", origin or ""),
            ("write", f"a URL with http:// or https://, such as {example}"),
        )
