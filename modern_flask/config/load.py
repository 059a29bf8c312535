"""Every source laid over the one below it."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .content import Content
from .environment import read_environment
from .kubernetes import read_kubernetes
from .local import find_local, places, read_local
from .program import execute
from .remote import read_remote
from .source import (
    KubernetesKey,
    LocalFile,
    RemoteFile,
    parse_source,
)
from .values import Origin, Values

__all__ = ["load_values"]

_DEFAULT_FILE = LocalFile("config.py")
_DEFAULTS = Origin("defaults")
_ARGUMENT = Origin("create_app(config=...)")


def load_values(
    source: str | None,
    *,
    root: Path,
    defaults: Mapping[str, Any] = {},
    environ: Mapping[str, str] = os.environ,
    overrides: Mapping[str, Any] = {},
) -> Values:
    """The configuration: defaults < source < ``FLASK_`` variables < overrides.

    Args:
        source: The text of ``CONFIG_SOURCE``. None and ``""`` mean that it is not set:
            ``config.py`` is read if there is one.
        root: The folder in which a relative path is looked up before the working one.
        defaults: What applies where nothing is set.
        environ: The variables. One without the prefix is never a key: a Service that is
            called redis puts ``REDIS_PORT=tcp://...`` into every pod beside it.
        overrides: Keys that an application gives in code.

    Returns:
        The keys; each knows its origin, ``searched`` what was looked at.

    Raises:
        ConfigurationError: A source that is named can't be read, or does not run.
    """
    values = Values(defaults, dict.fromkeys(defaults, _DEFAULTS))
    text = (source or "").strip()
    content = _read_named(text, root, environ) if text else _read_default(root)
    if content is None:
        tried = places(_DEFAULT_FILE.path, root)
        values.searched += [f"{place} (not there)" for place in tried]
    else:
        values.searched.append(content.name)
        values.put(*execute(content.body, content.file, content.name))
    values.searched.append("environment variables FLASK_*")
    values.put(*read_environment(environ, values))
    if overrides:
        values.searched.append(str(_ARGUMENT))
        values.put(overrides, dict.fromkeys(overrides, _ARGUMENT))
    return values


def _read_named(text: str, root: Path, environ: Mapping[str, str]) -> Content:
    match parse_source(text):
        case LocalFile() as source:
            return read_local(source, root)
        case KubernetesKey() as source:
            return read_kubernetes(source, environ=environ)
        case RemoteFile() as source:
            return read_remote(source, environ=environ)


def _read_default(root: Path) -> Content | None:
    there = find_local(_DEFAULT_FILE, root) is not None
    return read_local(_DEFAULT_FILE, root) if there else None
