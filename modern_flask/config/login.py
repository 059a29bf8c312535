"""The login that a kubeconfig names: a command, a provider, a token file.

The client library logs the failure of a login and goes on without credentials. So the
cluster answers that ``system:anonymous`` lacks a permission, which is not the mistake.
"""

import logging
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import PurePath
from typing import Any

from ..waiting import call_within

__all__ = ["DEADLINE", "describe_way", "find_user", "log_in"]

DEADLINE = 20.0
"""Seconds for the login; less than the time for all attempts to read a source."""

_REASONS = {
    r"process returned (-?\d+)": r"it exited with code \1",
    "No such file or directory": "the command does not exist",
    "Permission denied|Exec format error": "the command can't be executed",
    "failed to decode process output": "its output is not JSON",
    "does not match": "its output has another apiVersion than the kubeconfig",
    "malformed response|missing token|missing clientKeyData": (
        "its output has no credentials"
    ),
    "malformed request": "its entry in the kubeconfig is not complete",
}
"""Reasons by the library's texts. A text itself may hold the output of the command."""


def find_user(path: str, active: Mapping[str, Any]) -> Mapping[str, Any]:
    """Find the entry of the current context's user; empty if it has none.

    Args:
        path: The paths of the kubeconfig, with ``:`` between them.
        active: The current context.
    """
    from kubernetes.config import kube_config

    untyped: Any = kube_config
    name = active["context"].get("user")
    if not name:
        return {}
    merged = untyped.KubeConfigMerger(path).config
    found = merged["users"].get_with_name(name, safe=True)
    entry = found.value.get("user") if found is not None else None
    return entry if isinstance(entry, Mapping) else {}


def log_in(
    load: Callable[[], object], configuration: Any, user: Mapping[str, Any]
) -> tuple[str, str] | None:
    """Load the credentials, and find out why there are none.

    Args:
        load: Loads them into the configuration of the client.
        configuration: The configuration of the client.
        user: The user's entry in the kubeconfig.

    Returns:
        The way to log in and the reason why it failed; None if there are credentials.

    Raises:
        DeadlinePassed: The login takes too long.
    """
    texts: list[str] = []

    def load_quietly() -> None:
        # A late login stays in its thread, and what it logs then is caught as well.
        with _caught_errors(texts):
            load()

    call_within(DEADLINE, load_quietly, "modern-flask-login")
    if configuration.api_key.get("BearerToken") or configuration.cert_file:
        return None
    return describe_way(user), _find_reason(texts)


def describe_way(user: Mapping[str, Any]) -> str:
    """Name the way to log in, without its arguments, which may hold a secret."""
    command, provider = user.get("exec"), user.get("auth-provider")
    if isinstance(command, Mapping):
        return f"the login command {PurePath(str(command.get('command'))).name}"
    if isinstance(provider, Mapping):
        return f"the auth-provider {provider.get('name')}"
    return "the user of the current context"


def _find_reason(texts: list[str]) -> str:
    for text in texts:
        for pattern, reason in _REASONS.items():
            if found := re.search(pattern, text):
                return found.expand(reason)
    return "it has no token and no certificate" if not texts else "it failed"


@contextmanager
def _caught_errors(texts: list[str]) -> Iterator[None]:
    """Catch what the library logs to the root logger, with the command's output.

    Without a handler, its call would also configure logging for the whole process.
    """
    root, handler = logging.getLogger(), logging.NullHandler()

    def catch(record: logging.LogRecord) -> bool:
        mine = record.module == "kube_config"
        if mine:
            texts.append(record.getMessage())
        return not mine

    root.addHandler(handler)
    root.addFilter(catch)
    try:
        yield
    finally:
        root.removeFilter(catch)
        root.removeHandler(handler)
