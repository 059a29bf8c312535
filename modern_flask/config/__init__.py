"""``CONFIG_SOURCE`` and the environment -> values that know where they were set."""

from .environment import export_otel
from .load import load_values
from .masking import masked, redacted
from .values import (
    Origin,
    Section,
    Values,
    key_of,
    origin_of,
    rows,
)

__all__ = [
    "Origin",
    "Section",
    "Values",
    "export_otel",
    "key_of",
    "load_values",
    "masked",
    "origin_of",
    "redacted",
    "rows",
]
