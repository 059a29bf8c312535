"""The words that ``celery worker`` is started with, beside those of the user."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Mapping, Sequence

__all__ = ["worker_words"]


def worker_words(
    options: Sequence[str], service: str, environ: Mapping[str, str]
) -> list[str]:
    """``options``, and where they don't say it the level of logs and the node's name.

    Two workers of one name answer each other's remote control, and with RabbitMQ the
    second can't start: the name is the pod's, and elsewhere has the process in it.

    Args:
        options: The user's, which win.
        service: Its name, where no variable says it.
        environ: ``SERVICE_NAME`` and ``POD_NAME`` of the downward API.
    """
    words = list(options)
    if not _has(words, "-l", "--loglevel"):
        words += ["--loglevel", logging.getLevelName(logging.getLogger().level)]
    if not _has(words, "-n", "--hostname"):
        name = _plain(environ.get("SERVICE_NAME") or service)
        pod = environ.get("POD_NAME")
        # Celery fills %h with the host's name.
        node = f"{name}@{_plain(pod)}" if pod else f"{name}-{os.getpid()}@%h"
        words += ["--hostname", node]
    return words


def _has(words: Sequence[str], *names: str) -> bool:
    return any(word.startswith(names) for word in words)


def _plain(name: str) -> str:
    """Without what has a meaning in a node's name, such as ``@`` and ``%``."""
    return re.sub(r"[^\w.-]", "-", name)
