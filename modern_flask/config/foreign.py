"""Finds out why a configuration sets no key: it is empty, or not what Python means."""

import ast
import json
from collections.abc import Mapping
from types import ModuleType
from typing import Any

__all__ = ["describe_keyless", "looks_like_json"]

_SHOWN = 3  # names in a message


def looks_like_json(content: bytes) -> bool:
    """Whether ``content`` is a JSON object or array with members."""
    if content.strip()[:1] not in (b"{", b"["):
        return False
    try:
        return bool(json.loads(content))
    except (ValueError, RecursionError):
        return False


def describe_keyless(content: bytes, names: Mapping[str, Any]) -> str:
    """Return why a configuration that runs sets no key.

    Args:
        content: The configuration, which can be parsed.
        names: The names that it has set.
    """
    body = [each for each in ast.parse(content).body if not _is_text(each)]
    if not body:
        return "it is empty"
    if all(isinstance(each, ast.AnnAssign) and not each.value for each in body):
        return "it looks like YAML; write NAME = value"
    if all(isinstance(each, ast.Expr) for each in body):
        return "it assigns no name; write NAME = value"
    lower = [
        name
        for name, value in names.items()
        if not name.startswith("_") and not isinstance(value, ModuleType)
    ]
    if not lower:
        return "it assigns no name; write NAME = value"
    more = ", ..." if len(lower) > _SHOWN else ""
    shown = ", ".join(lower[:_SHOWN])
    return f"only names in upper case are keys, and it has {shown}{more}"


def _is_text(statement: ast.stmt) -> bool:
    """Whether a statement is only a text, such as a docstring."""
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
