"""The environment's part: ``FLASK_`` variables in, ``OTEL_`` variables out."""

import json
import logging
from collections.abc import Mapping, MutableMapping
from typing import Any
from urllib.parse import quote

from .errors import NestedUnderValue
from .values import Origin, Values

__all__ = ["export_otel", "read_environment"]

logger = logging.getLogger(__name__)

_PREFIX = "FLASK_"
_PYTHON = {"True": True, "False": False, "None": None}
# They steer Flask's command line and are no keys.
_COMMAND_LINE = frozenset({"FLASK_APP", "FLASK_ENV", "FLASK_SKIP_DOTENV"})

# What export_otel has put into an environment of this process.
_exported: dict[str, str] = {}


def read_environment(
    environ: Mapping[str, str], below: Values
) -> tuple[dict[str, Any], dict[str, Origin]]:
    """The keys that ``FLASK_`` variables set, much as ``from_prefixed_env`` does.

    Args:
        environ: The variables; ``FLASK_A__b=1`` sets ``A["b"]``, every value is JSON,
            ``True``, ``False`` or ``None``, or else text; ``FLASK_DEBUG`` is a flag as
            it is to Flask.
        below: What the nested ones are laid over; it is copied where it changes.

    Raises:
        NestedUnderValue: ``A`` of ``FLASK_A__b`` is no mapping.
    """
    values: dict[str, Any] = {}
    origins: dict[str, Origin] = {}
    for variable in sorted(environ):
        name = variable.removeprefix(_PREFIX)
        key, *path = name.split("__")
        if name == variable or not key.isupper() or _is_command_line(variable):
            continue
        value = _parsed(name, environ[variable])
        if path:
            under = values.get(key, below.get(key, {}))
            origin = origins.get(key) or below.origin(key)
            value = _laid_into(
                under, path, value, NestedUnderValue(variable, key, origin)
            )
        values[key] = value
        origins[key] = Origin(f"environment variable {variable}")
    return values, origins


def _is_command_line(variable: str) -> bool:
    return variable in _COMMAND_LINE or variable.startswith("FLASK_RUN_")


def _parsed(name: str, text: str) -> Any:
    if name == "DEBUG":
        # flask.helpers.get_debug_flag: the text "false" is not true.
        return bool(text) and text.lower() not in {"0", "false", "no"}
    # As a file of Python has them: the text "False" would be true.
    if text in _PYTHON:
        return _PYTHON[text]
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _laid_into(
    under: Any, path: list[str], value: Any, fault: NestedUnderValue
) -> dict[str, Any]:
    if not isinstance(under, Mapping):
        raise fault
    name, *rest = path
    item = _laid_into(under.get(name, {}), rest, value, fault) if rest else value
    return {**under, name: item}


def export_otel(
    values: Mapping[str, Any], environ: MutableMapping[str, str]
) -> list[str]:
    """Write every ``OTEL_`` key to the environment, where OpenTelemetry looks.

    A variable that is set wins; an empty one counts as unset, and so does None here
    (OpenTelemetry specification, Environment Variable Specification). What a second app
    would change of a first one's is left as it is, with a warning that names the key.

    Returns:
        The names that were written.
    """
    written = []
    for key, value in values.items():
        if not key.startswith("OTEL_") or value is None:
            continue
        text, present = _as_variable(value), environ.get(key)
        if not present:
            environ[key] = _exported[key] = text
            written.append(key)
        elif present != text and present == _exported.get(key):
            logger.warning(
                "%s differs from what another app of this process has set: "
                "OpenTelemetry is configured once, the first value stays",
                key,
            )
    return written


def _as_variable(value: Any) -> str:
    """As OpenTelemetry parses it: true, ``a,b``, ``k=v,k=v`` with values escaped."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        # W3C Baggage, as for OTEL_EXPORTER_OTLP_HEADERS; escapes are RFC 3986's.
        pairs = {name: _as_variable(item) for name, item in value.items()}
        return ",".join(
            f"{name}={quote(text, safe='')}" for name, text in pairs.items()
        )
    if isinstance(value, list | tuple | set | frozenset):
        items = sorted(value, key=str) if isinstance(value, set | frozenset) else value
        return ",".join(_as_variable(item) for item in items)
    return str(value)
