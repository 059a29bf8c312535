"""Loads the configuration from all sources. Later sources override earlier ones."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .content import Content
from .environment import read_environment
from .execute import execute_source
from .kubernetes import read_kubernetes
from .local import find_local, list_places, read_local
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
    """Load the configuration: defaults < source < ``FLASK_`` variables < overrides.

    Args:
        source: The text of ``CONFIG_SOURCE``. None and ``""`` mean that it is not set:
            then ``config.py`` is read if it exists.
        root: A relative path is looked up in this folder, then in the working folder.
        defaults: The values of keys that no source sets.
        environ: The environment variables. A variable without the prefix is never a
            key: a Kubernetes Service with the name redis puts ``REDIS_PORT=tcp://...``
            into every pod of its namespace.
        overrides: Keys that the application sets in its code.

    Returns:
        The keys with their origins; ``searched`` lists the sources.

    Raises:
        ConfigurationError: ``CONFIG_SOURCE`` names a source that can't be read or run.
    """
    values = Values(defaults, dict.fromkeys(defaults, _DEFAULTS))
    text = (source or "").strip()
    content = _read_named(text, root, environ) if text else _read_default(root)
    if content is None:
        places = list_places(_DEFAULT_FILE.path, root)
        values.searched += [f"{place} (not there)" for place in places]
    else:
        values.searched.append(content.name)
        values.put(*execute_source(content.body, content.file, content.name))
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
    exists = find_local(_DEFAULT_FILE, root) is not None
    return read_local(_DEFAULT_FILE, root) if exists else None
