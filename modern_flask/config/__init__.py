"""``CONFIG_SOURCE`` and the environment -> values that know where they were set."""

from modern_flask.config.environment import export_otel
from modern_flask.config.load import load_values
from modern_flask.config.masking import masked, redacted
from modern_flask.config.values import (
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
