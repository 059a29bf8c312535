"""Environment variables: reads ``FLASK_`` variables, writes ``OTEL_`` variables."""

import json
import logging
from collections.abc import Mapping, MutableMapping
from typing import Any
from urllib.parse import quote

from .errors import NestedUnderValue
from .masking import is_secret_text
from .values import Origin, Values

__all__ = ["export_otel", "read_environment"]

logger = logging.getLogger(__name__)

_PREFIX = "FLASK_"
_PYTHON = {"True": True, "False": False, "None": None}
# They configure Flask's command line and are not keys.
_COMMAND_LINE = frozenset({"FLASK_APP", "FLASK_ENV", "FLASK_SKIP_DOTENV"})

# The variables that export_otel has written in this process.
_exported: dict[str, str] = {}


def read_environment(
    environ: Mapping[str, str], below: Values
) -> tuple[dict[str, Any], dict[str, Origin]]:
    """Read the keys that ``FLASK_`` variables set.

    It works as ``flask.Config.from_prefixed_env`` does, for upper-case keys.

    Args:
        environ: The variables. ``FLASK_A__b=1`` sets ``A["b"]``. A value is JSON, or
            ``True``, ``False`` or ``None``, and text otherwise. ``FLASK_DEBUG`` is a
            flag, as in Flask. The value of a key that names one secret, such as
            ``REDIS_PASSWORD``, is always text.
        below: The values that nested variables change; a changed mapping is a copy.

    Raises:
        NestedUnderValue: ``A`` of ``FLASK_A__b`` is not a mapping.
    """
    values: dict[str, Any] = {}
    origins: dict[str, Origin] = {}
    for variable in sorted(environ):
        name = variable.removeprefix(_PREFIX)
        key, *path = name.split("__")
        if name == variable or not key.isupper() or _is_command_line(variable):
            continue
        value = _parse(name, environ[variable])
        if path:
            under = values.get(key, below.get(key, {}))
            origin = origins.get(key) or below.origin(key)
            fault = NestedUnderValue(variable, key, origin)
            value = _set_nested(under, path, value, fault)
        values[key] = value
        origins[key] = Origin(f"environment variable {variable}")
    return values, origins


def _is_command_line(variable: str) -> bool:
    return variable in _COMMAND_LINE or variable.startswith("FLASK_RUN_")


def _parse(name: str, text: str) -> Any:
    """Parse the text of a variable; the value of a secret key stays text.

    A password such as ``1e10`` or ``true`` is not a number and not a flag.
    """
    if name == "DEBUG":
        # Like flask.helpers.get_debug_flag: the text "false" is not a true value.
        return bool(text) and text.lower() not in {"0", "false", "no"}
    secret = is_secret_text(name.rpartition("__")[2])
    # True, False and None in Python's spelling: as a text, "False" would be true.
    if text in _PYTHON and not secret:
        return _PYTHON[text]
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return value if not secret or isinstance(value, str) else text


def _set_nested(
    under: Any, path: list[str], value: Any, fault: NestedUnderValue
) -> dict[str, Any]:
    """Return a copy of ``under`` in which the item at ``path`` is ``value``."""
    if not isinstance(under, Mapping):
        raise fault
    name, *rest = path
    item = _set_nested(under.get(name, {}), rest, value, fault) if rest else value
    return {**under, name: item}


def export_otel(
    values: Mapping[str, Any], environ: MutableMapping[str, str]
) -> list[str]:
    """Write every ``OTEL_`` key to the environment, where OpenTelemetry reads it.

    A variable that is already set wins. An empty variable counts as unset
    (OpenTelemetry specification, Environment Variable Specification), and so does the
    value None here. If a second app has another value than the first one, the first
    value stays, and a warning names the key.

    Returns:
        The names of the variables that were written.
    """
    written = []
    for key, value in values.items():
        if not key.startswith("OTEL_") or value is None:
            continue
        text, present = _format_value(value), environ.get(key)
        if not present:
            environ[key] = _exported[key] = text
            written.append(key)
        elif present != text and present == _exported.get(key):
            logger.warning(
                "%s differs from the value that another app of this process has set: "
                "OpenTelemetry is configured once, and the first value stays",
                key,
            )
    return written


def _format_value(value: Any) -> str:
    """Format a value for OpenTelemetry: ``true``, ``a,b``, or ``k=v,k=v`` (escaped)."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        # The format of OTEL_EXPORTER_OTLP_HEADERS: W3C Baggage, escaped by RFC 3986.
        pairs = {name: _format_value(item) for name, item in value.items()}
        return ",".join(
            f"{name}={quote(text, safe='')}" for name, text in pairs.items()
        )
    if isinstance(value, list | tuple | set | frozenset):
        items = sorted(value, key=str) if isinstance(value, set | frozenset) else value
        return ",".join(_format_value(item) for item in items)
    return str(value)
