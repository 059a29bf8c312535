"""Adds options to ``celery worker`` that the user has not given."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Mapping, Sequence

__all__ = ["complete_options"]


def complete_options(
    options: Sequence[str], service: str, environ: Mapping[str, str]
) -> list[str]:
    """Add the log level and the node name to ``options`` if they are missing.

    Two workers with the same node name answer each other's remote control, and with
    RabbitMQ the second one can't start. So the name contains the pod, or else the
    process ID.

    Args:
        options: The user's options, which win.
        service: The service's name, used when ``SERVICE_NAME`` is not set.
        environ: May hold ``SERVICE_NAME``, and ``POD_NAME`` from the downward API of
            Kubernetes.
    """
    complete = list(options)
    if not _has_option(complete, "-l", "--loglevel"):
        complete += ["--loglevel", logging.getLevelName(logging.getLogger().level)]
    if not _has_option(complete, "-n", "--hostname"):
        name = _replace_special(environ.get("SERVICE_NAME") or service)
        pod = environ.get("POD_NAME")
        # Celery replaces %h by the host's name.
        node = f"{name}@{_replace_special(pod)}" if pod else f"{name}-{os.getpid()}@%h"
        complete += ["--hostname", node]
    return complete


def _has_option(options: Sequence[str], *names: str) -> bool:
    return any(option.startswith(names) for option in options)


def _replace_special(name: str) -> str:
    """Replace the characters that have a meaning in a node name, such as ``@``."""
    return re.sub(r"[^\w.-]", "-", name)
