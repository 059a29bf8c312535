"""B3 headers: one or several are read, several are sent.

github.com/openzipkin/b3-propagation
"""

from __future__ import annotations

from typing import Any

from opentelemetry.context import Context
from opentelemetry.propagators.b3 import B3MultiFormat
from opentelemetry.propagators.textmap import DefaultGetter, Getter

__all__ = ["B3"]

DEFAULT: Getter[Any] = DefaultGetter()


class B3(B3MultiFormat):
    """OpenTelemetry's own, but ids without a decision leave the decision to us.

    B3 calls that "deferred"; OpenTelemetry reads it as "not sampled" when the ids come
    in several headers, and loses the trace.
    """

    def extract(
        self,
        carrier: Any,
        context: Context | None = None,
        getter: Getter[Any] = DEFAULT,
    ) -> Context:
        if not getter.get(carrier, self.SAMPLED_KEY):
            getter = _Sampled(getter)
        return super().extract(carrier, context, getter)


class _Sampled(Getter[Any]):
    def __init__(self, getter: Getter[Any]) -> None:
        self.getter = getter

    def get(self, carrier: Any, key: str) -> list[str] | None:
        return ["1"] if key == B3.SAMPLED_KEY else self.getter.get(carrier, key)

    def keys(self, carrier: Any) -> list[str]:
        return self.getter.keys(carrier)
