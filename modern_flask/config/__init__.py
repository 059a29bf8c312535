"""Loads the configuration from ``CONFIG_SOURCE`` and the environment."""

from .environment import export_otel
from .load import load_values
from .masking import mask_value, redact
from .values import (
    Origin,
    Section,
    Values,
    find_key,
    find_origin,
    list_values,
)

__all__ = [
    "Origin",
    "Section",
    "Values",
    "export_otel",
    "find_key",
    "find_origin",
    "list_values",
    "load_values",
    "mask_value",
    "redact",
]
